"""Reading for a whole batch of messages in a few queries, where a server answers each.

A device or stream that was read ahead is given out once, by the method that else asks for it: whoever asks again sees
what the transaction has written since. A chunk may come many times in one batch, and stays as it is until its end.
Only rows of devices that are locked already are read, so nobody changes them meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from .base import SEQ_SPAN, LoadedDevice, StreamRow
from .database import SqlTransaction

_DEVICES = "SELECT device_id, no, state, opt_out_order, version FROM devices WHERE device_id = ANY(?)"
_STREAMS = """
SELECT s.stream, s.no, d.device_id, s.watermark, s.state, s.line FROM streams s JOIN devices d ON d.no = s.device
WHERE s.stream = ANY(?::bytea[]) AND d.device_id = ANY(?) AND s.imported_ms IS NULL
"""
_AHEAD = """
SELECT s.no, c.key FROM streams s JOIN chunks c ON c.key >= s.no * ?::bigint + s.watermark
    AND c.key < (s.no + 1) * ?::bigint WHERE s.no = ANY(?::bigint[])
"""
_SKIPS = """
SELECT k.stream, k.first, k."end" FROM skips k JOIN streams s ON s.no = k.stream
WHERE k.stream = ANY(?::bigint[]) AND k."end" > s.watermark
"""
_CHUNKS = "SELECT key, data, fault, received_ms FROM chunks WHERE key = ANY(?::bigint[])"


class ReadAhead(SqlTransaction):
    """Part of a transaction of PostgreSQL."""

    _devices_read: dict[str, LoadedDevice] = {}  # noqa: RUF012 never filled: read_ahead() puts others in their place
    _streams_read: dict[bytes, StreamRow] = {}  # noqa: RUF012
    _chunks_read: dict[int, tuple[bytes, str | None, int]] = {}  # noqa: RUF012

    def read_ahead(
        self,
        locked: Collection[str],
        devices: Collection[str],
        streams: Collection[bytes],
        places: Collection[tuple[bytes, int]],
        keys: Iterable[int],
    ) -> None:
        """`places`, stream and seq, are read where their stream is, and already has them; `keys` in any case."""
        if devices:
            found = self.db.execute(_DEVICES, (list(devices),)).fetchall()
            self._devices_read = {
                device: LoadedDevice(no, state, None if order is None else bool(order), version)
                for device, no, state, order, version in found
            }
        if streams:
            self._streams_read = self._read_streams(locked, streams)
        wanted = list(keys)
        for stream, seq in places:
            row = self._streams_read.get(stream)
            if row is not None and (seq < row.watermark or seq in row.ahead):
                wanted.append(row.number * SEQ_SPAN + seq)
        if wanted:
            rows = self.db.execute(_CHUNKS, (wanted,)).fetchall()
            self._chunks_read = {key: (data, fault, received_ms) for key, data, fault, received_ms in rows}

    def _read_streams(self, locked: Collection[str], streams: Collection[bytes]) -> dict[bytes, StreamRow]:
        found = self.db.execute(_STREAMS, (list(streams), list(locked))).fetchall()
        numbers = [row[1] for row in found]
        if not numbers:
            return {}
        ahead: defaultdict[int, set[int]] = defaultdict(set)
        for number, key in self.db.execute(_AHEAD, (SEQ_SPAN, SEQ_SPAN, numbers)).fetchall():
            ahead[number].add(key % SEQ_SPAN)
        skips: defaultdict[int, list[Any]] = defaultdict(list)
        for number, first, end in self.db.execute(_SKIPS, (numbers,)).fetchall():
            skips[number].append((first, end))
        return {
            bytes(stream): StreamRow(
                *(number, device, bytes(stream), watermark, state, line),
                *(frozenset(ahead[number]), tuple(skips[number])),
            )
            for stream, number, device, watermark, state, line in found
        }

    def load_device(self, device_id: str) -> LoadedDevice | None:
        return self._devices_read.pop(device_id, None) or super().load_device(device_id)

    def load_stream(self, stream: bytes) -> StreamRow | None:
        return self._streams_read.pop(stream, None) or super().load_stream(stream)

    def chunk(self, key: int) -> tuple[bytes, str | None, int] | None:
        return self._chunks_read.get(key) or super().chunk(key)
