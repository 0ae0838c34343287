"""The projector behind a real store and real ingest, with pictures from the device library's own encoder."""

from __future__ import annotations

import json

import msgspec
import pytest
from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge import projector
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.follower import FollowerState
from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.projector import Projector, ProjectorSettings
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.bridge.mapping.build import BOOT_MS, DEVICE, HELLO, STREAM
from tests.support.segment_server import find_problems

WIDTH, HEIGHT = 64, 32
SESSION = BOOT_MS + 10
KEY, FIRST, LAST = m.FrameFlag.KEY, m.FrameFlag.FIRST, m.FrameFlag.LAST


class Display:
    """A GS8 display whose frames go out as chunks, one a frame (a keyframe: one a part)."""

    def __init__(self) -> None:
        self.buffer = bytearray(WIDTH * HEIGHT)
        self._encoder = Encoder(self.buffer, WIDTH, HEIGHT, m.PixelFormat.GS8)
        self._out = bytearray(4096)
        self.seq = 0
        self.record = m.Display(
            WIDTH,
            HEIGHT,
            m.PixelFormat.GS8,
            self._encoder.strip_width,
            self._encoder.strip_rows,
            128,
            None,
            0,
        )

    def chunk(self, at_ms: int, *bodies: m.Body) -> bytes:
        records = tuple(m.Record(index, at_ms, body) for index, body in enumerate(bodies))
        self.seq += 1
        return encode_uplink(m.Chunk(STREAM, self.seq - 1, at_ms, records))

    def begin(self, sampled: bool = True) -> list[bytes]:
        return [
            encode_uplink(m.Sync(STREAM, 0, 0, 0, None, HELLO.boot, None, DEVICE)),
            self.chunk(0, HELLO, self.record),
            self.chunk(10, m.SessionStart(0, sampled, None)),
        ]

    def fill(self, x: int, y: int, width: int, height: int, value: int) -> None:
        for row in range(y, y + height):
            self.buffer[row * WIDTH + x : row * WIDTH + x + width] = bytes([value]) * width

    def frame(self, at_ms: int, key: bool = False, parts: int = 1) -> list[bytes]:
        self._encoder.refresh()
        self._encoder.begin(key)
        payloads = []
        while not self._encoder.finished:
            budget = WIDTH * HEIGHT // parts
            size = self._encoder.encode_into(self._out, 0, len(self._out), budget)
            payloads.append(bytes(self._out[:size]))
        if key:
            self._encoder.checksum_into(self._out, 0)
            payloads[-1] += bytes(self._out[:4])
        kind = self._encoder.payload_type << 5
        flags = [kind | (KEY if key else 0)] * len(payloads)
        flags[0] |= FIRST | (m.FrameFlag.RESET if key else 0)
        flags[-1] |= LAST
        return [self.chunk(at_ms, m.Frame(f, p)) for f, p in zip(flags, payloads, strict=True)]


class Bench:
    """Store, ingest and projector on a clock that only the test turns; `restart` is a crash of the projector."""

    def __init__(self, path) -> None:
        self.store = SqliteStore(path, ["list"])
        settings = IngestSettings(mapping=MappingSettings())
        self.ingest = Ingest(
            self.store, settings, map_chunk=map_chunk, map_sync=map_sync, on_commit=self._heard
        )
        self.now_ms = BOOT_MS
        self.sent: list[tuple[str, m.KeyframeRequest]] = []
        self.shown: list[bytes] = []
        self.restart()

    def restart(self) -> None:
        self.projector = Projector(
            self.store,
            ProjectorSettings(public_url="https://trail.example"),
            lambda device_id, request: self.sent.append((device_id, request)),
            now_ms=lambda: self.now_ms,
        )
        self.projector.subscribe(self._show)
        self.projector.recover()

    def send(self, device_id, data) -> bool:
        return True

    def _heard(self, committed) -> None:
        self.projector.notify(committed.device_id, committed.stream, committed.watermark)

    def _show(self, device_id, canvas, moment) -> None:
        assert device_id == DEVICE
        if moment.shown:
            self.shown.append(bytes(canvas.picture))

    def feed(self, *chunks: bytes, at_ms: int) -> None:
        self.now_ms = BOOT_MS + at_ms
        for data in chunks:
            self.ingest.receive(Arrival(DEVICE, data, self.now_ms, self))
        self.ingest.commit_queued()
        self.turn()

    def begin(self, display: Display, sampled: bool = True, parts: int = 1) -> None:
        """A stream with a session and, at 100 ms, its first keyframe."""
        self.feed(*display.begin(sampled), at_ms=0)
        self.feed(*display.frame(100, key=True, parts=parts), at_ms=100)

    def turn(self) -> None:
        while self.projector.turn():
            pass

    def later(self, ms: int) -> None:
        self.now_ms += ms
        self.turn()

    def summaries(self) -> list[dict]:
        return [
            json.loads(row.payload) for row in self.store.events(limit=1000) if row.event == "Display Changed"
        ]


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "pixeltrail.db")
    yield bench
    bench.store.close()


def story(display: Display):
    """(time, chunks) of a session with changes in three windows."""
    yield 0, display.begin()
    yield 100, display.frame(100, key=True)
    for at_ms in range(1_000, 25_000, 3_000):
        display.fill(8, 4, 16, 8, at_ms // 1_000)
        yield at_ms, display.frame(at_ms)
    yield 26_000, [display.chunk(26_000, m.SessionEnd(0))]


def test_subscribers_see_every_picture_and_summaries_become_events(bench):
    display, pictures = Display(), []
    for at_ms, chunks in story(display):
        bench.feed(*chunks, at_ms=at_ms)
        pictures.append(bytes(display.buffer))
    bench.later(1_000)
    assert bench.shown == pictures[1:-1]
    summaries = bench.summaries()
    assert [problem for one in summaries for problem in find_problems(one)] == []
    assert [one["properties"]["frames"] for one in summaries] == [5, 3, 1]
    first = summaries[0]["properties"]
    expected = {"keyframes": 1, "dirty_x": 0, "dirty_width": WIDTH, "replay_offset_ms": 90, "first_seq": 2}
    assert first.items() >= expected.items()
    assert first["[Amplitude] Session Replay ID"] == f"{DEVICE}/{SESSION}"
    assert first["Replay Link"] == f"https://trail.example/sessions/{DEVICE}/{SESSION}?t=0.09"
    assert summaries[1]["context"]["screen"] == {"width": WIDTH, "height": HEIGHT}
    assert summaries[1]["integrations"]["Actions Amplitude"]["session_id"] == SESSION


def test_keyframes_are_indexed_where_they_begin(bench):
    display = Display()
    bench.begin(display, parts=4)
    display.fill(0, 0, 4, 4, 9)
    bench.feed(*display.frame(500), *display.frame(900, key=True), at_ms=900)
    bench.later(1_000)
    keyframes = bench.store.keyframes(DEVICE, SESSION)
    assert [(one.seq, one.host_ms) for one in keyframes] == [
        (2, BOOT_MS + 100),
        (display.seq - 1, BOOT_MS + 900),
    ]


@pytest.mark.parametrize("commit_every_ms", [1_000, 7_000])
@pytest.mark.parametrize("crash_at", range(11))
def test_a_crash_anywhere_changes_and_doubles_no_summary(
    bench, tmp_path, monkeypatch, crash_at, commit_every_ms
):
    calm = Bench(tmp_path / "calm.db")
    monkeypatch.setattr(projector, "COMMIT_EVERY_MS", commit_every_ms)
    for at_ms, chunks in story(Display()):
        calm.feed(*chunks, at_ms=at_ms)
    for number, (at_ms, chunks) in enumerate(story(Display())):
        bench.feed(*chunks, at_ms=at_ms)
        if number == crash_at:
            bench.restart()
    calm.projector.commit()
    bench.projector.commit()
    assert len(calm.summaries()) == 3
    assert bench.summaries() == calm.summaries()
    assert bench.store.keyframes(DEVICE, SESSION) == calm.store.keyframes(DEVICE, SESSION)
    calm.store.close()


def test_after_a_restart_the_picture_goes_on(bench):
    display = Display()
    bench.begin(display, parts=3)
    for at_ms in (200, 300):
        display.fill(at_ms // 10, 2, 5, 5, 77)
        bench.feed(*display.frame(at_ms), at_ms=at_ms)
    bench.projector.commit()
    bench.restart()
    bench.shown.clear()
    display.fill(40, 20, 3, 3, 5)
    bench.feed(*display.frame(400), at_ms=400)
    assert bench.shown == [bytes(display.buffer)]
    assert bench.sent == []


def test_a_window_is_closed_when_its_stream_is_quiet(bench):
    display = Display()
    bench.begin(display)
    bench.later(9_000)
    assert bench.summaries() == []
    bench.later(2_000)
    assert len(bench.summaries()) == 1


def test_a_window_left_open_by_a_crash_is_closed_though_the_device_says_nothing_more(bench):
    display = Display()
    bench.begin(display)
    bench.later(1_000)  # committed, with the window open
    bench.restart()
    bench.turn()
    bench.later(11_000)
    assert len(bench.summaries()) == 1
    assert bench.store.streams_to_project() == []


def test_a_keyframe_that_repeats_the_picture_is_no_change(bench):
    display = Display()
    bench.begin(display)
    bench.feed(*display.frame(60_000, key=True), at_ms=60_000)
    bench.later(20_000)
    (summary,) = bench.summaries()
    assert summary["properties"]["replay_offset_ms"] == 90


def test_a_lost_chunk_asks_for_a_keyframe_once_in_five_seconds(bench):
    display = Display()
    bench.begin(display)
    lost = display.seq
    display.fill(0, 0, 9, 9, 3)
    display.frame(300)
    bench.feed(display.chunk(400, m.Gap(lost, display.seq, 1, 0, 0, 1)), at_ms=400)
    assert bench.sent == [(DEVICE, m.KeyframeRequest(STREAM))]
    display.fill(0, 0, 9, 9, 4)
    bench.feed(*display.frame(500), at_ms=4_000)
    assert len(bench.sent) == 1
    bench.later(2_000)
    assert len(bench.sent) == 2
    bench.feed(*display.frame(7_000, key=True), at_ms=7_000)
    bench.later(20_000)
    assert len(bench.sent) == 2
    assert bench.shown[-1] == bytes(display.buffer)


def test_a_frame_that_cannot_be_painted_is_counted_and_asks_for_a_keyframe(bench):
    display = Display()
    bench.begin(display)
    bench.feed(display.chunk(200, m.Frame(FIRST | LAST, b"\xff" * 40)), at_ms=1_200)
    assert len(bench.sent) == 1
    bench.later(1_000)
    assert bench.store.counters(DEVICE)[DEVICE]["undecodable_frames"] == 1


def test_nothing_is_asked_of_a_device_that_is_long_gone(bench):
    display = Display()
    chunks = [*display.begin(), *display.frame(100, key=True), display.chunk(200, m.Gap(0, 0, 1, 0, 0, 1))]
    for data in chunks:
        bench.ingest.receive(Arrival(DEVICE, data, BOOT_MS, bench))
    bench.now_ms += 3_600_000
    bench.ingest.commit_queued()
    bench.turn()
    assert bench.sent == []


def test_an_unsampled_session_makes_no_summary(bench):
    display = Display()
    bench.begin(display, sampled=False)
    bench.later(20_000)
    assert bench.summaries() == []


def test_a_fault_in_a_subscriber_harms_nobody(bench):
    def fail(device_id, canvas, moment):
        raise ValueError("a viewer's bug")

    undo = bench.projector.subscribe(fail)
    display = Display()
    bench.begin(display)
    undo()
    assert len(bench.shown) == 1


def test_a_database_that_fails_loses_nothing(bench, monkeypatch):
    display = Display()
    bench.begin(display)
    bench.feed(*display.frame(200, key=True), at_ms=200)
    whole = bench.store.commit_batch

    def fail(work):
        raise StoreError("disk is full")

    monkeypatch.setattr(bench.store, "commit_batch", fail)
    with pytest.raises(StoreError):
        bench.projector.commit()
    monkeypatch.setattr(bench.store, "commit_batch", whole)
    bench.projector.commit()
    assert len(bench.store.keyframes(DEVICE, SESSION)) == 2


def test_what_is_stored_with_the_cursor_can_be_read_again(bench):
    display = Display()
    bench.begin(display)
    bench.projector.commit()
    state = msgspec.json.decode(bench.store.projection_state(STREAM), type=FollowerState)
    assert (state.next_seq, state.display_seq, state.keyframe_seq) == (3, 0, 2)
    assert (state.hello, state.display) == (HELLO, display.record)
    assert bench.store.projection(STREAM) == 2  # a window is open: the stream is to be found again


def test_as_a_thread_it_follows_and_stops(tmp_path):
    bench = Bench(tmp_path / "pixeltrail.db")
    bench.projector.start()
    display = Display()
    for at_ms, chunks in story(display):
        for data in chunks:
            bench.ingest.receive(Arrival(DEVICE, data, BOOT_MS + at_ms, bench))
    bench.ingest.commit_queued()
    bench.projector.stop()
    bench.restart()
    bench.turn()
    bench.projector.commit()
    assert [one["properties"]["frames"] for one in bench.summaries()] == [5, 3, 1]
    bench.store.close()


def test_words_of_a_stream_may_come_in_any_order(bench):
    """A look at the store is overtaken by the commit that comes behind it."""
    display = Display()
    bench.begin(display)
    display.fill(0, 0, 8, 8, 7)
    for data in display.frame(200):
        bench.ingest.receive(Arrival(DEVICE, data, bench.now_ms, bench))
    bench.ingest.commit_queued()
    bench.projector.notify(DEVICE, STREAM, display.seq - 1)
    bench.turn()
    assert len(bench.shown) == 2


def test_a_stream_that_cannot_be_opened_is_heard_of_again_and_holds_up_no_other(bench, monkeypatch):
    """An object store that is away: its chunks are needed to paint one device, and none of the others."""
    display, other, opened = Display(), b"packed-1", []
    whole = bench.store.projection_state

    def projection_state(stream):
        if stream == other:
            opened.append(stream)
            raise StoreError("the objects are away")
        return whole(stream)

    monkeypatch.setattr(bench.store, "projection_state", projection_state)
    bench.projector.notify(DEVICE, other, 1)
    with pytest.raises(StoreError):
        bench.begin(display)
    for _ in range(2):
        with pytest.raises(StoreError):
            bench.turn()
    assert len(opened) == 3, "it is asked for until it can be had"
    for data in display.frame(100, key=True):
        bench.ingest.receive(Arrival(DEVICE, data, bench.now_ms, bench))
    bench.ingest.commit_queued()
    with pytest.raises(StoreError):
        bench.turn()
    assert len(bench.shown) == 1


def test_nothing_of_a_forgotten_device_is_shown_any_more(bench, monkeypatch):
    """Forgotten in the middle of a turn; what is new since goes on, though it was not known then."""
    display = Display()
    bench.begin(display)
    chunks, frames = bench.store.chunks, []
    for at_ms in (200, 300):
        display.fill(0, 0, 8, 8, at_ms % 251)
        frames += display.frame(at_ms)

    def chunks_and_a_word(*place):
        for one in chunks(*place):
            yield one
            bench.projector.drop_forgotten(set())

    monkeypatch.setattr(bench.store, "chunks", chunks_and_a_word)
    bench.feed(*frames, at_ms=300)
    assert len(bench.shown) == 2, "the one that was under way"
    monkeypatch.undo()
    bench.projector.drop_forgotten(set())
    bench.later(20_000)
    assert len(bench.summaries()) == 1, "it is there, so it was not forgotten"
    bench.store.commit_batch(lambda tx: tx.db.execute("DELETE FROM devices"))
    bench.projector.drop_forgotten(set())
    bench.turn()
    assert not bench.projector._followed
