"""Forgets a device, a user or a session: finds all that is theirs, keeps it from coming back, deletes it, and looks
whether anything is left.

In this order, so that it may be killed at any moment and done again:

    tombstones (in the store, and in a file beside it) -> rows -> objects, files -> a word to whoever may have read them
    meanwhile -> the store's free space -> search

From the first step on every process that shares the store refuses what is forgotten, so a bridge may run meanwhile.
Where a user shared a session with others its recording goes whole; of its events, those that name another user stay.
"""
