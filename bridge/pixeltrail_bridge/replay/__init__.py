"""Turns frame records back into pictures. Needs no device, network, store or clock."""
