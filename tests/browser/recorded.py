"""Sessions to look at: recorded sequences and scripts, through ingest and projector into a store, and a page over it.

with site(folder) as shown:
    shown.record("mono-invaders", sequence.format, ..., pictures)
    page.goto(shown.session_url("mono-invaders"))
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.viewing import Viewing
from pixeltrail_bridge.wire import messages as m

from tests.bridge.web.page import LOOPBACK, MemoryBackend, serve
from tests.firmware.codec.coding import CORPUS_FORMATS, Device
from tests.support import corpus
from tests.support.film import BOOT_MS, Camera, Studio

FIRST_MS = 100  # from a session's start to its first picture
Timed = tuple[int, m.Body]


@dataclass(frozen=True, slots=True)
class Film:
    """What was shown: the session, and each picture with the ms at which it came."""

    device_id: str
    session_id: int
    width: int
    height: int
    format: m.PixelFormat
    shown: tuple[tuple[int, bytes], ...]

    @property
    def end_ms(self) -> int:
        return self.shown[-1][0]

    def rgba_at(self, at_ms: int) -> bytes | None:
        """The picture that stands at a moment, as a canvas holds it."""
        place = bisect_right(self.shown, at_ms, key=lambda pair: pair[0])
        if not place:
            return None
        rgb = formats.to_rgb(self.shown[place - 1][1], self.format, self.width, self.height, None)
        return np.dstack([rgb, np.full((self.height, self.width), 255, np.uint8)]).tobytes()

    def digests(self) -> dict[str, int]:
        """SHA-256 of each picture's RGBA: how often it was shown."""
        found: dict[str, int] = {}
        for at_ms, _ in self.shown:
            name = digest(self.rgba_at(at_ms))
            found[name] = found.get(name, 0) + 1
        return found


def digest(rgba: bytes | None) -> str:
    return hashlib.sha256(rgba).hexdigest() if rgba is not None else "nothing"


@dataclass
class Site:
    port: int
    store: SqliteStore
    hub: Hub
    backend: MemoryBackend
    films: dict[str, Film] = field(default_factory=dict)
    woken: list[None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def session_url(self, device_id: str, at_s: float | None = None) -> str:
        film = self.films[device_id]
        at = "" if at_s is None else f"?t={at_s}"
        return f"{self.url}/sessions/{device_id}/{film.session_id}{at}"

    def record(
        self,
        device_id: str,
        width: int,
        height: int,
        format: m.PixelFormat,
        shown: Sequence[tuple[int, bytes]],
        marks: Iterable[Timed] = (),
        keyframes: Container[int] = (),
        **hello: object,
    ) -> Film:
        """A session with these pictures (ms since its start, in the display's format) and records between them.

        The first picture is a keyframe, and so are those that come at a time of `keyframes`.
        """
        studio = Studio(self.store)
        stream = hashlib.sha256(device_id.encode()).digest()[:8]
        device = Device(width, height, format)
        device.draw(shown[0][1])
        camera = Camera(device, stream, BOOT_MS, device_id)
        feed = [*camera.begin(0, **hello), *camera.key(shown[0][0])]
        acts: list[tuple[int, m.Body | bytes]] = [*shown[1:], *marks]
        for at_ms, what in sorted(acts, key=lambda pair: pair[0]):
            if not isinstance(what, bytes):
                feed.append(camera.say(at_ms, what))
            elif at_ms in keyframes:
                device.draw(what)
                feed += camera.key(at_ms)
            else:
                feed += camera.show(at_ms, what)
        studio.feed(*feed, device_id=device_id)
        session = self.store.sessions(device_id)[-1]
        film = Film(device_id, session.session_id, width, height, format, tuple(shown))
        self.films[device_id] = film
        return film

    def play(self, name: str, marks: Iterable[Timed] = ()) -> Film:
        """A sequence of the corpus, on a device of its name."""
        sequence = corpus.load(name)
        times = [at - sequence.t_ms[0] + FIRST_MS for at in sequence.t_ms]
        shown = list(zip(times, sequence.frames, strict=True))
        format = CORPUS_FORMATS[sequence.format]
        return self.record(
            name.replace("_", "-"), sequence.width, sequence.height, format, shown, marks, board="Test board"
        )

    def deliver(self, device_id: str, state: str, status: int, answer: str, events: Sequence[str]) -> None:
        """Settle the deliveries of events of these names as a sink would."""
        for row in self.store.events(device_id):
            if row.event in events:
                for one in row.deliveries:
                    _settle(self.store, row.id, one.sink, state, status, answer)


def _settle(store: SqliteStore, event_id: int, sink: str, state: str, status: int, answer: str) -> None:
    sql = (
        "UPDATE deliveries SET state = ?, status = ?, answer = ?, attempts = attempts + 1, settled_ms = ? "
        "WHERE event = ? AND sink = ?"
    )
    values = (state, status, answer, BOOT_MS + 5_000, event_id, sink)
    store.commit_batch(lambda tx: tx.db.execute(sql, values))


@contextlib.contextmanager
def site(folder: Path, sinks: tuple[str, ...] = ("segment",)) -> Iterator[Site]:
    store = SqliteStore(folder / "site.db", sinks)
    backend = MemoryBackend(Hub())
    woken: list[None] = []
    viewing = Viewing(
        store, wake=lambda: woken.append(None), formats=("png", "gif", "mp4", "html", "rrweb", "ptr", "jsonl")
    )
    try:
        with serve(backend, more=viewing.routes()) as port:
            yield Site(port, store, backend.hub, backend, woken=woken)
    finally:
        viewing.close()
        store.close()


@contextlib.contextmanager
def another_site(html: str) -> Iterator[str]:
    """A page of somebody else, on an origin of its own; gives its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}/"
        server.shutdown()
