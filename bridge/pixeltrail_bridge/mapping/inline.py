"""The recording itself as events: `Replay Chunks` carries committed chunks, so that the replay lives where events do.

A piece is a row of chunks of one stream and one session, `from_seq <= seq < end_seq`; the next piece of the stream
begins where it ends, so a piece that got lost is noticed. A seq of the row that is not in `data` will not come: it was
not kept, or may not leave. `data` is a recording file's chunks (schema/wire.md, "Recording file") in base64. Before
the row's own chunks stand those that tell of device and display, so that every piece can be painted from its first
keyframe on; their seqs are below `from_seq`.

A piece is closed when it is full, when its time is over, with its session, and when its stream has been quiet.

What may leave: chunks of sessions that are recorded, while the device has not opted out. Of everything else only
chunks that tell of device, display, session and opt-out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from ..sessions.ids import NO_SESSION
from ..wire import messages as m
from ..wire.recording_file import Placed, encode_chunk
from .calls import REPLAY_CHUNKS, Call, Origin, build_call, made_message_id

FORMAT: Final = 1
PIECE_BYTES: Final = (
    13_500  # 18,000 characters of base64: with the longest context an event stays below 24 KB
)
QUIET_MS: Final = 150_000  # silence of a stream that closes a piece of vitals alone
RESTING_MS: Final = 600_000  # how long vitals alone gather while the device goes on sending them
_ITEM_BYTES: Final = 28  # a chunk's frame in the recording file, at most
_JUMP_MS: Final = 5_000  # host time that falls by more belongs to another piece
_HEADS: Final = (m.Hello, m.Display, m.SessionStart, m.SessionEnd, m.OptOut)
_RESTING: Final = (m.Vitals, m.Unknown, m.Bad)


class Committed(Placed, Protocol):
    """A chunk as the store keeps it."""

    @property
    def seq(self) -> int: ...


class Sent(msgspec.Struct, frozen=True):
    """How far a stream's chunks have gone out. Every chunk below `done` was sent or left out; `sent` ended the last
    event, and the next one begins there."""

    is_on: bool = False
    done: int = 0
    sent: int = 0


@dataclass(slots=True)
class Piece:
    """`first_ms` is the host time of its first chunk, `leads` are chunks of earlier pieces that it repeats."""

    first_ms: int
    leads: tuple[Committed, ...]
    session_id: int = NO_SESSION
    session_start_ms: int = 0
    chunks: list[tuple[Committed, bool]] = field(default_factory=list)  # with: it tells of device or session
    end_seq: int = 0
    size_bytes: int = 0
    is_active: bool = False  # something but vitals is in it

    def add(self, stored: Committed, chunk: m.Chunk, session_id: int, start_ms: int) -> None:
        bodies = [record.body for record in chunk.records]
        self.chunks.append((stored, any(isinstance(body, _HEADS) for body in bodies)))
        self.end_seq = stored.seq + 1
        self.size_bytes += item_bytes(stored)
        self.is_active |= any(not isinstance(body, _RESTING) for body in bodies)
        if session_id != NO_SESSION:
            self.session_id, self.session_start_ms = session_id, start_ms


class Gatherer:
    """Makes pieces of a stream's chunks as they come. `closed` ones wait to be committed; `sent` as of the commit."""

    def __init__(self, length_ms: int, sent: int) -> None:
        self._length_ms = length_ms
        self.sent = sent
        self.open: Piece | None = None
        self.closed: list[Piece] = []

    def add(
        self,
        stored: Committed,
        chunk: m.Chunk,
        session_id: int,
        start_ms: int,
        host_ms: int,
        leads: Iterable[Committed] = (),
    ) -> None:
        """Take the next chunk; `start_ms` is its session's, `leads` tell of the device and display in force."""
        if self.open is not None and self._is_over(self.open, stored, session_id, host_ms):
            self.close()
        if self.open is None:
            before = tuple(sorted((one for one in leads if one.seq < stored.seq), key=lambda one: one.seq))
            self.open = Piece(host_ms, before, size_bytes=sum(map(item_bytes, before)))
        self.open.add(stored, chunk, session_id, start_ms)
        if any(isinstance(record.body, m.SessionEnd) for record in chunk.records):
            self.close()

    def close(self) -> None:
        if self.open is not None:
            self.closed.append(self.open)
            self.open = None

    def close_quiet(self, quiet_ms: int) -> bool:
        """Close what a quiet stream left; True when there was something."""
        piece = self.open
        if piece is None or quiet_ms < (self._length_ms if piece.is_active else QUIET_MS):
            return False
        self.close()
        return True

    def _is_over(self, piece: Piece, stored: Committed, session_id: int, host_ms: int) -> bool:
        if NO_SESSION not in (session_id, piece.session_id) and session_id != piece.session_id:
            return True
        patience_ms = self._length_ms if piece.is_active else RESTING_MS
        is_in_time = -_JUMP_MS <= host_ms - piece.first_ms < patience_ms
        return not is_in_time or piece.size_bytes + item_bytes(stored) > PIECE_BYTES


def item_bytes(stored: Placed) -> int:
    return len(stored.data) + _ITEM_BYTES


def piece_call(origin: Origin, stream: bytes, piece: Piece, from_seq: int, *, sampled: bool) -> Call | None:
    """The event of a piece, None when nothing of it may leave.

    `origin` tells by `is_recording` whether more than heads may; `sampled` is the session's, also after an opt-out.
    """
    chunks = [stored for stored, is_head in piece.chunks if is_head or origin.is_recording]
    if not chunks:
        return None
    properties = piece_properties(piece, stream, from_seq, (*piece.leads, *chunks), sampled=sampled)
    call_id = made_message_id(origin.device_id, REPLAY_CHUNKS, stream, from_seq, piece.end_seq)
    fields = {"event": REPLAY_CHUNKS, "properties": properties}
    return build_call(origin, "track", call_id, piece.first_ms, fields, event=REPLAY_CHUNKS)


def piece_properties(
    piece: Piece, stream: bytes, from_seq: int, chunks: Sequence[Committed], *, sampled: bool
) -> dict[str, Any]:
    """Names are in snake case, so that a warehouse's columns are called the same."""
    data = b"".join(encode_chunk(stored, piece.session_id) for stored in chunks)
    return {
        "format": FORMAT,
        "stream": stream.hex(),
        "from_seq": from_seq,
        "end_seq": piece.end_seq,
        "chunks": len(chunks),
        "session_id": piece.session_id,
        "session_start_ms": piece.session_start_ms,
        "sampled": sampled,
        "data": b64encode(data).decode(),
    }
