"""What tests of ingest share: devices as bytes, a channel that remembers, a mapper that is easy to predict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.ingest.settings import no_presence
from pixeltrail_bridge.mapping.calls import Call, message_id
from pixeltrail_bridge.sessions.state import GapRow
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support import cddl

from .stores import Place, SqlitePlace

DEVICE = "device-1"
STREAM = b"stream-1"


class RecordingChannel:
    """A way back that keeps what was sent, decoded."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, m.Downlink]] = []
        self.is_up = True

    def send(self, device_id: str, data: bytes) -> bool:
        if self.is_up:
            cddl.check(data, "downlink")
            self.sent.append((device_id, decode_downlink(data)))
        return self.is_up

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.sent if isinstance(message, kind)]

    @property
    def watermark(self) -> int | None:
        acks = self.of(m.Ack)
        return acks[-1].next if acks else None


@dataclass
class FakeMapped:
    calls: list[Call] = field(default_factory=list)
    sessions: list[Any] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    replies: list[m.Downlink] = field(default_factory=list)
    session_id: int = 7
    host_ms: int = 0
    is_kept: bool = True
    discarded: dict[str, int] = field(default_factory=dict)
    bad: list[m.Bad] = field(default_factory=list)


def fake_map_chunk(
    device: Any, stream: Any, line: Any, chunk: m.Chunk, received_ms: int, device_id: str, settings: Any
) -> FakeMapped:
    """One call for each track record, in order; `device.last_session_id` counts them, to show that state is kept."""
    mapped = FakeMapped(host_ms=1_000_000 + chunk.time_ms)
    for record in chunk.records:
        body = record.body
        if isinstance(body, m.Track):
            device.last_session_id += 1
            call_id = message_id(device_id, chunk.stream, chunk.seq, record.index)
            payload = {"number": device.last_session_id, **body.properties}
            mapped.calls.append(Call(call_id, device_id, 7, "track", body.event, payload, mapped.host_ms))
        elif isinstance(body, m.Gap):
            place = (device_id, 7, chunk.stream, chunk.seq, record.index)
            counts = (body.frames, body.inputs, body.calls, body.reason)
            mapped.gaps.append(GapRow(*place, body.first, body.end, *counts, mapped.host_ms))
    return mapped


def fake_map_sync(
    device: Any, stream: Any, line: Any, sync: m.Sync, received_ms: int, device_id: str, settings: Any
) -> list[m.Downlink]:
    line.observe(sync.now_ms, received_ms)
    return []


def track_chunk(seq: int, *, stream: bytes = STREAM, text: str = "") -> bytes:
    record = m.Record(0, seq * 10, m.Track(f"Event {seq}", {"seq": seq, "text": text}))
    return encode_uplink(m.Chunk(stream, seq, seq * 10, (record,)))


def gap_chunk(seq: int, first: int, end: int, *, stream: bytes = STREAM) -> bytes:
    record = m.Record(0, seq * 10, m.Gap(first, end, 1, 2, 3, m.GapReason.OUTBOX_FULL))
    return encode_uplink(m.Chunk(stream, seq, seq * 10, (record,)))


def sync(
    oldest: int, following: int, *, stream: bytes = STREAM, epoch_ms: int | None = 1, device_id: str = DEVICE
) -> bytes:
    return encode_uplink(m.Sync(stream, oldest, following, 500, epoch_ms, 1, None, device_id))


class Bench:
    """An ingest without its thread, on the store of a place or file; `feed` commits what it is given as one batch."""

    def __init__(
        self,
        where: Place | Path,
        sinks: tuple[str, ...] = ("sink",),
        map_chunk: Any = fake_map_chunk,
        map_sync: Any = fake_map_sync,
        map_presence: Any = no_presence,
        **settings: Any,
    ) -> None:
        self.store = (SqlitePlace(where) if isinstance(where, Path) else where).open(sinks)
        self.channel = RecordingChannel()
        self.committed: list[Any] = []
        values = {"ack_interval_ms": 0, "linger_ms": 0, "min_free_bytes": 0, "retry_ms": (0,)} | settings
        self.ingest = Ingest(
            self.store,
            IngestSettings(**values),
            map_chunk=map_chunk,
            map_sync=map_sync,
            map_presence=map_presence,
            on_commit=self.committed.append,
        )

    def feed(self, *messages: bytes, device_id: str | None = DEVICE, now_ms: int = 10_000) -> None:
        for data in messages:
            assert self.ingest.receive(Arrival(device_id, data, now_ms, self.channel))
        self.ingest.commit_queued()

    def stored(self, stream: bytes = STREAM) -> list[int]:
        return [chunk.seq for chunk in self.store.chunks(DEVICE, stream)]

    def events(self) -> list[tuple[str, bytes]]:
        return [(event.event, event.payload) for event in self.store.events(limit=100_000)]

    def close(self) -> None:
        self.store.close()
