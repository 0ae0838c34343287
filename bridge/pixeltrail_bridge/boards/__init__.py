"""Boards: what board.toml says of each, what a recorder costs there, its imitation, and how it is flashed.

A board is a folder of `boards/`, or any folder with a board.toml; nothing in here names one.
"""
