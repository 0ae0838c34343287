"""What a piece of a recording holds, when it is cut, and what is never cut; in both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixeltrail_bridge.cutter import OPTED_OUT_MS, PIECE_MS, QUIET_MS, Cutter
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.pieces import PieceRow, Tried
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio, Timed
from tests.support.stores import Place

WIDTH, HEIGHT = 64, 16
SINK = "archive"
OTHER_STREAM = bytes(range(8, 16))


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    store = place.open()
    yield store
    store.close()


class Scene:
    """A session before a camera, and a cutter that hears of it; `pass_` turns both clocks."""

    def __init__(self, store: SqlStore, piece_bytes: int = 100_000) -> None:
        self.store, self.studio = store, Studio(store)
        self.camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8))
        self.now_ms = BOOT_MS
        self.cutter = Cutter(store, SINK, piece_bytes=piece_bytes, now_ms=lambda: self.now_ms)
        self.cutter.start()
        self._shade = 0

    def begin(self, sampled: bool = True) -> None:
        self.feed(*self.camera.begin(0, sampled=sampled))

    def at(self) -> int:
        return self.now_ms - BOOT_MS

    def feed(self, *messages: Timed) -> None:
        self.studio.feed(*messages)
        self.cutter.hear(DEVICE)

    def say(self, *bodies: m.Body) -> None:
        self.feed(self.camera.say(self.at(), *bodies))

    def key(self) -> None:
        self.camera.device.draw(bytes([self._shade]) * (WIDTH * HEIGHT))
        self.camera.device.encoder.refresh()
        self.feed(*self.camera.key(self.at()))

    def draw(self) -> None:
        """Another shade in the upper half."""
        self._shade += 1
        picture = bytes([self._shade]) * (WIDTH * HEIGHT // 2) + bytes(WIDTH * HEIGHT // 2)
        self.feed(*self.camera.show(self.at(), picture))

    def pass_(self, ms: int) -> None:
        self.now_ms += ms

    def settle(self, row: PieceRow, state: str = "sent", next_try_ms: int = 0) -> None:
        pieces.settle(self.store, row.id, Tried(state, 200, "", next_try_ms), self.now_ms)  # type: ignore[arg-type]

    def next(self) -> PieceRow | None:
        return self.cutter.next()

    def all(self) -> list[PieceRow]:
        """Every piece that can be cut now, each sent at once."""
        found = []
        while (row := self.next()) is not None:
            self.settle(row)
            found.append(row)
        return found


@pytest.fixture
def scene(store: SqlStore) -> Scene:
    scene = Scene(store)
    scene.begin()
    scene.key()
    return scene


def test_a_piece_is_cut_once_its_oldest_chunk_has_waited(scene: Scene):
    scene.pass_(PIECE_MS - 1)
    assert scene.next() is None
    scene.pass_(1)
    row = scene.next()
    assert row is not None
    assert (row.device_id, row.session_id, row.number) == (DEVICE, BOOT_MS, 0)
    assert (row.first, row.last) == (1, scene.camera.seq - 1), "from the session's start on"
    assert scene.next() is None, "one at a time"


def test_pieces_follow_each_other_without_a_hole(scene: Scene):
    found = []
    for _ in range(3):
        scene.pass_(1_000)
        scene.draw()
        scene.pass_(PIECE_MS)
        found += scene.all()
    assert [row.number for row in found] == [0, 1, 2]
    assert [row.first for row in found[1:]] == [row.last + 1 for row in found[:-1]]
    assert found[-1].last == scene.camera.seq - 1
    assert all(earlier.until_ms <= later.from_ms for earlier, later in zip(found, found[1:], strict=False))


def test_a_full_piece_does_not_wait(store: SqlStore):
    scene = Scene(store, piece_bytes=400)
    scene.begin()
    scene.key()
    for _ in range(40):
        scene.pass_(100)
        scene.draw()
    scene.cutter = Cutter(store, SINK, piece_bytes=400, now_ms=lambda: scene.now_ms)  # looks at once
    found = scene.all()
    assert len(found) == 2 and found[-1].last < scene.camera.seq - 1, "what does not fill one waits"
    sizes = [
        sum(len(chunk.data) for chunk in store.chunks(DEVICE, row.stream, row.first, row.last + 1))
        for row in found
    ]
    largest = max(len(chunk.data) for chunk in store.chunks(DEVICE, scene.camera.stream))
    assert all(400 <= size < 400 + largest for size in sizes)


def test_the_end_of_a_session_is_not_waited_for(scene: Scene):
    scene.say(m.SessionEnd(0))
    scene.pass_(PIECE_MS // 2)
    assert scene.next() is None, "not looked at yet"
    scene.pass_(PIECE_MS // 2)
    row = scene.next()
    assert row is not None and scene.cutter.piece(row).is_last


def test_vitals_alone_wait_longer(scene: Scene):
    scene.pass_(PIECE_MS)
    assert len(scene.all()) == 1
    for _ in range(QUIET_MS // 30_000):
        scene.say(m.Vitals({1: 1_000}))
        assert scene.all() == []
        scene.pass_(30_000)
    scene.say(m.Vitals({1: 1_000}))
    (row,) = scene.all()
    assert [mark.kind for mark in scene.cutter.piece(row).marks()] == ["vitals"] * (QUIET_MS // 30_000 + 1)


# ---- what is in it --------------------------------------------------------------------


def test_pieces_together_are_the_recording(scene: Scene):
    wanted = []
    found = []
    for number in range(60):
        scene.pass_(1_500)
        if number % 10 == 9:
            scene.key()
        else:
            scene.draw()
        wanted.append((scene.now_ms, bytes(scene.camera.device.buffer)))
        if number % 7 == 6:
            scene.pass_(PIECE_MS)
            found += scene.all()
    scene.pass_(PIECE_MS)
    found += scene.all()
    shown = []
    for row in found:
        pictures = list(scene.cutter.piece(row).pictures())
        first = pictures[0]
        assert first.rectangles == ((0, 0, WIDTH, HEIGHT),), "a piece begins with the whole picture"
        own = [one for one in pictures if BOOT_MS + one.at_ms >= row.from_ms]
        if row.number:
            assert first is not own[0] and first.pixels == shown[-1][1], "and it is the one that stood"
        shown += [(BOOT_MS + one.at_ms, one.pixels) for one in own]
    assert shown[1:] == wanted


def test_marks_and_calls_are_in_the_piece_of_their_time(scene: Scene):
    scene.pass_(100)
    scene.say(m.Touch(3, 4, m.Phase.DOWN))
    scene.say(m.Track("Brew Started", {"cups": 2}), m.Screen("Home", {}), m.Identify("user-1", {"plan": "x"}))
    scene.pass_(PIECE_MS)
    (first,) = scene.all()
    scene.say(m.Key("A", m.Phase.UP, 0), m.Log(2, "hot"))
    scene.pass_(PIECE_MS)
    (second,) = scene.all()
    marks = [(mark.kind, mark.values) for mark in scene.cutter.piece(first).marks()]
    assert [kind for kind, _ in marks] == ["session_start", "touch", "event", "event", "event"]
    assert [values for kind, values in marks if kind == "event"] == [
        {"type": "track", "name": "Brew Started"},
        {"type": "screen", "name": "Home"},
        {"type": "identify"},
    ]
    assert [mark.kind for mark in scene.cutter.piece(second).marks()] == ["key", "log"]


def test_a_piece_reads_the_same_whenever_it_is_read(scene: Scene):
    scene.pass_(1_000)
    scene.draw()
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    before = list(scene.cutter.piece(row).rrweb())
    scene.draw()
    scene.key()
    scene.say(m.Touch(3, 4, m.Phase.DOWN), m.Log(1, "later"))
    scene.settle(row, "waiting")
    again = scene.next()
    assert again is not None
    assert (again.id, again.number, again.first, again.last) == (row.id, row.number, row.first, row.last)
    assert again.attempts == 1
    assert list(scene.cutter.piece(again).rrweb()) == before


def test_a_session_that_spans_streams_goes_stream_by_stream(scene: Scene):
    scene.pass_(1_000)
    scene.draw()
    camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8), OTHER_STREAM, boot_ms=scene.now_ms)
    scene.pass_(500)
    for message in camera.begin(500):
        scene.feed(message)
    scene.feed(*camera.key(600))
    scene.pass_(PIECE_MS)
    found = scene.all()
    streams = [row.stream for row in found]
    sessions = {row.session_id for row in found}
    assert streams == [scene.camera.stream, OTHER_STREAM] and len(sessions) in (1, 2)
    assert found[1].from_ms >= found[0].until_ms


# ---- what is not cut ------------------------------------------------------------------


def test_an_unsampled_session_has_no_pieces(store: SqlStore):
    scene = Scene(store)
    scene.begin(sampled=False)
    scene.say(m.Track("Brew Started", {}))
    scene.say(m.SessionEnd(0))
    scene.pass_(PIECE_MS * 10)
    assert scene.all() == []


def test_what_belongs_to_no_session_has_no_pieces(scene: Scene):
    scene.say(m.SessionEnd(0))
    scene.say(m.Track("Later", {}))
    scene.say(m.Vitals({1: 2}))
    scene.pass_(PIECE_MS)
    (row,) = scene.all()
    assert row.session_id == BOOT_MS > 0
    scene.pass_(QUIET_MS)
    assert scene.all() == []


def test_a_session_with_an_opt_out_is_stopped(scene: Scene):
    scene.pass_(1_000)
    scene.draw()
    scene.say(m.OptOut(True))
    scene.pass_(PIECE_MS)
    assert scene.all() == []
    scene.say(m.OptOut(False))
    scene.key()
    scene.pass_(max(PIECE_MS, OPTED_OUT_MS))
    assert scene.all() == [], "for good, also what lies before the opt-out"
    assert pieces.counts(scene.store, SINK) == {"stopped": 1}


def test_an_opt_out_far_behind_a_full_piece_counts(store: SqlStore):
    scene = Scene(store, piece_bytes=100)
    scene.begin()
    scene.key()
    for _ in range(20):
        scene.pass_(100)
        scene.draw()
    scene.say(m.OptOut(True))
    scene.say(m.OptOut(False))
    scene.pass_(PIECE_MS)
    assert scene.all() == []


def test_nothing_goes_out_while_a_device_is_opted_out(scene: Scene):
    scene.say(m.SessionEnd(0))
    scene.say(m.OptOut(True))
    scene.pass_(PIECE_MS)
    assert scene.all() == []


def test_an_opt_out_stops_what_waits_for_another_try(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "waiting")
    scene.say(m.OptOut(True))
    assert scene.next() is None
    assert pieces.counts(scene.store, SINK) == {"stopped": 1}


def test_what_waits_of_an_earlier_session_waits_for_the_end_of_an_opt_out(scene: Scene):
    scene.say(m.SessionEnd(0))
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "waiting")
    scene.say(m.OptOut(True))
    assert scene.next() is None
    scene.pass_(OPTED_OUT_MS)
    assert scene.next() is None
    scene.say(m.OptOut(False))
    scene.pass_(OPTED_OUT_MS)
    again = scene.next()
    assert again is not None and again.id == row.id


def test_sessions_that_had_ended_before_are_left_alone(scene: Scene):
    scene.say(m.SessionEnd(0))
    scene.pass_(PIECE_MS)
    assert len(scene.all()) == 1
    scene.pass_(1_000)
    later = Cutter(scene.store, "new sink", now_ms=lambda: scene.now_ms)
    later.hear(DEVICE)
    scene.pass_(PIECE_MS)
    assert later.next() is None
    scene.feed(scene.camera.say(scene.at(), m.SessionStart(1, True, None)))
    scene.key()
    later.hear(DEVICE)
    scene.pass_(PIECE_MS)
    row = later.next()
    assert row is not None and row.session_id > BOOT_MS


# ---- what became of it ----------------------------------------------------------------


def test_a_piece_that_waits_holds_up_its_session(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "waiting", scene.now_ms + 5_000)
    scene.draw()
    scene.pass_(4_999)
    assert scene.next() is None
    scene.pass_(1)
    again = scene.next()
    assert again is not None and again.id == row.id
    scene.settle(again)
    scene.pass_(PIECE_MS)
    assert [one.number for one in scene.all()] == [1]


def test_a_stopped_session_is_left_alone_for_good(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "stopped")
    scene.draw()
    scene.pass_(PIECE_MS)
    assert scene.all() == []
    restarted = Cutter(scene.store, SINK, now_ms=lambda: scene.now_ms)
    restarted.start()
    assert restarted.next() is None


def test_a_dead_piece_is_passed_over_and_may_be_queued_again(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    pieces.settle(scene.store, row.id, Tried("dead", 400, "refused"), scene.now_ms)
    scene.draw()
    scene.pass_(PIECE_MS)
    assert [one.number for one in scene.all()] == [1]
    (letter,) = pieces.dead(scene.store, DEVICE, SINK, "REFUS", 5)
    assert (letter.kind, letter.reason, letter.count, letter.device_id) == (SINK, "refused", 1, DEVICE)
    assert letter.raw == b'{"session_id":%d,"piece":0}' % BOOT_MS
    assert pieces.dead(scene.store, reason="other") == []
    assert pieces.requeue(scene.store, [letter.id, 999]) == 1
    assert [one.id for one in scene.all()] == [row.id]
    assert pieces.dead(scene.store) == []


def test_a_dead_piece_may_be_given_up(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "dead")
    assert pieces.give_up(scene.store, [row.id]) == 1
    assert pieces.dead(scene.store) == [] and pieces.requeue(scene.store, [row.id]) == 0


def test_a_restart_takes_up_what_was_leased_and_what_is_not_cut(scene: Scene, place: Place):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.draw()
    scene.pass_(PIECE_MS)
    scene.store.close()  # the lease was its own
    scene.store = place.open()
    try:
        restarted = Cutter(scene.store, SINK, now_ms=lambda: scene.now_ms)
        again = restarted.next()
        assert again is not None and again.id == row.id
        scene.settle(again)
        later = restarted.next()
        assert later is not None and later.number == 1, "without having heard of it"
    finally:
        scene.store.close()


def test_two_processes_never_have_the_same_piece(scene: Scene):
    scene.pass_(PIECE_MS)
    other = Cutter(scene.store, SINK, now_ms=lambda: scene.now_ms)
    other.start()
    row = scene.next()
    assert row is not None and other.next() is None


def test_a_clock_that_was_put_back_keeps_nothing_waiting(scene: Scene):
    scene.pass_(PIECE_MS)
    row = scene.next()
    assert row is not None
    scene.settle(row, "waiting", scene.now_ms + 60_000)
    scene.pass_(-3_600_000)
    again = scene.next()
    assert again is not None and again.id == row.id


def test_what_is_committed_while_a_device_is_looked_at_is_cut_as_well(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last word of a session, between the look at its device and the note that there is nothing in it."""
    scene.pass_(PIECE_MS)
    assert scene.all()
    scene.draw()
    scene.pass_(PIECE_MS)
    (row,) = scene.all()
    look = pieces.unsent

    def unsent(*arguments: object) -> object:
        found = look(*arguments)  # type: ignore[arg-type]
        if not found:
            monkeypatch.undo()
            scene.say(m.SessionEnd(0))
        return found

    monkeypatch.setattr(pieces, "unsent", unsent)
    scene.cutter.hear(DEVICE)
    scene.pass_(PIECE_MS)
    assert scene.next() is None
    scene.pass_(PIECE_MS)
    (last,) = scene.all()
    assert last.number == row.number + 1 and scene.cutter.piece(last).is_last


def test_a_look_that_fails_is_taken_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreError("the database is away")

    scene.pass_(PIECE_MS)
    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(pieces, "unsent", away)
        scene.next()
    assert scene.all()
