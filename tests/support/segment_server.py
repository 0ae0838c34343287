"""A server that speaks Segment's HTTP Tracking API, for tests: strict where Segment is, and honest about the rest.

Like Segment it answers 200 to nearly every event; what an event breaks is in `problems`. It refuses what Segment
refuses (a wrong key, a batch above 500 KB, an event above 32 KB), keeps the first of the events with one `messageId`
and counts the others. `faults` is a script: each request to come meets the next one.

    with running(write_key="k") as server:
        ...                      # server.url; server.faults.append(Fault("status", status=503))
        assert [event["messageId"] for event in server.events] == [...]

As a process, one JSON line per new event: python -m tests.support.segment_server --port 8089 --log FILE
(POST /faults with a list of faults, GET /state).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from . import vendor_server

MAX_EVENT_BYTES = 32 << 10
MAX_BATCH_BYTES = 500_000
MAX_BATCH_EVENTS = 2_500
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIELDS = {
    "track": {"event": str, "properties": dict},
    "screen": {"name": str, "properties": dict},
    "page": {"properties": dict},
    "identify": {"traits": dict},
    "group": {"groupId": str, "traits": dict},
    "alias": {"userId": str, "previousId": str},
}


@dataclass(frozen=True)
class Fault:
    """What a request meets instead of a plain answer.

    kind: `status` (answers `status`, takes nothing), `slow` (waits `delay_s`, then goes on), `close` (takes the events,
    then cuts the line), `half` (takes them, cuts the line within the answer), `wrong_json` (takes them, answers 200
    with broken JSON), `page` (takes nothing, answers 200 with a web page, as a captive portal does).
    """

    kind: str
    status: int = 500
    retry_after: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True)
class Seen:
    """One request that reached the server."""

    status: int
    message_ids: tuple[str, ...]
    retry_count: int
    sent_at: str
    body_bytes: int
    was_gzip: bool


@dataclass
class SegmentServer:
    write_key: str = "test-write-key"
    refuse_ids: set[str] = field(default_factory=set)  # 400 for a batch with one of these messageIds
    log: Path | None = None
    faults: deque[Fault] = field(default_factory=deque)
    events: list[dict[str, Any]] = field(default_factory=list)
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> web.Application:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/batch", self._batch)
        app.router.add_post("/v1/b", self._batch)
        app.router.add_post("/faults", self._set_faults)
        app.router.add_get("/state", self._state)
        return app

    async def start(self, port: int = 0) -> web.AppRunner:
        self._ids: set[str] = {event["messageId"] for event in self.events}
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        fault = self.faults.popleft() if self.faults else None
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        if fault and fault.kind in ("status", "page"):
            return self._refuse_by(fault, request, raw)
        status, reason = self._take(request, raw)
        if fault and fault.kind in ("close", "half"):
            return await self._cut(request, fault.kind == "half")
        text = '{"success": tr' if fault and fault.kind == "wrong_json" else json.dumps(reason)
        return web.Response(status=status, text=text, content_type="application/json")

    def _refuse_by(self, fault: Fault, request: web.Request, raw: bytes) -> web.Response:
        is_page = fault.kind == "page"
        status = 200 if is_page else fault.status
        self._see(status, request, raw, _parse(raw) or {})
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        text = "<!DOCTYPE html><p>Please log in" if is_page else '{"success":false}'
        return web.Response(status=status, headers=headers, text=text)

    async def _cut(self, request: web.Request, in_answer: bool) -> web.StreamResponse:
        assert request.transport is not None
        if in_answer:
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        request.transport.close()
        return web.Response()

    def _take(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        """Judge and keep the events of a request."""
        body = _parse(raw)
        status, why = self._judge(request, raw, body)
        self._see(status, request, raw, body or {})
        if status != 200:
            return status, {"success": False, "message": why}
        assert body is not None
        if not TIME.fullmatch(str(body.get("sentAt"))):
            self.problems.append(f"batch: sentAt is {body.get('sentAt')!r}")
        if len(body["batch"]) > MAX_BATCH_EVENTS:
            self.problems.append(f"batch: {len(body['batch'])} events; Segment answers 200 and loses them")
            return 200, {"success": True}
        for event in body["batch"]:
            self._keep(event)
        return 200, {"success": True}

    def _judge(self, request: web.Request, raw: bytes, body: dict[str, Any] | None) -> tuple[int, str]:
        if body is None or not isinstance(body.get("batch"), list):
            return 400, "malformed JSON"
        if not self._is_authorized(request, body):
            return 401, "unknown write key"
        if len(raw) > MAX_BATCH_BYTES:
            return 413, "batch above 500 KB"
        sizes = [
            len(json.dumps(e, ensure_ascii=False, separators=(",", ":")).encode()) for e in body["batch"]
        ]
        if max(sizes, default=0) > MAX_EVENT_BYTES:
            return 400, "event above 32 KB"
        if any(e.get("messageId") in self.refuse_ids for e in body["batch"]):
            return 400, "refused"
        return 200, ""

    def _is_authorized(self, request: web.Request, body: dict[str, Any]) -> bool:
        if body.get("writeKey") != self.write_key:
            return False
        try:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            return scheme == "Basic" and base64.b64decode(token) == f"{self.write_key}:".encode()
        except binascii.Error:
            return False

    def _see(self, status: int, request: web.Request, raw: bytes, body: dict[str, Any]) -> None:
        self.requests.append(
            Seen(
                status=status,
                message_ids=tuple(str(event.get("messageId")) for event in body.get("batch", [])),
                retry_count=int(request.headers.get("X-Retry-Count", 0)),
                sent_at=str(body.get("sentAt")),
                body_bytes=len(raw),
                was_gzip=request.headers.get("Content-Encoding") == "gzip",
            )
        )

    def _keep(self, event: dict[str, Any]) -> None:
        message_id = str(event.get("messageId"))
        self.problems += [f"{message_id}: {problem}" for problem in find_problems(event)]
        if message_id in self._ids:
            self.duplicates += 1
            return
        self._ids.add(message_id)
        self.events.append(event)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps(event) + "\n")

    async def _set_faults(self, request: web.Request) -> web.Response:
        self.faults.extend(Fault(**fault) for fault in await request.json())
        return web.json_response({"faults": len(self.faults)})

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "events": self.events,
                "duplicates": self.duplicates,
                "problems": self.problems,
                "requests": [asdict(seen) for seen in self.requests],
            }
        )


def find_problems(event: dict[str, Any]) -> Iterator[str]:
    """Everything that an event breaks of what Segment and Amplitude's destination ask for."""
    if not isinstance(event, dict):
        yield "not an object"
        return
    needed: dict[str, type] = {"messageId": str, "timestamp": str, "context": dict, "integrations": dict}
    fields = FIELDS.get(event.get("type", ""))
    if fields is None:
        yield f"type is {event.get('type')!r}"
    for name, kind in (needed | (fields or {})).items():
        if not isinstance(event.get(name), kind):
            yield f"{name} is {event.get(name)!r}, not a {kind.__name__}"
    for name in ("timestamp", "originalTimestamp"):
        if name in event and not TIME.fullmatch(str(event[name])):
            yield f"{name} is {event[name]!r}"
    if not event.get("userId") and not event.get("anonymousId"):
        yield "neither userId nor anonymousId"
    if len(str(event.get("messageId"))) >= 100:
        yield "messageId has 100 characters or more"
    if event.get("type") == "track" and not event.get("event"):
        yield "track without an event"
    if "sentAt" in event:
        yield "sentAt belongs to the batch"
    yield from _find_identity_problems(event)


def _find_identity_problems(event: dict[str, Any]) -> Iterator[str]:
    context = event.get("context") or {}
    device_id = (context.get("device") or {}).get("id")
    if not device_id or device_id != event.get("anonymousId"):
        yield f"context.device.id is {device_id!r}, anonymousId {event.get('anonymousId')!r}"
    if not (context.get("library") or {}).get("name"):
        yield "no context.library.name"
    session_id = ((event.get("integrations") or {}).get("Actions Amplitude") or {}).get("session_id")
    if type(session_id) is not int or session_id == 0:
        yield f"session_id is {session_id!r}, not an integer but 0"
    replay = (event.get("properties") or {}).get("[Amplitude] Session Replay ID")
    if replay is not None and (session_id == -1 or replay != f"{device_id}/{session_id}"):
        yield f"Replay ID {replay!r} does not fit {device_id}/{session_id}"


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


@contextmanager
def running(port: int = 0, **settings: Any) -> Iterator[SegmentServer]:
    """A server on a thread of its own."""
    with vendor_server.on_thread(SegmentServer(**settings), port) as server:
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description="A Segment-compatible server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, help="append each new event as a JSON line; read again at the start"
    )
    parser.add_argument("--write-key", default="test-write-key")
    options = parser.parse_args()
    server = SegmentServer(write_key=options.write_key, log=options.log)
    server.events = vendor_server.read_log(options.log)
    vendor_server.serve(server, options.port)


if __name__ == "__main__":
    main()
