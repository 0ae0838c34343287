"""Pieces and events into a store: what is new, once, beside a bridge that may be running.

What the store has stays: the first bytes that came under a place are kept, and others are told of. A stream that a
device sends to this store itself is left alone, since what is committed of it decides what the device may free. An
imported stream becomes no part of that: when its device begins to send it here, ingest sets the imported one aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ..ingest.refusals import Blocked, Refusals
from ..mapping.calls import Call
from ..sessions.clock import TimeLine
from ..sessions.ids import NO_SESSION
from ..sessions.state import DeviceState, SessionRow
from ..store import imports
from ..store.base import SEQ_SPAN, NewChunk
from ..store.database import SqlStore, SqlTransaction
from ..wire.decode import decode_uplink
from ..wire.messages import Alias, Chunk, Identify
from .records import Piece, Placed

BATCH_BYTES: Final = 1 << 20  # in one transaction, for which a bridge that runs has to wait
BATCH_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Read:
    """Something that was read, and where."""

    file: str
    line: int
    what: Piece | Call


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be taken, and what to do."""

    file: str
    line: int
    field: str
    why: str


@dataclass(slots=True)
class Counts:
    pieces: int = 0
    events: int = 0
    new_chunks: int = 0
    known_chunks: int = 0
    new_events: int = 0
    known_events: int = 0
    left_to_device: int = 0  # chunks of streams that their device sends here itself
    refused_here: int = 0  # pieces and events of whom was forgotten or is blocked here
    others: int = 0  # events and rows that are not ours


def size_of(what: Piece | Call) -> int:
    return sum(len(one.data) for one in what.chunks) if isinstance(what, Piece) else 2_000


class Writer:
    """`counts` and `refused` go up with each batch that was committed."""

    def __init__(self, store: SqlStore, blocked: Blocked) -> None:
        self._store, self._blocked = store, blocked
        self.counts = Counts()

    def write(self, batch: Iterable[Read]) -> list[Refusal]:
        """One transaction; returns what could not be taken."""
        items = list(batch)
        one = self._store.commit_batch(lambda tx: _Batch(tx, self._blocked).run(items))
        for name in Counts.__slots__:
            setattr(self.counts, name, getattr(self.counts, name) + getattr(one.counts, name))
        return one.refused


class _Batch:
    def __init__(self, tx: SqlTransaction, blocked: Blocked) -> None:
        self._tx, self._blocked = tx, blocked
        self.counts = Counts()
        self.refused: list[Refusal] = []
        self._devices: dict[str, int] = {}

    def run(self, items: list[Read]) -> _Batch:
        self._tx.lock_devices({one.what.device_id for one in items})
        refusals = Refusals(self._blocked, self._tx.tombstones)
        calls: list[Call] = []
        for one in items:
            if refusals and self._is_refused(refusals, one.what):
                self.counts.refused_here += 1
                continue
            self._device(one.what.device_id, _first_ms(one.what))
            if isinstance(one.what, Piece):
                self.counts.pieces += 1
                self._take(one, one.what)
            else:
                self.counts.events += 1
                calls.append(one.what)
        new = imports.put_read(self._tx, calls) if calls else 0
        self.counts.new_events, self.counts.known_events = new, len(calls) - new
        return self

    def _is_refused(self, refusals: Refusals, what: Piece | Call) -> bool:
        """Whether it tells of a device or user of whom nothing may be kept here."""
        if refusals.refuses_device(what.device_id):
            return True
        if isinstance(what, Call):
            user_id = what.payload.get("userId")
            return not self._tx.known_calls([what]) or _is_refused_user(refusals, user_id)
        until_ms = max(one.host_ms for one in what.chunks)
        return (
            refusals.refuses_stream(what.stream)
            or refusals.refuses_stretch(what.device_id, what.session_id, until_ms)
            or any(_is_refused_user(refusals, user_id) for user_id in _users(what))
        )

    def _device(self, device_id: str, now_ms: int) -> int:
        number = self._devices.get(device_id)
        if number is None:
            known = self._tx.load_device(device_id)
            if known is None:
                made = self._tx.add_device(device_id, msgspec.json.encode(DeviceState()), now_ms)
                self._tx.set_online(device_id, False)
                assert made is not None, "its name was free"
                number = made
            else:
                number = known.number
            self._devices[device_id] = number
        return number

    def _take(self, read: Read, piece: Piece) -> None:
        found = imports.find(self._tx, piece.stream)
        if found.owner is not None and found.owner != piece.device_id:
            why = f"stream {piece.stream.hex()} is one of {found.owner} here, and of {piece.device_id} in the file"
            self._refuse(read, "stream", f"{why}; find out which of them it was")
            return
        if found.live is not None:
            self._compare(read, piece, found.live, found.imported)
            return
        number = found.imported
        is_new = number is None
        if number is None:
            number = self._add_stream(piece)
        has_changed = is_new
        for one in piece.chunks:
            has_changed |= self._add(read, piece, number, one)
        has_changed |= self._skip(number, piece)
        if piece.session_id != NO_SESSION:
            imports.add_session(self._tx, _session(piece))
        if has_changed:
            imports.reopen(self._tx, number)

    def _add_stream(self, piece: Piece) -> int:
        first = piece.chunks[0]
        chunk = decode_uplink(first.data)
        assert isinstance(chunk, Chunk), "records.py has looked at it"
        line = TimeLine(estimate_ms=0) if piece.estimated else TimeLine(minutes=[(0, 0)])
        device = self._device(piece.device_id, first.received_ms)
        began_ms = max(0, first.host_ms - chunk.time_ms)
        return imports.add(
            self._tx, device, piece.stream, msgspec.json.encode(line), began_ms, first.received_ms
        )

    def _add(self, read: Read, piece: Piece, stream: int, one: Placed) -> bool:
        """Whether the store has changed."""
        known = imports.known_chunk(self._tx, stream, one.seq, one.data)
        if known is None:
            self.counts.new_chunks += 1
            key = stream * SEQ_SPAN + one.seq
            self._tx.put_chunks([NewChunk(key, one.received_ms, one.data, one.session_id, one.host_ms)])
            return True
        if not known.is_same:
            self._conflict(read, piece, one)
            return False
        self.counts.known_chunks += 1
        if known.is_placed or one.session_id is None:
            return False
        imports.place(self._tx, stream, one.seq, one.session_id, one.host_ms)
        return True

    def _skip(self, stream: int, piece: Piece) -> bool:
        """Write down what of the piece's seqs will not come."""
        at, skips = piece.from_seq, list[tuple[int, int, int]]()
        for seq in (*(one.seq for one in piece.chunks if one.seq >= at), piece.end_seq):
            if seq > at:
                skips.append((stream, at, seq))
            at = seq + 1
        before = self._count_skips(stream) if skips else 0
        self._tx.put_skips(skips)
        return bool(skips) and self._count_skips(stream) > before

    def _count_skips(self, stream: int) -> int:
        (count,) = self._tx.db.execute("SELECT count(*) FROM skips WHERE stream = ?", (stream,)).fetchone()
        return int(count)

    def _compare(self, read: Read, piece: Piece, live: int, aside: int | None) -> None:
        """With what a device sent here itself, of which nothing may change."""
        for one in piece.chunks:
            known = imports.known_chunk(self._tx, live, one.seq, one.data)
            if known is None and aside is not None:
                known = imports.known_chunk(self._tx, aside, one.seq, one.data)
            if known is None:
                self.counts.left_to_device += 1
            elif known.is_same:
                self.counts.known_chunks += 1
            else:
                self._conflict(read, piece, one)

    def _conflict(self, read: Read, piece: Piece, one: Placed) -> None:
        place = f"{piece.device_id} stream {piece.stream.hex()} seq {one.seq}"
        self._refuse(
            read, "data", f"{place} has other bytes here, which are kept; see which of the two is right"
        )

    def _refuse(self, read: Read, field: str, why: str) -> None:
        self.refused.append(Refusal(read.file, read.line, field, why))


def _is_refused_user(refusals: Refusals, user_id: object) -> bool:
    return isinstance(user_id, str) and bool(user_id) and refusals.refuses_user(user_id)


def _users(piece: Piece) -> Iterator[str | None]:
    yield piece.user_id
    for one in piece.chunks:
        chunk = decode_uplink(one.data)
        assert isinstance(chunk, Chunk), "records.py has looked at it"
        for record in chunk.records:
            body = record.body
            if isinstance(body, Identify | Alias):
                yield body.user_id
            if isinstance(body, Alias):
                yield body.previous_id


def _first_ms(what: Piece | Call) -> int:
    if isinstance(what, Piece):
        return what.chunks[0].received_ms if what.chunks else what.session_start_ms
    return what.time_ms


def _session(piece: Piece) -> SessionRow:
    return SessionRow(
        device_id=piece.device_id,
        session_id=piece.session_id,
        index=0,
        boot=0,
        stream=piece.stream,
        start_ms=piece.session_start_ms,
        last_ms=max(piece.session_start_ms, *(one.host_ms for one in piece.chunks)),
        end_ms=None,
        sampled=piece.sampled,
        estimated=piece.estimated,
        user_id=piece.user_id,
    )
