"""A page over a real store with one recorded session, and how to ask it: for the tests of the routes."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.viewing import Viewing
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio

from .page import LOOPBACK, MemoryBackend, serve

WIDTH, HEIGHT = 48, 16
SESSION = BOOT_MS
PLACE = f"/api/sessions/{DEVICE}/{SESSION}"
OURS = {"X-Pixeltrail": "1"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Site:
    """`shown`: at_ms and picture of every frame that changed something, in the display's own format."""

    port: int
    store: SqlStore
    studio: Studio
    camera: Camera
    shown: list[tuple[int, bytes]]
    woken: list[None]

    def ask(
        self, path: str, method: str = "GET", content: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """`content` goes as JSON; bytes as they are."""
        body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        return fetch(self.port, path, method, body, headers or {})

    def write(self, path: str, method: str = "POST", content: Any = None) -> Answer:
        return self.ask(path, method, content, OURS)

    def standing(self, at_ms: int) -> bytes | None:
        return next((data for when, data in reversed(self.shown) if when <= at_ms), None)


def fetch(port: int, path: str, method: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=60)) as connection:
        connection.request(method, path, body, {"Accept-Encoding": "gzip", **headers})
        answer = connection.getresponse()
        told = {key.lower(): value for key, value in answer.getheaders()}
        data = answer.read()
        return Answer(
            answer.status, told, gzip.decompress(data) if told.get("content-encoding") == "gzip" else data
        )


@contextlib.contextmanager
def site(store: SqlStore, seconds: int = 12, **viewing: Any) -> Iterator[Site]:
    """A session of a GS8 display: a picture every 250 ms up to `seconds`, a keyframe every 2 s."""
    studio = Studio(store)
    device = Device(WIDTH, HEIGHT, PixelFormat.GS8)
    device.draw(picture(0))
    camera = Camera(device)
    shown = [(100, picture(0))]
    feed = [*camera.begin(0), *camera.key(100)]
    for at_ms in range(250, seconds * 1000, 250):
        data = picture(at_ms // 250)
        feed += [*camera.show(at_ms, data), *(camera.key(at_ms) if at_ms % 2000 == 0 else [])]
        shown.append((at_ms, data))
    studio.feed(*feed)
    woken: list[None] = []
    routes = Viewing(store, wake=lambda: woken.append(None), **viewing)
    try:
        with serve(MemoryBackend(Hub()), more=routes.routes()) as port:
            yield Site(port, store, studio, camera, shown, woken)
    finally:
        routes.close()


def picture(value: int) -> bytes:
    return bytes((value * 5 + i // 24) % 251 for i in range(WIDTH * HEIGHT))


def rgb_of(data: bytes) -> NDArray[np.uint8]:
    return formats.to_rgb(data, PixelFormat.GS8, WIDTH, HEIGHT, None)


class Glass:
    """Paints the messages of `pixels`, as the player does. `shown` has each one's time, flags and picture."""

    def __init__(self, body: bytes) -> None:
        self.shown: list[tuple[int, int, NDArray[np.uint8]]] = []
        at, picture = 0, np.zeros((0, 0, 3), np.uint8)
        while at < len(body):
            (size,) = struct.unpack_from("<I", body, at)
            message, at = body[at + 4 : at + 4 + size], at + 4 + size
            at_ms, flags, width, height, count = struct.unpack_from("<IBHHH", message)
            if picture.shape[:2] != (height, width):
                picture = np.zeros((height, width, 3), np.uint8)
            place = 11
            for _ in range(count):
                x, y, w, h = struct.unpack_from("<HHHH", message, place)
                rgba = np.frombuffer(message, np.uint8, w * h * 4, place + 8).reshape(h, w, 4)
                assert (rgba[:, :, 3] == 255).all()
                picture[y : y + h, x : x + w] = rgba[:, :, :3]
                place += 8 + w * h * 4
            assert place == len(message)
            self.shown.append((at_ms, flags, picture.copy()))
