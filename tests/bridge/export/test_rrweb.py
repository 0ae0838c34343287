"""rrweb events: their form, their order, when a keyframe comes, what is removed. The players judge the pictures."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pixeltrail_bridge.export import rrweb
from pixeltrail_bridge.export.rrweb import encode_event, rrweb_events
from pixeltrail_bridge.export.small_png import encode_png
from pixeltrail_bridge.replay.recording import Mark

from tests.support.corpus import Sequence

from .films import START_MS, Film, recording_of

META, SNAPSHOT, INCREMENTAL, CUSTOM = 4, 2, 3, 5
Event = dict[str, Any]


def events_of(film: Film, **options: Any) -> list[Event]:
    return list(rrweb_events(film, **options))


def kinds(events: list[Event]) -> list[int]:
    return [event["type"] for event in events]


def snapshots(events: list[Event]) -> list[int]:
    """Times of keyframes, each of which is a Meta with a FullSnapshot of the same time behind it."""
    found = []
    for meta, snapshot in zip(events, events[1:], strict=False):
        if meta["type"] == META:
            assert snapshot["type"] == SNAPSHOT and snapshot["timestamp"] == meta["timestamp"]
            found.append(meta["timestamp"] - START_MS)
    return found


def screen_of(snapshot: Event) -> Event:
    body = snapshot["data"]["node"]["childNodes"][0]["childNodes"][1]
    return body["childNodes"][0]


def file_of(source: str) -> Image.Image:
    head, _, data = source.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def wide_film() -> Film:
    """Above WHOLE_PX, with something to see in it."""
    film = Film(200, 150)
    film.picture[:] = np.arange(200, dtype=np.uint8)
    film.show(0)
    return film


def test_a_recording_begins_with_meta_and_full_snapshot():
    meta, snapshot = events_of(wide_film(), scale=3)
    assert list(meta) == ["type", "timestamp", "data"]
    size = {"width": 600, "height": 450}
    assert meta == {"type": META, "timestamp": START_MS, "data": {"href": "pixeltrail://kitchen-01/", **size}}
    screen = screen_of(snapshot)
    assert screen["id"] == 5 and "width:600px;height:450px" in screen["attributes"]["style"]
    (image,) = screen["childNodes"]
    assert image["id"] == 10 and "width:600px;height:450px" in image["attributes"]["style"]
    assert "image-rendering:pixelated" in image["attributes"]["style"]
    assert file_of(image["attributes"]["src"]).size == (200, 150)


def test_keys_stand_in_the_order_amplitude_reads():
    for event in events_of(wide_film()):
        assert encode_event(event).startswith(
            b'{"type":%d,"timestamp":%d,"data":{' % (event["type"], START_MS)
        )
        assert json.loads(encode_event(event)) == event


def test_a_changed_rectangle_is_an_image_on_top():
    film = wide_film()
    film.paint(100, 10, 20, 30, 40, 7)
    (mutation,) = events_of(film, scale=2)[2:]
    assert mutation["timestamp"] == START_MS + 100
    data = mutation["data"]
    assert (data["source"], data["texts"], data["attributes"], data["removes"]) == (0, [], [], [])
    (add,) = data["adds"]
    assert (add["parentId"], add["nextId"], add["node"]["id"], add["node"]["tagName"]) == (5, None, 11, "img")
    assert "left:20px;top:40px;width:60px;height:80px" in add["node"]["attributes"]["style"]
    assert file_of(add["node"]["attributes"]["src"]).size == (1, 1)  # one colour


def test_only_what_differs_within_a_rectangle_is_sent():
    film = wide_film()
    film.picture[30, 50] = 255
    film.show(100, (0, 0, 90, 90), (100, 100, 20, 20))
    (mutation,) = events_of(film, scale=1)[2:]
    (add,) = mutation["data"]["adds"]
    assert "left:50px;top:30px;image" in add["node"]["attributes"]["style"]
    film.show(200, (0, 0, 90, 90))
    assert len(events_of(film)) == 3, "a frame that changes nothing makes no event"


def test_a_covered_image_is_removed():
    film = wide_film()
    film.paint(100, 10, 10, 20, 20, 1)
    film.paint(200, 50, 10, 20, 20, 2)
    film.paint(300, 9, 9, 22, 22, 3)
    last = events_of(film)[-1]["data"]
    assert last["removes"] == [{"parentId": 5, "id": 11}]
    assert [add["node"]["id"] for add in last["adds"]] == [13]


def test_most_of_the_picture_replaces_it_whole():
    film = wide_film()
    film.paint(100, 10, 10, 20, 20, 1)
    film.paint(200, 0, 0, 200, 80, 2)
    data = events_of(film)[-1]["data"]
    assert data["removes"] == [{"parentId": 5, "id": 11}] and data["adds"] == []
    (change,) = data["attributes"]
    assert change["id"] == 10 and file_of(change["attributes"]["src"]).size == (200, 150)


def test_a_tiny_display_is_always_replaced_whole():
    film = Film(96, 64)
    film.show(0)
    film.paint(100, 10, 10, 2, 2, 1)
    data = events_of(film)[-1]["data"]
    assert data["adds"] == [] and data["attributes"][0]["id"] == 10


def test_many_rectangles_give_way_to_the_whole_where_that_is_smaller():
    film = wide_film()
    film.picture[:] = 0
    film.show(50)
    boxes = [(x, y, 2, 2) for x in range(0, 200, 20) for y in range(0, 150, 15)]
    for x, y, w, h in boxes:
        film.picture[y : y + h, x : x + w] = 255
    film.show(100, *boxes)
    data = events_of(film)[-1]["data"]
    assert data["adds"] == [] and data["attributes"][0]["id"] == 10


def test_a_keyframe_comes_after_its_interval_with_activity():
    film = wide_film()
    film.paint(1_000, 0, 0, 5, 5, 1)
    film.paint(45_000, 0, 0, 5, 5, 2)
    film.mark(80_000, "vitals", heap_free=1)  # a device that rests sends these, and needs no picture for it
    film.mark(120_000, "touch", x=1, y=1, phase="down")
    film.paint(120_500, 0, 0, 5, 5, 3)
    assert snapshots(events_of(film)) == [0, 45_000, 120_000]
    assert snapshots(events_of(film, keyframe_ms=500)) == [0, 1_000, 45_000, 120_000, 120_500]


def test_a_keyframe_comes_after_a_gap_and_before_too_many_layers():
    film = wide_film()
    film.paint(100, 0, 0, 5, 5, 1)
    film.mark(150, "gap", frames=3)
    film.paint(200, 10, 0, 5, 5, 1)
    events = events_of(film)
    assert snapshots(events) == [0, 200]
    assert [event["data"].get("tag") for event in events] == [None] * 3 + ["pixeltrail.gap"] + [None] * 2
    for number in range(rrweb.MAX_OVERLAYS + 1):
        film.paint(300 + number, number % 100 * 2, 60 + number // 100 * 3, 1, 1, 255)
    film.paint(900, 0, 0, 1, 1, 99)
    events = events_of(film)
    assert snapshots(events) == [0, 200, 300 + rrweb.MAX_OVERLAYS]
    assert events[-1]["data"]["adds"][0]["node"]["id"] == 11, "numbers begin anew with a keyframe"


def test_a_turned_display_begins_anew():
    film = Film(160, 80)
    film.show(0)
    film.turn()
    film.show(100)
    assert [event["data"]["width"] for event in events_of(film) if event["type"] == META] == [480, 240]


def test_touches_lie_on_the_enlarged_screen_and_the_rest_is_custom():
    film = wide_film()
    film.mark(10, "touch", x=5, y=6, phase="down")
    film.mark(20, "touch", x=7, y=8, phase="move")
    film.mark(30, "touch", x=7, y=8, phase="up")
    film.mark(40, "touch", x=0, y=0, phase="cancel")
    film.mark(50, "touch", x=None, y=None, phase="down")  # inside a mask
    film.mark(60, "key", name="A", state="up", amount=0)
    data = [event["data"] for event in events_of(film, scale=4)[2:]]
    assert data == [
        {"source": 2, "type": 7, "id": 5, "x": 22, "y": 26, "pointerType": 2},
        {"source": 6, "positions": [{"x": 30, "y": 34, "id": 5, "timeOffset": 0}]},
        {"source": 2, "type": 9, "id": 5, "x": 30, "y": 34, "pointerType": 2},
        {"source": 2, "type": 10, "id": 5, "x": 2, "y": 2, "pointerType": 2},
        {"tag": "pixeltrail.touch", "payload": {"x": None, "y": None, "phase": "down"}},
        {"tag": "pixeltrail.key", "payload": {"name": "A", "state": "up", "amount": 0}},
    ]


def test_what_comes_before_the_first_picture_stands_on_a_black_screen():
    film = Film(200, 150)
    film.mark(0, "session_start", index=0)
    film.picture[:] = 77
    film.show(2_000)
    events = events_of(film)
    assert kinds(events) == [META, SNAPSHOT, CUSTOM, INCREMENTAL]
    black = file_of(screen_of(events[1])["childNodes"][0]["attributes"]["src"]).convert("RGB")
    assert black.getcolors() == [(1, (0, 0, 0))]
    assert [event["timestamp"] - START_MS for event in events] == [0, 0, 0, 2_000]


def test_nothing_comes_of_a_recording_without_pictures():
    film = Film()
    film.mark(0, "session_start", index=0)
    assert events_of(film) == []


def test_times_never_fall_and_begin_where_they_should():
    film = wide_film()
    film.mark(50, "log", level=2, text="late")
    film.paint(100, 0, 0, 5, 5, 1)
    times = [event["timestamp"] for event in events_of(film, not_before_ms=START_MS + 70)]
    assert times == [START_MS + 70] * 3 + [START_MS + 100]


def test_further_events_stand_among_the_marks():
    film = wide_film()
    film.mark(300, "log", level=2, text="last")
    calls = [Mark(200, START_MS + 200, "event", {"type": "track", "event": "Brew Started"})]
    assert [event["data"].get("tag") for event in events_of(film, events=calls)[2:]] == [
        "pixeltrail.event",
        "pixeltrail.log",
    ]


def test_events_come_as_they_are_asked_for():
    """A writer that gathered the recording first would not end here."""

    class Endless(Film):
        def pictures(self):
            for step in range(10_000_000):
                self.made.clear()
                self.picture[0, 0] = step % 251
                self.show(step * 100, (0, 0, 1, 1))
                yield self.made[0]

    events = rrweb_events(Endless(200, 150))
    assert [next(events)["type"] for _ in range(1_000)].count(META) == 3


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(128, 64, 3), (96, 64, 5), (240, 240, 2), (320, 240, 1), (800, 480, 1)]
)
def test_small_displays_are_enlarged_by_a_whole_number(width, height, scale):
    assert rrweb.default_scale(width, height) == scale


def test_rectangles_are_smaller_than_whole_pictures(sequence: Sequence):
    """What the form costs, against a source for each frame."""
    events = [encode_event(event) for event in rrweb_events(recording_of(sequence))]
    whole = sum(len(encode_png(one.rgb())[0]) * 4 // 3 for one in recording_of(sequence).pictures())
    assert sum(map(len, events)) < whole + 400 * len(events)


# ---- images ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("colours", "depth"), [(2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)])
def test_an_image_takes_the_fewest_bits(colours, depth):
    values = np.arange(colours, dtype=np.uint8)
    rgb = np.repeat(np.resize(values, (24, 32))[:, :, None], 3, axis=2)
    rgb[:, :, 1] //= 2
    data, size = encode_png(rgb)
    assert size == (32, 24) and data[24:26] == bytes([depth, 3]), "bits, and a palette"
    with Image.open(io.BytesIO(data)) as image:
        assert (np.asarray(image.convert("RGB")) == rgb).all()


def test_an_image_of_many_colours_is_exact():
    rgb = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    with Image.open(io.BytesIO(encode_png(rgb)[0])) as image:
        assert (np.asarray(image) == rgb).all()


def test_an_image_of_one_colour_is_one_pixel():
    data, size = encode_png(np.full((50, 60, 3), (1, 2, 3), np.uint8))
    with Image.open(io.BytesIO(data)) as image:
        assert size == image.size == (1, 1) and image.convert("RGB").getpixel((0, 0)) == (1, 2, 3)
