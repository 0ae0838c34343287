"""Builds streams of records for the mapping's tests: a small device that says what it is told to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pixeltrail_bridge.mapping.chunks import Mapped, MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.sessions.clock import TimeLine
from pixeltrail_bridge.sessions.state import DeviceState, StreamState
from pixeltrail_bridge.wire import messages as m

DEVICE = "kitchen-01"
BOOT_MS = 1_767_323_045_000
STREAM = bytes(range(8))
NEXT_STREAM = bytes(range(8, 16))
HELLO = m.Hello(
    device_id=DEVICE,
    boot=7,
    boot_reason=1,
    board="Raspberry Pi Pico W with RP2040",
    library="pixeltrail/0.1.0",
    app="kettle",
    app_version="2.3",
    clock_quality=0,
    previous=None,
    os="micropython 1.28.0",
)
DISPLAY = m.Display(128, 64, m.PixelFormat.MONO_VLSB, 16, 8, 128, None, 0)
FRAME = m.Frame(m.FrameFlag.KEY | m.FrameFlag.FIRST | m.FrameFlag.LAST, b"\0\0\0\0")


class Talk:
    """One stream of a device; `say` maps a chunk of the given records at stream time `at_ms`."""

    def __init__(
        self,
        device: DeviceState | None = None,
        stream_id: bytes = STREAM,
        boot_ms: int = BOOT_MS,
        **settings: Any,
    ) -> None:
        self.device = device or DeviceState()
        self.stream, self.line = StreamState(), TimeLine()
        self.stream_id, self.boot_ms = stream_id, boot_ms
        self.settings = MappingSettings(**settings)
        self.seq = 0

    def sync(self, at_ms: int = 0, epoch_ms: int | None = None) -> list[m.Downlink]:
        sync = m.Sync(self.stream_id, 0, self.seq, at_ms, epoch_ms, 7, None, DEVICE)
        received_ms = self.boot_ms + at_ms
        return map_sync(self.device, self.stream, self.line, sync, received_ms, DEVICE, self.settings)

    def say(self, at_ms: int, *bodies: m.Body, received_ms: int | None = None) -> Mapped:
        records = tuple(m.Record(index, at_ms + index, body) for index, body in enumerate(bodies))
        chunk = m.Chunk(self.stream_id, self.seq, at_ms, records)
        self.seq += 1
        received = self.boot_ms + at_ms + 20 if received_ms is None else received_ms
        return map_chunk(self.device, self.stream, self.line, chunk, received, DEVICE, self.settings)

    def begin(self, sampled: bool | None = True, **hello: Any) -> Mapped:
        """Sync, hello, display, session start: as every stream begins. The session starts at 100 ms."""
        self.sync()
        self.say(0, replace(HELLO, **hello), DISPLAY)
        return self.say(100, m.SessionStart(0, sampled, None))
