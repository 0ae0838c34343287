"""Devices and streams as the committer holds them between batches, so that a batch reads only what is new.

What is here is what the last commit wrote. After a transaction that failed it is dropped and read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from ..sessions.clock import TimeLine
from ..sessions.state import DeviceState, StreamState
from ..store.sqlite import SqliteTransaction

MAX_STREAMS: Final = 4096  # a fleet that talks at once; beyond, states are read from the database again

encode_json = msgspec.json.Encoder().encode
_decode_device = msgspec.json.Decoder(DeviceState).decode
_decode_stream = msgspec.json.Decoder(StreamState).decode
_decode_line = msgspec.json.Decoder(TimeLine).decode


@dataclass(slots=True, eq=False)
class Device:
    number: int
    device_id: str
    state: DeviceState
    opt_out_order: bool | None = None  # told by the host, not yet confirmed by the device

    def order_opt_out(self, opted_out: bool, now_ms: int) -> None:
        """What the host wants holds here at once, whenever the device hears of it."""
        is_known = opted_out and self.state.said_opted_out is True
        self.opt_out_order = None if is_known else opted_out
        if opted_out and not self.state.opted_out:
            self.state.opted_out_ms = now_ms
        elif not opted_out and not self.state.said_opted_out:
            self.state.opted_out_ms = None  # the device's own word stands until it takes it back


@dataclass(slots=True, eq=False)
class Stream:
    number: int
    id: bytes
    device: Device
    watermark: int = 0
    state: StreamState = field(default_factory=StreamState)
    line: TimeLine = field(default_factory=TimeLine)
    ahead: set[int] = field(default_factory=set)  # seqs stored above the watermark
    skips: list[tuple[int, int]] = field(default_factory=list)  # seqs that will not come

    def skip_end(self) -> int | None:
        """End of the skipped seqs at the watermark, None when the next seq is still to come."""
        ends = [end for first, end in self.skips if first <= self.watermark < end]
        return max(ends, default=None)

    def missing(self, end: int) -> list[tuple[int, int]]:
        """Seqs from the watermark up to `end` that are neither stored nor skipped, as (first, end)."""
        covered = sorted([*((seq, seq + 1) for seq in self.ahead if seq < end), *self.skips, (end, end)])
        found, at = [], self.watermark
        for first, past in covered:
            if min(first, end) > at:
                found.append((at, min(first, end)))
            at = max(at, past)
        return found


class Known:
    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._streams: dict[bytes, Stream] = {}

    def forget(self) -> None:
        self._devices.clear()
        self._streams.clear()

    def trim(self) -> None:
        if len(self._streams) > MAX_STREAMS:
            self.forget()

    def device(self, tx: SqliteTransaction, device_id: str, now_ms: int) -> Device:
        """A device, which is added when it is new."""
        device = self._devices.get(device_id) or self._load_device(tx, device_id)
        if device is None:
            number = tx.add_device(device_id, encode_json(DeviceState()), now_ms)
            device = self._devices[device_id] = Device(number, device_id, DeviceState())
        return device

    def _load_device(self, tx: SqliteTransaction, device_id: str) -> Device | None:
        row = tx.load_device(device_id)
        if row is None:
            return None
        number, state, order = row
        device = self._devices[device_id] = Device(number, device_id, _decode_device(state), order)
        return device

    def stream(self, tx: SqliteTransaction, stream: bytes) -> Stream | None:
        """A stream that was seen before."""
        if stream in self._streams:
            return self._streams[stream]
        row = tx.load_stream(stream)
        if row is None:
            return None
        device = self._devices.get(row.device_id) or self._load_device(tx, row.device_id)
        assert device is not None
        states = (_decode_stream(row.state), _decode_line(row.line))
        known = Stream(row.number, stream, device, row.watermark, *states, set(row.ahead), list(row.skips))
        self._streams[stream] = known
        return known

    def add_stream(self, tx: SqliteTransaction, device: Device, stream: bytes, now_ms: int) -> Stream:
        state, line = StreamState(), TimeLine()
        number = tx.add_stream(device.number, stream, encode_json(state), encode_json(line), now_ms)
        known = self._streams[stream] = Stream(number, stream, device, 0, state, line)
        return known
