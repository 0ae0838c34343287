"""Sessions in a store without a device or a link: pictures and records of a script, through ingest and projector.

    studio = Studio(place.open())
    camera = Camera(Device(64, 32, PixelFormat.GS8))
    studio.feed(*camera.begin(0))
    studio.feed(*camera.key(100))

A camera is one stream: it makes chunks as the device library does, one for each record that is no frame, and one for
each part of a frame. The studio's clock stands at the time of what it was fed last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixeltrail_bridge.ingest import Arrival, Committed, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.projector import Projector, ProjectorSettings
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.bridge.mapping.build import BOOT_MS, DEVICE, HELLO, STREAM
from tests.firmware.codec.coding import Device

__all__ = ["BOOT_MS", "DEVICE", "STREAM", "Camera", "Device", "Studio"]
Timed = tuple[int, bytes]
_ROOM = 3_800  # bytes of a frame's part; a message holds 4,096


class Camera:
    """Gives (host time, message). `boot_ms`: host time at which the stream's clock began."""

    def __init__(
        self,
        device: Device,
        stream: bytes = STREAM,
        boot_ms: int = BOOT_MS,
        device_id: str = DEVICE,
    ) -> None:
        self.device, self.stream, self.boot_ms, self.device_id = device, stream, boot_ms, device_id
        self.seq = 0
        self.chunks: list[m.Chunk] = []
        device.encoder.refresh()

    def begin(self, at_ms: int = 0, index: int = 0, sampled: bool = True, **hello: object) -> Iterator[Timed]:
        """Sync, hello, display and session start."""
        sync = m.Sync(self.stream, 0, self.seq, at_ms, None, HELLO.boot, None, self.device_id)
        yield self.boot_ms + at_ms, encode_uplink(sync)
        told = replace(HELLO, device_id=self.device_id, **hello)  # type: ignore[arg-type]
        yield self.say(at_ms, told, self.device.display)
        yield self.say(at_ms, m.SessionStart(index, sampled, None))

    def say(self, at_ms: int, *bodies: m.Body) -> Timed:
        chunk = m.Chunk(
            self.stream, self.seq, at_ms, tuple(m.Record(i, at_ms, b) for i, b in enumerate(bodies))
        )
        self.seq += 1
        self.chunks.append(chunk)
        return self.boot_ms + at_ms, encode_uplink(chunk)

    def key(self, at_ms: int) -> list[Timed]:
        return self._frame(at_ms, True)

    def show(self, at_ms: int, picture: bytes) -> list[Timed]:
        """A delta frame; nothing when the picture is what was shown."""
        self.device.draw(picture)
        self.device.encoder.refresh()
        return self._frame(at_ms, False)

    def turn(self, at_ms: int, device: Device) -> Timed:
        """Another display from now on; a keyframe has to follow."""
        self.device = device
        device.encoder.refresh()
        return self.say(at_ms, device.display)

    def _frame(self, at_ms: int, is_key: bool) -> list[Timed]:
        return [self.say(at_ms, part) for part in self.device.frame(is_key, room=_ROOM)]


class Studio:
    """A store with ingest and projector, worked by hand. `pictures` counts what the projector painted."""

    def __init__(
        self, store: SqlStore, projector: ProjectorSettings | None = None, **mapping: object
    ) -> None:
        self.store = store
        self.now_ms = BOOT_MS
        self.pictures = 0
        settings = IngestSettings(mapping=MappingSettings(**mapping))  # type: ignore[arg-type]
        self.ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync, on_commit=self._heard)
        self.projector = Projector(
            store,
            projector or ProjectorSettings(),
            lambda device_id, request: None,
            now_ms=lambda: self.now_ms,
        )
        self.projector.subscribe(self._show)

    def feed(self, *messages: Timed, device_id: str = DEVICE, is_projected: bool = True) -> None:
        for at_ms, data in messages:
            self.now_ms = at_ms
            self.ingest.receive(Arrival(device_id, data, at_ms, self))
        self.ingest.commit_queued()
        if is_projected:
            self.project()

    def project(self) -> None:
        """Decode all that was committed, and make it durable."""
        while self.projector.turn():
            pass
        self.projector.commit()

    def send(self, device_id: str, data: bytes) -> bool:
        """What ingest answers is not heard."""
        return True

    def _heard(self, committed: Committed) -> None:
        self.projector.notify(committed.device_id, committed.stream, committed.watermark)

    def _show(self, device_id: str, canvas: object, moment: object) -> None:
        self.pictures += getattr(moment, "shown", None) is not None
