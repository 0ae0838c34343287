"""A server that takes replay uploads as Amplitude's does, for tests, and shows what came.

It behaves as the published SDK expects its server to: a plain 200, or what a test put into `answers`, one for each
upload to come. It refuses what Amplitude refuses: a wrong key (401), no events or a body it cannot read (400).
Beside the uploads it answers the SDK's question for remote settings, and serves a page with the SDK in it.

    with running() as server:
        server.answers.append(Answer(200, skipped="429"))
        ...                      # server.url
        assert [upload.session_id for upload in server.uploads] == [...]

As a process, one JSON line per upload: python -m tests.support.replay_server --port 8091 --log FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from . import vendor_server
from .requirements import require_node_package

API_KEY = "0123456789abcdef0123456789abcdef"
PATH = "/sessions/v2/track"
SKIPPED = "X-Session-Replay-Event-Skipped"
_PAGE = """<!doctype html><title>a page</title><div id=root>Hello</div><script src=/sdk.js></script>"""
REMOTE = {"configs": {"sessionReplay": {"sr_sampling_config": {"sample_rate": 1, "capture_enabled": True}}}}


@dataclass(frozen=True)
class Answer:
    """`takes`: whether the server keeps the events all the same. `cut`: the line breaks before the answer."""

    status: int = 200
    skipped: str | None = None
    text: str = ""
    delay_s: float = 0.0
    takes: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Upload:
    """One request that reached the server. `events` are the strings as they came; `status` what it was answered."""

    target: str
    headers: dict[str, str]
    body_bytes: int
    version: Any
    events: tuple[str, ...]
    status: int
    is_taken: bool

    @property
    def query(self) -> list[tuple[str, str]]:
        from urllib.parse import parse_qsl, urlsplit

        return parse_qsl(urlsplit(self.target).query)

    @property
    def device_id(self) -> str:
        return dict(self.query)["device_id"]

    @property
    def session_id(self) -> int:
        return int(dict(self.query)["session_id"])

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(event) for event in self.events]


@dataclass
class ReplayServer:
    log: Path | None = None
    answers: deque[Answer] = field(default_factory=deque)
    uploads: list[Upload] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def taken(self) -> list[dict[str, Any]]:
        """All events that the server kept, in the order they came."""
        return [event for upload in self.uploads if upload.is_taken for event in upload.parsed()]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post(PATH, self._take)
        app.router.add_get("/config/{key}", self._config)
        app.router.add_get("/", self._page)
        app.router.add_get("/sdk.js", self._script)
        return app

    async def start(self, port: int = 0) -> web.AppRunner:
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()  # aiohttp has undone the gzip
        answer = self.answers.popleft() if self.answers else Answer(takes=True)
        status = _refuses(request, raw) or answer.status
        is_taken = status == 200 and answer.takes
        body = _parse(raw)
        self._keep(
            Upload(
                target=request.raw_path,
                headers=dict(request.headers),
                body_bytes=len(raw),
                version=body.get("version"),
                events=tuple(body.get("events", ())),
                status=status,
                is_taken=is_taken,
            )
        )
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.cut:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        headers = {} if answer.skipped is None else {SKIPPED: answer.skipped}
        return web.Response(status=status, text=answer.text, headers=headers)

    def _keep(self, upload: Upload) -> None:
        self.uploads.append(upload)
        if self.log is not None:
            line = {"target": upload.target, "events": upload.events, "is_taken": upload.is_taken}
            with self.log.open("a") as file:
                file.write(json.dumps(line) + "\n")

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response(REMOTE)

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    async def _script(self, request: web.Request) -> web.Response:
        folder = require_node_package("@amplitude/session-replay-browser") / "lib" / "scripts"
        script = (folder / "session-replay-browser-min.js").read_text()
        return web.Response(text=script, content_type="text/javascript")


def _refuses(request: web.Request, raw: bytes) -> int | None:
    """What Amplitude says to an upload that is wrong; None when it is not."""
    if request.headers.get("Authorization") != f"Bearer {API_KEY}":
        return 401
    body = _parse(raw)
    events = body.get("events")
    if body.get("version") != 1 or not isinstance(events, list) or not events:
        return 400
    if not all(isinstance(event, str) and _parse(event.encode()) for event in events):
        return 400
    return None


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


@contextmanager
def running(port: int = 0, **settings: Any) -> Iterator[ReplayServer]:
    """A server on a thread of its own."""
    with vendor_server.on_thread(ReplayServer(**settings), port) as server:
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description="A server for replay uploads, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="append each upload as a JSON line")
    options = parser.parse_args()
    vendor_server.serve(ReplayServer(log=options.log), options.port)


if __name__ == "__main__":
    main()
