"""A device, a line and a bridge for state machines: the device's own code, the bridge's own core, and no I/O between.

Nothing runs by itself: time is what the world says it is, and what is sent lies on the line until somebody delivers it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import pixeltrail
import pixeltrail.flash
from pixeltrail.spool import Spool
from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.replay.timeline import Moment, Timeline
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.decode import decode_uplink

from tests.support.stores import Place, SqlitePlace

from .device.parts import Oled, Ticks
from .flash import Flash, until_cut
from .model import Line

DEVICE = "laws-1"
EPOCH = 1_767_323_045_000
WIDTH, HEIGHT = 32, 24
PRIVATE = 0x80  # only what is drawn during an opt-out has this bit
MASK = (0, 0, WIDTH, 8)  # the first page, which no law looks at
MASKED = WIDTH
TIMEOUT_MS = 20_000
KEYFRAME_S = 5
KEY = bytes(range(32))
FLASH_BYTES = 32_768


def keys_of(device_id: str) -> signed.DeviceKeys | None:
    return signed.DeviceKeys({1: KEY}) if device_id == DEVICE else None


class World:
    """A device, a line and a bridge.

    `first_call`: number of the first call since the last start. `kept`: chunks that had left RAM when a start ended.
    """

    def __init__(
        self, folder: Path, exact: bool, has_date: bool, is_signed: bool = False, flash: Flash | None = None
    ) -> None:
        self.folder = folder
        self.is_signed = is_signed
        self.flash = flash
        self.exact, self.has_date = exact, has_date
        self.place: Place = SqlitePlace(folder / "store")
        self.copies: list[Place] = []
        self.restores = 0
        self.now_ms = EPOCH
        self.up: list[bytes] = []
        self.display = Oled(WIDTH, HEIGHT)
        self.shown: set[bytes] = set()
        self.is_out = self.was_out = self.is_masked = False
        self.calls = 0
        self.kept: set[tuple[bytes, int]] = set()
        self.spilled = 0  # of them, chunks that the bridge did not have and must get
        self.admitted: dict[tuple[bytes, int], tuple[bytes, bool]] = {}
        self.acked: dict[bytes, int] = {}
        self.open()
        self.boot()

    # --- the bridge ---

    def open(self) -> None:
        self.store = self.place.open(())
        values = IngestSettings(
            mapping=MappingSettings(sample_rate=1.0), ack_interval_ms=0, linger_ms=0, min_free_bytes=0
        )
        if self.is_signed:
            values = replace(values, keys_of=keys_of)
        self.ingest = Ingest(self.store, values, map_chunk=map_chunk, map_sync=map_sync)

    def send(self, device_id: str, data: bytes) -> bool:
        """The bridge's channel."""
        self.line.down.append(data)
        return True

    def commit(self, messages: list[bytes]) -> None:
        for data in messages:
            assert self.ingest.receive(Arrival(DEVICE, data, self.now_ms, self))
        self.ingest.commit_queued()
        for row in self.store.streams(DEVICE):
            self.acked[row.stream] = max(row.watermark, self.acked.get(row.stream, 0))

    def restart(self) -> None:
        self.store.close()
        self.open()

    def restore(self, index: int) -> None:
        """An older copy takes the place of the store."""
        self.store.close()
        self.place = self.copies[index].copy()
        self.restores += 1
        self.acked = {}
        self.open()

    # --- the device ---

    def boot(self) -> None:
        self.line = pixeltrail.signed(Line(), f"1:{KEY.hex()}") if self.is_signed else Line()
        self.ticks = Ticks()
        self.ticks.date = self.now_ms if self.has_date else None
        self.display = Oled(WIDTH, HEIGHT)
        spool = partial(Spool, files=self.flash)
        with mock.patch.object(pixeltrail.flash, "Spool", spool):
            self.recorder = self._recorder()
        self.is_masked = False
        self.first_call = self.calls
        self.streams = [self.recorder._link.newest.name]
        self._watch()

    def _recorder(self) -> pixeltrail.Recorder:
        return pixeltrail.Recorder(
            self.display,
            self.line,
            clock=self.ticks.clock,
            device_id=DEVICE,
            sample_rate=1.0,
            exact=self.exact,
            max_chunk=512,
            outbox_bytes=2048,
            max_fps=60,
            keyframe_interval_s=KEYFRAME_S,
            session_timeout_ms=TIMEOUT_MS,
            vitals_interval_s=7,
            log_level=0,
            state_file=str(self.folder / "state"),
            flash_spool_bytes=FLASH_BYTES if self.flash else 0,
            flash_spool_folder="spool",
        )

    def reboot(self) -> None:
        self._note_kept()
        self.boot()

    def flash_faults(self) -> int:
        return self.recorder._link._spool.faults if self.flash else 0

    def lose_power(self, budget: int, turns: int) -> None:
        """At work: after so many bytes and operations of flash, or so many turns."""
        assert self.flash is not None
        until_cut(self.flash, budget, lambda: self.work(turns))
        self.reboot()

    def work(self, turns: int) -> None:
        """What an app does all day, with what the line lets through."""
        for turn in range(turns):
            self.track(60)
            self.draw(turn * 7, turn + 1, 20)
            self.show()
            self.step(5, 20)
            if self.line.connected:
                self.deliver()

    def _note_kept(self) -> None:
        """Chunks of this start that are not in RAM: from now on they are the bridge's or in flash."""
        outbox, streams = self.recorder._outbox, self.recorder._link._streams
        in_ram, at = set(), outbox.oldest()
        for _ in range(outbox.count):
            in_ram.add((streams.of_tag(outbox.tag(at)).name, outbox.seq(at)))
            at = outbox.after(at)
        left = {name for name in self.admitted if name[0] in self.streams and name not in in_ram}
        self.kept |= left
        self.spilled += sum(
            seq >= self.acked.get(stream, 0) and not (self.was_out and self.admitted[stream, seq][1])
            for stream, seq in left
        )

    def _watch(self) -> None:
        """Every chunk that the outbox admits, and whether it is replay data, by stream and seq."""
        outbox = self.recorder._outbox
        commit = outbox.commit

        def spy(seq: int, length: int, marks: int) -> None:
            name = self.recorder._link.newest.name
            assert (name, seq) not in self.admitted, "a sequence number was used twice"
            start = outbox.start_of_next()
            data = bytes(outbox.buffer[start : start + length])
            last = decode_uplink(data).records[-1]
            assert last.time_ms <= self.recorder._clock.stream_ms, "a record is of a time to come"
            self.admitted[name, seq] = data, marks > 255
            commit(seq, length, marks)

        outbox.commit = spy

    def draw(self, at: int, value: int, length: int) -> None:
        buffer = self.display.buffer
        for i in range(length):
            buffer[(at + i) % len(buffer)] = value * (i + 1) & (PRIVATE - 1) | (PRIVATE if self.is_out else 0)

    def show(self) -> None:
        if not self.is_out:
            self.shown.add(unmasked(bytes(self.display.buffer)))
        self.display.show()

    def track(self, size: int) -> None:
        self.recorder.track("Call", {"n": self.calls, "text": "x" * size})
        self.calls += 1

    def opt_out(self, is_out: bool) -> None:
        self.recorder.opt_out(is_out)
        self.is_out = is_out
        self.was_out = self.was_out or is_out
        if not is_out:  # nothing private is left on the display
            for i, value in enumerate(self.display.buffer):
                self.display.buffer[i] = value & (PRIVATE - 1)

    def step(self, count: int, ms: int) -> None:
        for _ in range(count):
            self.now_ms += ms
            self.ticks.ms += ms
            if self.has_date:
                self.ticks.date = self.now_ms
            self.recorder.poll()
            if self.is_out:
                assert not any(is_replay(data) for data in self.line.up), (
                    "replay data is sent after an opt-out"
                )
            self.up += self.line.up
            self.line.up.clear()
            name = self.recorder._link.newest.name
            if name not in self.streams:
                self.streams.append(name)

    def deliver(self) -> None:
        """All of it, in order."""
        messages, self.up = self.up, []
        self.commit(messages)

    # --- what there is to see ---

    def chunks(self, stream: bytes) -> list[m.Chunk]:
        found = [decode_uplink(chunk.data) for chunk in self.store.chunks(DEVICE, stream)]
        return [chunk for chunk in found if isinstance(chunk, m.Chunk)]

    def gaps(self, stream: bytes) -> list:
        return [gap for gap in self.store.gaps(DEVICE) if gap.stream == stream]

    def moments(self, stream: bytes) -> list[tuple[Moment, bytes | None]]:
        timeline = Timeline(use_numba=False)
        found = []
        for chunk in self.chunks(stream):
            for moment in timeline.feed(chunk):
                picture = bytes(timeline.canvas.picture) if moment.shown and timeline.canvas else None
                found.append((moment, picture))
        return found


def is_replay(data: bytes) -> bool:
    message = decode_uplink(signed.parse(data).message if signed.is_signed(data) else data)
    return isinstance(message, m.Chunk) and message.is_replay


def unmasked(picture: bytes) -> bytes:
    return picture[MASKED:]
