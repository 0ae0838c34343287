"""A device that says everything the wire has, in two sessions over two streams, with the device library's own coder."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS
from pixeltrail_bridge.projector import ProjectorSettings
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from .film import BOOT_MS, STREAM, Camera, Device, Studio, Timed

INLINE = ProjectorSettings(inline=True)
LATER = b"stream-2"
WIDTH, HEIGHT = 64, 32
_REST_MS = 60_000  # after which nothing is gathered any more


def pictures(count: int, seed: int, size: int = WIDTH * HEIGHT) -> Iterator[bytes]:
    """Noise in a corner that moves: incompressible, so that frames have parts and pieces are several."""
    dice, picture = random.Random(seed), bytearray(size)
    for number in range(count):
        at = (number * 97) % (size - 400)
        picture[at : at + 400] = dice.randbytes(400)
        yield bytes(picture)


def first_stream(frames: int = 60) -> Iterator[Timed]:
    camera = Camera(Device(WIDTH, HEIGHT, m.PixelFormat.GS8))
    yield from camera.begin(0)
    yield camera.say(5, m.Masks(((0, 0, 8, 8),)), m.UnknownArea(1, 2, 3, 4))
    yield from camera.key(10)
    yield camera.say(20, m.Identify("user-7", {"plan": "pro"}), m.Screen("Home", {"row": 1}))
    for number, picture in enumerate(pictures(frames, 1)):
        at_ms = 100 + number * 250
        yield from camera.show(at_ms, picture)
        if number % 10 == 3:
            yield camera.say(at_ms + 1, m.Touch(3, 4, 0), m.Touch(None, None, 2), m.Key("ok", 0, 0))
            yield camera.say(at_ms + 2, m.Track("Pressed", {"number": number, "list": [1, {"a": None}]}))
            yield camera.say(at_ms + 3, m.Log(2, "warm"))
        if number % 20 == 9:
            yield camera.say(at_ms + 4, m.Vitals({1: 50_000, 3: number}))
            yield from camera.key(at_ms + 5)
    end_ms = 100 + frames * 250
    yield camera.say(end_ms, m.Group("office", {"floor": 2}), m.Alias("user-8", "user-7"))
    yield camera.say(end_ms + 1, m.Gap(camera.seq + 1, camera.seq + 3, 2, 1, 0, m.GapReason.OUTBOX_FULL))
    camera.seq += 2  # what was refused
    yield from camera.key(end_ms + 2)
    yield camera.turn(end_ms + 10, Device(HEIGHT, WIDTH, m.PixelFormat.GS8))
    yield from camera.key(end_ms + 11)
    yield camera.say(end_ms + 20, m.SessionEnd(0))
    yield camera.say(end_ms + 5_000, m.Vitals({1: 40_000}))
    yield camera.say(end_ms + 9_000, m.SessionStart(1, True, None))
    yield from camera.key(end_ms + 9_001)
    for number, picture in enumerate(pictures(12, 2)):
        yield from camera.show(end_ms + 9_100 + number * 300, picture)


def second_stream(frames: int = 12) -> Iterator[Timed]:
    """The device begins another stream, and the session goes on."""
    camera = Camera(Device(WIDTH, HEIGHT, m.PixelFormat.MONO_VLSB), LATER, boot_ms=BOOT_MS + 40_000)
    _, *told = camera.begin(0, index=1, previous=STREAM)
    sync = m.Sync(LATER, 0, 0, 0, None, 7, STREAM, camera.device_id)
    yield camera.boot_ms, encode_uplink(sync)
    yield from told
    yield from camera.key(10)
    size = WIDTH * HEIGHT // 8
    dice = random.Random(3)
    for number in range(frames):
        yield from camera.show(50 + number * 200, dice.randbytes(size))
    yield camera.say(9_000, m.Track("Done", {}))
    yield camera.say(9_001, m.SessionEnd(1))


def recorded(store: SqlStore, settings: ProjectorSettings = INLINE) -> Studio:
    """All of it, through ingest and projector, until nothing is gathered any more."""
    studio = Studio(store, settings, sample_rate=1.0, extra_events=EXTRA_EVENTS)
    for stream in (first_stream(), second_stream()):
        for message in stream:
            studio.feed(message)
    rest(studio)
    return studio


def rest(studio: Studio) -> None:
    studio.project()
    studio.now_ms += 10 * _REST_MS
    studio.project()
