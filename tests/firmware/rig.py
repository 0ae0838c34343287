"""A recorder with a display, a clock that is turned by hand and a model bridge."""

from __future__ import annotations

from typing import Any

import pixeltrail
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire import messages as m

from .device.parts import Oled, Ticks
from .model import Line, ModelBridge


class Rig:
    def __init__(self, line: Line | None = None, bridge: ModelBridge | None = None, **settings: Any) -> None:
        self.display = settings.pop("display", None) or Oled()
        self.line = line or Line()
        self.bridge = bridge or ModelBridge()
        self.ticks = Ticks()
        self.ticks.date = settings.pop("date", None)
        settings = {
            "sample_rate": 1.0,
            "device_id": "rig-1",
            "log_level": 0,
            "vitals_interval_s": 0,
            **settings,
        }
        self.recorder = pixeltrail.Recorder(self.display, self.line, clock=self.ticks.clock, **settings)

    @property
    def stream(self) -> bytes:
        return self.recorder._link.newest.name

    def step(self, count: int = 1, ms: int = 10, deliver: bool = True) -> None:
        for _ in range(count):
            self.ticks.ms += ms
            self.recorder.poll()
            if deliver:
                self.line.pump(self.bridge)

    def settle(self, limit: int = 2000) -> None:
        """Step until the bridge has everything."""
        self.step()
        for _ in range(limit):
            if self.recorder.idle and self.recorder.drained:
                return
            self.step(ms=50)
        raise AssertionError(f"not drained: {self.recorder.stats()}")

    def draw(self, at: int, value: int, length: int = 1) -> None:
        buffer = self.display.buffer
        for i in range(length):
            buffer[(at + i) % len(buffer)] = value & 0xFF

    def show(self, at: int = 0, value: int = 255, length: int = 1) -> None:
        self.draw(at, value, length)
        self.display.show()

    def bodies(self, kind: type | None = None) -> list[Any]:
        bodies = self.bridge.bodies(self.stream)
        return bodies if kind is None else [body for body in bodies if isinstance(body, kind)]

    def frames(self) -> list[int]:
        """The flags of each whole frame, its parts' together, without the payload type and the model reset."""
        frames, flags = [], 0
        for part in self.bodies(m.Frame):
            flags |= part.flags & 0x0F  # whether the coder was reset is its own affair
            if flags & m.FrameFlag.LAST:
                frames.append(flags)
                flags = 0
        return frames

    def pictures(self) -> list[tuple[bytes, bool]]:
        """Every picture that the newest stream shows, and whether it is mixed."""
        shown = []
        canvas: Canvas | None = None
        next_seq = 0
        for chunk in self.bridge.chunks(self.stream):
            if canvas is not None and chunk.seq != next_seq:
                canvas.discard()
            next_seq = chunk.seq + 1
            for record in chunk.records:
                if isinstance(record.body, m.Display):
                    canvas = Canvas(record.body, use_numba=False)
                elif isinstance(record.body, m.Frame):
                    assert canvas is not None, "a frame before the display record"
                    frame = canvas.apply(record.body)
                    if frame is not None:
                        shown.append((bytes(canvas.picture), frame.is_mixed))
        return shown
