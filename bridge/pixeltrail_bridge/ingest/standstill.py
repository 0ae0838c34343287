"""Chunks of which not even the head can be read, so that nothing tells their place, while their device waits for it.

Such a message is a dead letter, and nothing is acked by it. Its device sends it again after each wait, for ever, and
all that it recorded since stays behind it. So a place is given up on when all of this is true:

- the watermark has stood still while the device resent, and the same bytes came `ROUNDS` times meanwhile: a chunk that
  was merely lost would have come in the first round;
- there are exactly as many such messages as places below the end of the device's window that nothing was stored for:
  each place is one of them, and none is a chunk that is still on its way.

The bytes then take the places, in the order in which they first came, as a chunk with a fault does whose head could be
read: they are kept, the dead letter names the place, and the watermark passes. What one sync does not show is kept in
the stream's state, so that a restart or another worker does not begin anew.

A device of another wire version is not meant: its syncs cannot be read either. It keeps what it has until it is
understood.
"""

from __future__ import annotations

from typing import Final

from ..sessions.state import Standing
from ..store.base import IngestTransaction, LooseLetter
from ..wire.messages import Sync
from .known import Stream

ROUNDS: Final = 3


def unreadable_places(
    tx: IngestTransaction, stream: Stream, sync: Sync, window: int
) -> list[tuple[int, LooseLetter]]:
    """Seqs to give up on, with what came in their place; notes in the stream's state how things stand."""
    state, mark, device = stream.state, stream.watermark, stream.device
    letters = []
    if device.has_loose and sync.next > mark:
        letters = tx.loose_letters(device.device_id, window + 1)
        device.has_loose = bool(letters)  # the look is not free where a device has thousands of other letters
    if not letters:
        state.standing = None
        return []
    if state.standing is None or state.standing.watermark != mark:
        state.standing = Standing(mark, {letter.id: letter.count for letter in letters})
        return []
    before = state.standing.counts
    again = [letter for letter in letters if letter.count - before.get(letter.id, 0) >= ROUNDS]
    missing = stream.missing(min(sync.next, mark + window))
    places = [seq for first, end in missing for seq in range(first, end)]
    if len(places) != len(again):
        return []
    return list(zip(places, sorted(again, key=lambda letter: letter.id), strict=True))
