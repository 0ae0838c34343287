"""What follows from imported chunks: sessions, calls, gaps, heads and spans, made anew for a whole device.

Its imported streams are mapped from their first chunk on, in the order in which they began, as ingest would have done,
but with the session and host time that each chunk got where it was committed first. So nothing depends on the order in
which files came, and a piece that comes later closes the gap that it left. Nothing of it goes to a sink: the store was
opened without any.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from ..errors import PeerError
from ..mapping.calls import Call
from ..mapping.chunks import map_chunk
from ..mapping.settings import MappingSettings
from ..sessions.clock import TimeLine
from ..sessions.ids import NO_SESSION
from ..sessions.state import DeviceState, GapRow, OpenSession, SessionRow, StreamState
from ..store import imports
from ..store.base import DeviceSave, StoredChunk
from ..store.database import SqlStore, SqlTransaction
from ..store.imports import ImportedStream
from ..wire import messages as m
from ..wire.decode import decode_uplink

_CALLS_AT_ONCE: Final = 500
_NEVER_LESS: Final = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Missing:
    """Chunks of a stream, `first <= seq < end`, which no file had."""

    device_id: str
    stream: bytes
    first: int
    end: int


@dataclass(slots=True)
class Rebuilt:
    """Of one device. `unended`: sessions whose end no file told."""

    device_id: str
    sessions: set[int] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)
    unended: list[int] = field(default_factory=list)
    new_events: int = 0


@dataclass(slots=True)
class _Made:
    """Of one stream."""

    heads: dict[int, bool] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    gaps: list[GapRow] = field(default_factory=list)
    covered: list[tuple[int, int]] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)  # seq, session, host time
    calls: list[Call] = field(default_factory=list)
    began_ms: int | None = None


def rebuild(store: SqlStore, device_id: str, settings: MappingSettings) -> Rebuilt:
    return _Device(store, device_id, settings).run()


class _Device:
    def __init__(self, store: SqlStore, device_id: str, settings: MappingSettings) -> None:
        self._store, self._device_id, self._settings = store, device_id, settings
        self._known = {row.session_id: row for row in store.sessions(device_id)}
        self._own = imports.own_sessions(store, device_id)
        self._state = DeviceState()
        self._rows: dict[int, SessionRow] = {}
        self._rebuilt = Rebuilt(device_id)

    def run(self) -> Rebuilt:
        streams = imports.streams_of(self._store, self._device_id)
        self._rebuilt.new_events = -self._store.commit_batch(self._drop_remade)
        for stream in streams:
            made, state = _Made(), StreamState()
            for stored in self._store.chunks(self._device_id, stream.id):
                self._map(stored, stream, state, made)
                if len(made.calls) >= _CALLS_AT_ONCE:
                    self._write_calls(made)
            self._write_calls(made)
            made.covered += imports.skips_of(self._store, stream.number)
            self._note_missing(stream, made)
            self._store.commit_batch(lambda tx, s=stream, d=made, t=state: self._write(tx, s, d, t))  # type: ignore[misc]
        self._store.commit_batch(self._write_sessions)
        return self._rebuilt

    # ---- mapping --------------------------------------------------------------------------------------

    def _map(self, stored: StoredChunk, stream: ImportedStream, state: StreamState, made: _Made) -> None:
        chunk = _decode(stored)
        if chunk is None:
            return
        host_ms = stored.received_ms if stored.host_ms is None else stored.host_ms
        if made.began_ms is None:
            made.began_ms = max(0, host_ms - chunk.time_ms)
        made.covered.append((stored.seq, stored.seq + 1))
        session_id = stored.session_id
        if session_id is None:  # only what the decoder needs: nobody told of which session the rest is
            records = tuple(one for one in chunk.records if isinstance(one.body, m.Hello | m.Display))
            chunk = m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, records)
        else:
            made.places.append((stored.seq, session_id, host_ms))
            self._enter(session_id, stored, chunk, state, host_ms)
        kinds = {type(record.body) for record in chunk.records}
        if m.Hello in kinds or m.Display in kinds:
            made.heads[stored.seq] = m.Display in kinds
        line = _line(stream, host_ms - chunk.time_ms)
        mapped = map_chunk(
            *(self._state, state, line, self._settled(chunk, session_id), stored.received_ms),
            *(self._device_id, self._settings),
            session_id=None if session_id in (None, NO_SESSION) else session_id,
        )
        made.calls += mapped.calls
        made.gaps += mapped.gaps
        self._note_sessions(mapped.sessions)
        if session_id is not None and session_id != NO_SESSION:
            first, _ = made.spans.get(session_id, (stored.seq, stored.seq))
            made.spans[session_id] = (first, stored.seq)
            self._rebuilt.sessions.add(session_id)

    def _settled(self, chunk: m.Chunk, session_id: int | None) -> m.Chunk:
        """With the bridge's decision where the device left it to the bridge."""
        known = self._known.get(session_id or NO_SESSION)
        sampled = known is None or known.sampled
        if not any(
            isinstance(one.body, m.SessionStart) and one.body.sampled is None for one in chunk.records
        ):
            return chunk
        records = tuple(
            m.Record(one.index, one.time_ms, replace(one.body, sampled=sampled))
            if isinstance(one.body, m.SessionStart) and one.body.sampled is None
            else one
            for one in chunk.records
        )
        return m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, records)

    def _enter(
        self, session_id: int, stored: StoredChunk, chunk: m.Chunk, state: StreamState, host_ms: int
    ) -> None:
        """Follow the stream into or out of a session whose start or end is missing."""
        if state.session_id == session_id or any(isinstance(o.body, m.SessionStart) for o in chunk.records):
            return
        state.session_index, state.session_id, state.sampled = None, NO_SESSION, False
        if session_id == NO_SESSION:
            return
        known = self._known.get(session_id)
        start_ms = known.start_ms if known else host_ms
        session = OpenSession(
            session_id=session_id,
            index=known.index if known else 0,
            boot=state.hello.boot if state.hello else 0,
            stream=stored.stream.hex(),
            start_ms=start_ms,
            last_ms=max(start_ms, host_ms),
            sampled=known is None or known.sampled,
            estimated=known is not None and known.estimated,
        )
        if state.is_late:
            state.own = session
        else:
            self._state.session = session
        state.session_index, state.session_id, state.sampled = session.index, session_id, session.sampled
        if session_id not in self._rows:
            times = (session.start_ms, session.last_ms, None)
            self._rows[session_id] = SessionRow(
                self._device_id, session_id, session.index, session.boot, stored.stream, *times,
                session.sampled, session.estimated, None,
            )  # fmt: skip

    def _note_sessions(self, rows: Iterable[SessionRow]) -> None:
        for row in rows:
            before = self._rows.get(row.session_id)
            if before is not None:
                row = msgspec.structs.replace(
                    row,
                    start_ms=min(row.start_ms, before.start_ms),
                    last_ms=max(row.last_ms, before.last_ms),
                    user_id=row.user_id or before.user_id,
                )
            self._rows[row.session_id] = row

    # ---- what is missing ------------------------------------------------------------------------------

    def _note_missing(self, stream: ImportedStream, made: _Made) -> None:
        own_id = next(iter(self._streams_own_id(stream)), stream.id)
        for first, end in holes(made.covered):
            self._rebuilt.missing.append(Missing(self._device_id, own_id, first, end))
            session_id, host_ms = _place_of_hole(made.places, end)
            place = (self._device_id, session_id, stream.id, first, -1)
            made.gaps.append(GapRow(*place, first, end, 0, 0, 0, m.NOT_IMPORTED, host_ms))

    def _streams_own_id(self, stream: ImportedStream) -> Iterator[bytes]:
        """The ID by which the device knows it: another one where the stream was set aside."""
        for stored in itertools.islice(self._store.chunks(self._device_id, stream.id), 1):
            chunk = _decode(stored)
            if chunk is not None:
                yield chunk.stream

    # ---- writing --------------------------------------------------------------------------------------

    def _drop_remade(self, tx: SqlTransaction) -> int:
        device = tx.load_device(self._device_id)
        return imports.drop_remade_of(tx, device.number) if device is not None else 0

    def _write_calls(self, made: _Made) -> None:
        calls, made.calls = made.calls, []
        if calls:
            self._rebuilt.new_events += self._store.commit_batch(lambda tx: imports.put_remade(tx, calls))

    def _write(self, tx: SqlTransaction, stream: ImportedStream, made: _Made, state: StreamState) -> None:
        tx.lock_devices([self._device_id])
        device = tx.load_device(self._device_id)
        assert device is not None
        imports.clear(tx, stream.number)
        tx.put_heads((stream.number, seq, is_display) for seq, is_display in made.heads.items())
        tx.put_spans(
            (device.number, session, stream.number, *bounds) for session, bounds in made.spans.items()
        )
        rows = [
            (g.seq, g.index, g.session_id, g.first, g.end, g.frames, g.inputs, g.calls, g.reason, g.host_ms)
            for g in made.gaps
        ]
        imports.put_gaps(tx, stream.number, self._device_id, rows)
        watermark = max((end for _, end in made.covered), default=0)
        began_ms = stream.imported_ms if made.began_ms is None else made.began_ms
        imports.close(tx, stream.number, watermark, msgspec.json.encode(state), began_ms)

    def _write_sessions(self, tx: SqlTransaction) -> None:
        tx.lock_devices([self._device_id])
        tx.put_sessions(row for row in map(self._finished, self._rows.values()) if row is not None)
        device = tx.load_device(self._device_id)
        newest = max(self._rebuilt.sessions, default=0)
        if device is None or not newest:
            return
        state = msgspec.json.decode(device.state, type=DeviceState)
        if state.last_session_id < newest:  # a session that begins here later gets a higher one
            state.last_session_id = newest
            save = DeviceSave(device.number, msgspec.json.encode(state), device.opt_out_order, 0)
            tx.save_devices([save])

    def _finished(self, row: SessionRow) -> SessionRow | None:
        """A session's row; None where this store knows better, having had it from the device."""
        if row.session_id in self._known and row.session_id not in self._own:
            return None
        if row.end_ms is None:  # whoever may go on with it does so elsewhere
            self._rebuilt.unended.append(row.session_id)
            row = msgspec.structs.replace(row, end_ms=row.last_ms)
        if row.user_id is None:
            row = msgspec.structs.replace(row, user_id=self._own.get(row.session_id))
        return row


def holes(covered: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What lies below the highest end, and in none of (first, end)."""
    found, at = [], 0
    for first, end in sorted(covered):
        if first > at:
            found.append((at, first))
        at = max(at, end)
    return found


def _place_of_hole(places: list[tuple[int, int, int]], end: int) -> tuple[int, int]:
    """Session and host time of what follows a hole, or, at a session's beginning, of what came before."""
    after = next((one for one in places if one[0] >= end), None)
    before = next((one for one in reversed(places) if one[0] < end), None)
    if after is not None and (after[1] != NO_SESSION or before is None):
        return after[1], after[2]
    return (before[1], before[2]) if before is not None else (NO_SESSION, 0)


def _line(stream: ImportedStream, offset_ms: int) -> TimeLine:
    """A time line that puts one chunk where it was put before."""
    kept = msgspec.json.decode(stream.line, type=TimeLine)
    if kept.minutes:
        return TimeLine(minutes=[(0, offset_ms)], offset_ms=offset_ms)
    return TimeLine(estimate_ms=_NEVER_LESS, offset_ms=offset_ms)


def _decode(stored: StoredChunk) -> m.Chunk | None:
    try:
        chunk = decode_uplink(stored.data)
    except PeerError:
        return None
    return chunk if isinstance(chunk, m.Chunk) else None
