"""The tail over stores of both kinds, worked by hand: what is shown, of which stream, and what is not decoded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.replay.timeline import Moment
from pixeltrail_bridge.tail import Tail
from pixeltrail_bridge.wire import messages as m

from tests.support.film import BOOT_MS, DEVICE, STREAM, Camera, Device, Studio
from tests.support.stores import Place

WIDTH, HEIGHT = 64, 32
NEWER = b"stream-2"


class Page:
    """What a tail shows: the picture of each device, and how often it was given whole."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.begun = self.shown = 0

    def take(self, device_id: str, canvas: Canvas | None, moment: Moment) -> None:
        if canvas is not None and moment.shown is not None:
            self.pictures[device_id] = bytes(canvas.picture)
            self.shown += 1

    def begin(self, device_id: str, canvas: Canvas, shown_ms: float) -> None:
        self.pictures[device_id] = bytes(canvas.picture)
        self.begun += 1


class Watched:
    """A studio whose every commit is told to a tail, as workers tell viewers."""

    def __init__(self, place: Place) -> None:
        self.studio = Studio(place.open())
        self.page, self.now_s = Page(), 0.0
        self.tail = Tail(self.studio.store, self.page, lambda: self.now_s)
        self.camera = Camera(Device(WIDTH, HEIGHT, m.PixelFormat.GS8))

    def feed(self, *messages: tuple[int, bytes], is_told: bool = True) -> None:
        self.studio.feed(*messages)
        if is_told:
            for row in self.studio.store.streams(DEVICE):
                self.tail.hear(DEVICE, row.stream, row.watermark)

    def paint(self, at_ms: int, shade: int, is_told: bool = True) -> bytes:
        picture = bytes([shade]) * (WIDTH * HEIGHT)
        self.feed(*self.camera.show(at_ms, picture), is_told=is_told)
        return picture

    def turn(self) -> bytes | None:
        self.tail.turn()
        return self.page.pictures.get(DEVICE)


@pytest.fixture
def watched(place: Place) -> Iterator[Watched]:
    one = Watched(place)
    one.feed(*one.camera.begin(0), *one.camera.key(10))
    yield one
    one.studio.store.close()


@pytest.mark.parametrize("devices", [None, frozenset({DEVICE})])
def test_who_comes_late_begins_with_the_picture_as_it_stands(
    watched: Watched, devices: frozenset[str] | None
) -> None:
    picture = watched.paint(100, 7)
    watched.tail.watch(devices)
    assert watched.turn() == picture
    assert (watched.page.begun, watched.page.shown) == (1, 0)
    picture = watched.paint(200, 8)
    assert watched.turn() == picture
    assert (watched.page.begun, watched.page.shown) == (1, 1)


@pytest.mark.parametrize("devices", [frozenset(), frozenset({"another-device"})])
def test_nobody_decodes_what_nobody_watches(watched: Watched, devices: frozenset[str]) -> None:
    watched.tail.watch(devices)
    watched.paint(100, 7)
    assert watched.turn() is None


def test_who_looks_away_and_back_sees_now(watched: Watched) -> None:
    watched.tail.watch(None)
    watched.turn()
    watched.tail.watch(frozenset())
    watched.turn()
    watched.paint(100, 7)
    picture = watched.paint(200, 9)
    watched.turn()
    watched.tail.watch(frozenset({DEVICE}))
    assert watched.turn() == picture
    assert watched.page.begun == 2


def test_a_word_that_is_lost_is_made_up_for(watched: Watched) -> None:
    watched.tail.watch(None)
    before = watched.turn()
    picture = watched.paint(100, 7, is_told=False)
    assert watched.turn() == before
    watched.now_s += 5
    assert watched.turn() == picture
    assert watched.page.begun == 1, "it goes on where it was"


def test_a_new_start_of_a_device_takes_over_and_an_old_one_that_comes_late_does_not(watched: Watched) -> None:
    watched.tail.watch(frozenset({DEVICE}))
    watched.turn()
    old = watched.camera
    watched.camera = Camera(Device(WIDTH, HEIGHT, m.PixelFormat.GS8), NEWER, BOOT_MS + 1_000)
    watched.feed(*watched.camera.begin(0, 1), *watched.camera.key(10))
    picture = watched.paint(100, 5)
    assert watched.turn() == picture
    shown = watched.page.shown
    watched.feed(*old.show(100, bytes([9]) * (WIDTH * HEIGHT)))
    assert watched.studio.store.streams(DEVICE)[0].stream == STREAM
    assert watched.turn() == picture
    assert watched.page.shown == shown


def test_a_database_that_is_away_costs_time_alone(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.tail.watch(None)
    watched.turn()
    picture = watched.paint(100, 7)
    real = watched.studio.store.chunks

    def away(*_: object) -> Iterator[object]:
        raise StoreError("the server is restarting")

    monkeypatch.setattr(watched.studio.store, "chunks", away)
    with pytest.raises(StoreError):
        watched.tail.turn()
    monkeypatch.setattr(watched.studio.store, "chunks", real)
    watched.tail.look_again()
    assert watched.turn() == picture


def test_devices_that_fall_silent_are_let_go_of(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixeltrail_bridge.tail.MOST_DEVICES", 0)
    watched.tail.watch(None)
    picture = watched.paint(100, 7)
    assert watched.turn() == picture
    watched.now_s += 301
    watched.turn()
    assert watched.tail._followed == {}
    picture = watched.paint(200, 8)
    assert watched.turn() == picture
    assert watched.page.begun == 2


def test_nothing_is_shown_of_what_was_known_before_something_was_forgotten(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.tail.watch(None)
    assert watched.turn() is not None
    chunks = watched.studio.store.chunks

    def chunks_and_a_word(*place: object) -> Iterator[object]:
        for one in chunks(*place):  # type: ignore[arg-type]
            watched.tail.look_again(watched.page.pictures.clear)
            yield one

    watched.paint(1_000, 9)
    with monkeypatch.context() as patch:
        patch.setattr(watched.studio.store, "chunks", chunks_and_a_word)
        assert watched.turn() is None
    assert watched.turn() == bytes([9]) * (WIDTH * HEIGHT), "and then what there is"
