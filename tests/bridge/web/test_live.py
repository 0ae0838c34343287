"""The hub and its viewers: what a viewer holds is the picture, however slow it is, and its memory is bounded."""

from __future__ import annotations

import asyncio
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixeltrail_bridge.web import live
from pixeltrail_bridge.web.live import Hub, Viewer

from .page import noise, paint

DEVICE = "sim-thermostat"


class Screen:
    """What a page does with messages: paints them."""

    def __init__(self) -> None:
        self.picture: NDArray[np.uint8] = np.zeros((0, 0, 4), np.uint8)
        self.messages = 0

    def paint(self, message: bytes) -> int:
        version, flags, index, width, height, _ = live.HEAD.unpack_from(message)
        assert (version, index) == (live.VERSION, 0)
        if self.picture.shape[:2] != (height, width):
            self.picture = np.zeros((height, width, 4), np.uint8)
        at = live.HEAD.size
        while at < len(message):
            x, y, w, h = live.BLOCK.unpack_from(message, at)
            at += live.BLOCK.size
            rows = np.frombuffer(message, np.uint8, w * h * 4, at).reshape(h, w, 4)
            self.picture[y : y + h, x : x + w] = rows
            at += w * h * 4
        self.messages += 1
        return int(flags)


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def look_on(hub: Hub, loop: asyncio.AbstractEventLoop, only: str | None = None) -> Viewer:
    viewer = Viewer(hub, loop, only)
    hub.attach(viewer)
    viewer.news()
    return viewer


def drain(viewer: Viewer, screen: Screen, most: int = 1_000) -> None:
    viewer.news()
    while most and (message := viewer.next_picture()) is not None:
        screen.paint(message)
        viewer.confirm(screen.messages)
        most -= 1


def test_a_new_viewer_begins_with_the_whole_picture(loop: asyncio.AbstractEventLoop) -> None:
    hub, picture = Hub(), noise(20, 10, 1)
    paint(hub, DEVICE, picture)
    viewer = look_on(hub, loop)
    screen = Screen()
    message = viewer.next_picture()
    assert message is not None
    assert screen.paint(message) & live.FULL
    assert np.array_equal(screen.picture, picture)
    assert viewer.next_picture() is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_a_viewer_holds_is_the_picture(data: st.DataObject) -> None:
    """Whatever the order of frames, reads and changes of the display's size."""
    loop = asyncio.new_event_loop()
    hub, screen = Hub(monotonic=iter(range(10**6)).__next__), Screen()
    picture = noise(24, 16, 0)
    paint(hub, DEVICE, picture)
    viewer = look_on(hub, loop)
    for step in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 9)) == 0:
            picture = noise(data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30)), step)
            paint(hub, DEVICE, picture)
        height, width = picture.shape[:2]
        areas = []
        for _ in range(data.draw(st.integers(0, live.MOST_RECTANGLES + 3))):
            x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
            w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
            picture[y : y + h, x : x + w] = noise(w, h, step)
            areas.append((x, y, w, h))
        if areas:
            paint(hub, DEVICE, picture, *areas)
        drain(viewer, screen, data.draw(st.integers(0, 2)))
    drain(viewer, screen)
    assert np.array_equal(screen.picture, picture)
    loop.close()


def test_no_message_holds_a_part_of_the_frame_that_comes_meanwhile(loop: asyncio.AbstractEventLoop) -> None:
    """Two rectangles that overlap, in turn, from another thread: only whole frames are ever shown."""
    hub, screen, frames = Hub(), Screen(), 8_000
    viewer = look_on(hub, loop)
    shown = [np.zeros((1, 4), np.uint8)]
    for value in range(1, frames):
        shown.append(shown[-1].copy())
        shown[-1][0, value % 2 : value % 2 + 3] = value % 251
    paint(hub, DEVICE, np.zeros((1, 4, 4), np.uint8))

    def draw() -> None:
        for value in range(1, frames):
            rgba = bytes([value % 251]) * 12
            hub.show(DEVICE, 4, 1, [(value % 2, 0, 3, 1)], lambda *_, rgba=rgba: rgba)

    known = {picture.tobytes() for picture in shown}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        drawing = threading.Thread(target=draw)
        drawing.start()
        while drawing.is_alive():
            drain(viewer, screen, 1)
            assert not screen.messages or screen.picture[:, :, 0].tobytes() in known
        drawing.join()
    finally:
        sys.setswitchinterval(interval)
    drain(viewer, screen)
    assert np.array_equal(screen.picture[:, :, 0], shown[-1])


def test_a_viewer_that_confirms_nothing_costs_a_window_and_then_gets_the_newest(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hub, picture = Hub(), noise(32, 32, 1)
    paint(hub, DEVICE, picture)
    viewer, screen = look_on(hub, loop), Screen()
    sent = 0
    for step in range(500):
        picture[step % 32, :8] = step % 251
        paint(hub, DEVICE, picture, (0, step % 32, 8, 1))
        while (message := viewer.next_picture()) is not None:
            screen.paint(message)
            sent += 1
    assert sent == live.WINDOW
    assert viewer.merged > 400
    assert len(viewer._dirty) == 1
    waiting = viewer._dirty[0]
    assert waiting is None or len(waiting) <= live.MOST_RECTANGLES
    viewer.confirm(sent)
    drain(viewer, screen)
    assert np.array_equal(screen.picture, picture)
    assert screen.messages == live.WINDOW + 1


def test_a_false_confirmation_opens_no_more_than_the_window(loop: asyncio.AbstractEventLoop) -> None:
    hub, picture = Hub(), noise(4, 4, 1)
    paint(hub, DEVICE, picture)
    viewer = look_on(hub, loop)
    viewer.confirm(10**9)
    sent = 0
    for _ in range(20):
        paint(hub, DEVICE, picture)
        sent += viewer.next_picture() is not None
    assert sent == live.WINDOW


def test_touches_beyond_the_bound_drop_the_oldest(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub()
    paint(hub, DEVICE, noise(4, 4, 1))
    viewer = look_on(hub, loop)
    for x in range(live.MOST_NOTICES + 5):
        hub.touch(DEVICE, x, 0, 0)
    touches = [notice["x"] for notice in viewer.news()]
    assert touches == list(range(5, live.MOST_NOTICES + 5))


def test_counts_and_state(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub(monotonic=lambda: 0.0)
    picture = noise(4, 4, 1)
    paint(hub, DEVICE, picture)
    hub.show(DEVICE, 4, 4, [(0, 0, 1, 1)], lambda *_: b"\0" * 4, is_mixed=True)
    hub.lose(DEVICE, is_error=False)
    hub.lose(DEVICE, is_error=True)
    hub.set_facts(DEVICE, {"board": "sim", "vitals": {"skipped": 3}})
    (device,) = hub.devices()
    expected = {
        "frames": 2,
        "keyframes": 1,
        "mixed": 1,
        "replay_gaps": 1,
        "decode_errors": 1,
        "synced": False,
    }
    assert expected.items() <= device.items()
    assert (device["width"], device["board"], device["fps"]) == (4, "sim", 1.0)
    assert device["vitals"] == {"skipped": 3}
    paint(hub, DEVICE, picture)
    assert hub.devices()[0]["synced"] is True


def test_a_viewer_is_told_what_was_forgotten(loop: asyncio.AbstractEventLoop) -> None:
    clock = [0.0]
    hub = Hub(monotonic=lambda: clock[0])
    paint(hub, DEVICE, noise(4, 4, 1))
    viewer = look_on(hub, loop)
    for known, without, told in (
        ({DEVICE}, {DEVICE}, {"index": 0, "id": DEVICE, "width": 0}),
        (set(), set(), {"index": 0, "is_gone": True}),
    ):
        hub.forget(known, without)
        clock[0] += live.DESCRIBE_S
        (message,) = viewer.news()
        (device,) = message["devices"]
        assert device.items() >= told.items()
    clock[0] += live.DESCRIBE_S
    assert viewer.news() == []


def test_a_viewer_of_one_device_is_told_of_no_other(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub()
    paint(hub, "device-a", noise(4, 4, 1))
    paint(hub, "device-b", noise(4, 4, 2))
    viewer = look_on(hub, loop, "device-b")
    hub.touch("device-a", 1, 1, 0)
    assert viewer.news() == []
    assert viewer.next_picture() is not None
    assert viewer.next_picture() is None
