"""A second look at what was given up on, in one transaction beside a bridge that may be running.

A message that could not be read holds its place in its stream, so everything after it has been mapped long ago. What
a later version of the bridge can read in it is added where that disturbs nothing: its calls go out, with the times and
message IDs they would have had, late and so behind those that followed; its frames become part of the replay. What it
says of sessions, the display or opt-out is not applied, because newer records have been since. Nothing is written that
a running bridge holds in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import WireError
from ..mapping.calls import Call
from ..sessions.clock import TimeLine
from ..sessions.ids import NO_SESSION
from ..sessions.state import DeviceState, SessionRow, StreamState
from ..store.base import SEQ_SPAN, DeadLetter, StreamRow
from ..store.database import SqlStore, SqlTransaction
from ..wire import messages as m
from ..wire.decode import decode_uplink
from .settings import MapChunk

_FINAL: Mapping[str, str] = {
    "conflict": "another chunk has its place, and was taken",
    "mismatch": "the device it came from is not the one it names",
}
_MAPPED = (*m.REPLAY_BODIES, m.Track, m.Screen, m.Identify, m.Group, m.Alias, m.Gap, m.Bad)


@dataclass(frozen=True, slots=True)
class Retried:
    """`fault` says why a letter stays one, None when it is dealt with; `calls` counts the new events."""

    letter: DeadLetter
    fault: str | None = None
    calls: int = 0


def retry_letters(
    store: SqlStore, letters: Sequence[DeadLetter], map_chunk: MapChunk, mapping: Any
) -> list[Retried]:
    """Read each letter's chunk again; those that are dealt with are deleted."""
    sessions = {one.device_id: store.sessions(one.device_id) for one in letters}

    def work(tx: SqlTransaction) -> list[Retried]:
        return [_Again(tx, one, map_chunk, mapping, sessions[one.device_id]).run() for one in letters]

    return store.commit_batch(work)


class _Again:
    def __init__(
        self,
        tx: SqlTransaction,
        letter: DeadLetter,
        map_chunk: MapChunk,
        mapping: Any,
        sessions: Sequence[SessionRow],
    ) -> None:
        self._tx, self._letter, self._sessions = tx, letter, sessions
        self._map_chunk, self._mapping = map_chunk, mapping

    def run(self) -> Retried:
        letter = self._letter
        if letter.kind in _FINAL:
            return Retried(letter, _FINAL[letter.kind])
        if letter.stream is None or letter.seq is None:
            return Retried(
                letter, "nothing tells its place; it was never confirmed, so the device still has it"
            )
        row = self._tx.load_stream(letter.stream)
        key = (row.number if row else 0) * SEQ_SPAN + letter.seq
        stored = self._tx.chunk(key)
        if row is None or stored is None:
            return Retried(letter, "its chunk is not stored any more")
        try:
            chunk = decode_uplink(stored[0])
        except WireError as error:
            return Retried(letter, str(error))
        if not isinstance(chunk, m.Chunk) or (chunk.stream, chunk.seq) != (letter.stream, letter.seq):
            return Retried(letter, "it belongs to another place than the one it was given")
        if letter.seq >= row.watermark:
            self._tx.mend_chunk(key, None, None)  # not passed yet: it will be, in its order
            return self._done(())
        return self._map(row, key, chunk, stored[2])

    def _map(self, row: StreamRow, key: int, chunk: m.Chunk, received_ms: int) -> Retried:
        device, stream = self._states(row, key)
        line = msgspec.json.decode(row.line, type=TimeLine)
        records = tuple(record for record in chunk.records if isinstance(record.body, _MAPPED))
        known = m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, records)
        if not records:
            self._tx.mend_chunk(key, None, None)
            return self._done(())
        mapped = self._map_chunk(device, stream, line, known, received_ms, row.device_id, self._mapping)
        bad = [record.body for record in records if isinstance(record.body, m.Bad)]
        self._tx.put_gaps(mapped.gaps)
        if mapped.is_kept:
            session_id = None if mapped.session_id == NO_SESSION else mapped.session_id
            self._tx.mend_chunk(key, session_id, mapped.host_ms)
        else:
            self._tx.drop_chunks([key])
        for still in (*bad, *mapped.bad):
            if still.raw == self._letter.raw:
                return Retried(self._letter, still.reason, self._tx.enqueue_calls(mapped.calls))
        return self._done(mapped.calls)

    def _states(self, row: StreamRow, key: int) -> tuple[DeviceState, StreamState]:
        """Copies, with the session that the stream was in at that place."""
        found = self._tx.load_device(row.device_id)
        device = msgspec.json.decode(found.state, type=DeviceState) if found else DeviceState()
        stream = msgspec.json.decode(row.state, type=StreamState)
        session_id = self._tx.session_before(row.number * SEQ_SPAN, key)
        session = next((one for one in self._sessions if one.session_id == session_id), None)
        stream.session_id = session.session_id if session else NO_SESSION
        stream.session_index = session.index if session else None
        stream.sampled = session.sampled if session else False
        return device, stream

    def _done(self, calls: Sequence[Call]) -> Retried:
        made = self._tx.enqueue_calls(calls)
        self._tx.drop_letters([self._letter.id])
        self._tx.count(self._letter.device_id, "letters_retried")
        return Retried(self._letter, None, made)
