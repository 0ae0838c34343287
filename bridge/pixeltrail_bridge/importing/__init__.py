"""Recordings and events back into a store, from what a warehouse or a bucket gives of them.

    files.py     lines of files, whatever they are packed in
    records.py   what a line says: a piece of a recording, an event, or nothing for us
    writing.py   pieces and events into the store, in any order, any number of times
    rebuilding.py  sessions, events, gaps and pictures of what is there

A store after an import depends on what was imported, and not on the order or number of files and runs: chunks are
kept by their place, and everything that follows from them is made anew for each device of which something came.
"""
