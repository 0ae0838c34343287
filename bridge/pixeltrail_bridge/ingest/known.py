"""Devices and streams as the committer holds them between batches, so that a batch reads only what is new.

What is here is what the last commit wrote. After a transaction that failed it is dropped and read again, and so is what
another process has written meanwhile: a device's row is locked before what is known of it is used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ..sessions.clock import TimeLine
from ..sessions.state import DeviceState, StreamState
from ..store.base import SEQ_SPAN, IngestTransaction

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
    version: int = 0  # of its row: goes up with each save
    has_loose: bool = True  # messages may lie here that nothing tells the place of; False: a look found none

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
        self._locked: set[str] = set()

    def forget(self) -> None:
        self._devices.clear()
        self._streams.clear()

    def trim(self) -> None:
        if len(self._streams) > MAX_STREAMS:
            self.forget()

    def begin(
        self,
        tx: IngestTransaction,
        device_ids: Collection[str],
        streams: Collection[bytes],
        places: Collection[tuple[bytes, int]] = (),
    ) -> None:
        """Lock what a transaction is about to need, all at once, so that two of them do not block each other.

        Then read what is not known of it; `places` are stream and seq of chunks, some of which came before.
        """
        self._locked.clear()
        owners = {known.device.device_id for stream in streams if (known := self._streams.get(stream))}
        self._lock(tx, {*device_ids, *owners})
        devices = [one for one in self._locked if one not in self._devices]
        strange = [one for one in streams if one not in self._streams]
        keys = [
            known.number * SEQ_SPAN + seq
            for stream, seq in places
            if (known := self._streams.get(stream)) and (seq < known.watermark or seq in known.ahead)
        ]
        tx.read_ahead(self._locked, devices, strange, places, keys)

    def _lock(self, tx: IngestTransaction, device_ids: Collection[str]) -> None:
        self._locked |= set(device_ids)
        versions = tx.lock_devices(device_ids)
        for device_id in device_ids:
            device = self._devices.get(device_id)
            if device is not None and device.version != versions.get(device_id):  # none: it was forgotten
                del self._devices[device_id]
                self._streams = {s: known for s, known in self._streams.items() if known.device is not device}

    def device(self, tx: IngestTransaction, device_id: str, now_ms: int) -> Device:
        """A device, which is added when it is new."""
        device = self.known_device(tx, device_id)
        if device is None:
            number = tx.add_device(device_id, encode_json(DeviceState()), now_ms)
            if number is None:
                device = self.known_device(tx, device_id)
                assert device is not None, "another process has just added it"
                return device
            device = self._devices[device_id] = Device(number, device_id, DeviceState())
        return device

    def known_device(self, tx: IngestTransaction, device_id: str) -> Device | None:
        """A device that was seen before."""
        if device_id not in self._locked:
            self._lock(tx, (device_id,))
        if device_id in self._devices:
            return self._devices[device_id]
        row = tx.load_device(device_id)
        if row is None:
            return None
        device = Device(row.number, device_id, _decode_device(row.state), row.opt_out_order, row.version)
        self._devices[device_id] = device
        return device

    def stream(self, tx: IngestTransaction, stream: bytes) -> Stream | None:
        """A stream that was seen before."""
        known = self._streams.get(stream)
        if known is not None:
            if known.device.device_id not in self._locked:
                self._lock(tx, (known.device.device_id,))
            known = self._streams.get(stream)  # unless another process has changed it
        if known is not None:
            return known
        row = tx.load_stream(stream)
        if row is not None and row.is_imported:
            tx.set_aside(row.number, stream)
            return None
        if row is None:
            return None
        if row.device_id not in self._locked:  # what was read without its lock may be old
            self._lock(tx, (row.device_id,))
            row = tx.load_stream(stream)
            assert row is not None
        device = self.known_device(tx, row.device_id)
        assert device is not None
        states = (_decode_stream(row.state), _decode_line(row.line))
        known = Stream(row.number, stream, device, row.watermark, *states, set(row.ahead), list(row.skips))
        self._streams[stream] = known
        return known

    def add_stream(self, tx: IngestTransaction, device: Device, stream: bytes, now_ms: int) -> Stream:
        state, line = StreamState(), TimeLine()
        number = tx.add_stream(device.number, stream, encode_json(state), encode_json(line), now_ms)
        known = self._streams[stream] = Stream(number, stream, device, 0, state, line)
        return known
