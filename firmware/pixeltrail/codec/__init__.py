"""Finds what changed on a display and codes it: see encoder.py. Imports nothing of the rest of the library."""
