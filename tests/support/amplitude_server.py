"""A server that speaks Amplitude's HTTP APIs, for tests: strict where Amplitude is, and honest about what it took.

It refuses what Amplitude refuses (a wrong key, a request above its size, events with missing or invalid fields, IDs
that are too short, silenced devices), throttles devices and users that are over their rate or quota, and takes nothing
of a request that it refuses. Events with one `insert_id` of one device count once. `faults` is a script, as in
segment_server.py, whose Fault this module uses.

    with running(api_key="k") as server:
        ...                      # server.url; server.faults.append(Fault("status", status=503))
        assert [event["event_type"] for event in server.events] == [...]

As a process, one JSON line per new event: python -m tests.support.amplitude_server --port 8090 --log FILE
(POST /faults with a list of faults, GET /state).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from . import vendor_server
from .segment_server import Fault

PATHS = {
    "/2/httpapi": "httpapi",
    "/batch": "batch",
    "/identify": "identify",
    "/groupidentify": "groupidentify",
    "/usermap": "usermap",
}
MAX_BYTES = {
    "httpapi": 1 << 20,
    "batch": 20 << 20,
    "identify": 1 << 20,
    "groupidentify": 1 << 20,
    "usermap": 1 << 20,
}
MAX_EVENTS = 2_000
KINDS = {
    "event_type": str,
    "device_id": str,
    "user_id": str,
    "time": int,
    "session_id": int,
    "event_properties": dict,
    "user_properties": dict,
    "groups": dict,
    "insert_id": str,
    "price": (int, float),
    "revenue": (int, float),
    "quantity": int,
    "app_version": str,
    "platform": str,
    "event_id": int,
}


@dataclass(frozen=True)
class Seen:
    """One request that reached the server; `items` are its events or identifications, as they came."""

    endpoint: str
    status: int
    items: tuple[dict[str, Any], ...]
    options: dict[str, Any] | None
    content_type: str
    user_agent: str
    body_bytes: int


@dataclass
class AmplitudeServer:
    api_key: str = "test-api-key"
    silenced: set[str] = field(default_factory=set)  # devices whose events are refused
    throttled: set[str] = field(default_factory=set)  # devices that are over their rate, until taken out
    throttled_users: set[str] = field(default_factory=set)
    over_quota: set[str] = field(default_factory=set)
    # Insert IDs of events that are refused without being named
    refuse_ids: set[str] = field(default_factory=set)
    max_events: int = MAX_EVENTS  # more are answered 413
    log: Path | None = None
    faults: deque[Fault] = field(default_factory=deque)
    events: list[dict[str, Any]] = field(default_factory=list)  # each counted once
    identifications: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 << 20)
        for path in PATHS:
            app.router.add_post(path, self._take_request)
        app.router.add_get("/api/2/usersearch", self._search)
        app.router.add_post("/faults", self._set_faults)
        app.router.add_get("/state", self._state)
        return app

    async def start(self, port: int = 0) -> web.AppRunner:
        self._ids = {_identity(event) for event in self.events if event.get("insert_id")}
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _take_request(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        fault = self.faults.popleft() if self.faults else None
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        endpoint = PATHS[request.path]
        body = _parse(endpoint, raw)
        if fault and fault.kind in ("status", "page"):
            return self._refuse_by(fault, request, endpoint, body, raw)
        status, answer = self._judge(endpoint, body, raw)
        self._see(status, request, endpoint, body, raw)
        if status == 200:
            self._keep(endpoint, body)
            answer = {"code": 200, "events_ingested": len(body["items"]), "payload_size_bytes": len(raw)}
        if fault and fault.kind in ("close", "half"):
            return await self._cut(request, fault.kind == "half")
        text = '{"code": 2' if fault and fault.kind == "wrong_json" else json.dumps(answer)
        return web.Response(status=status, text=text, content_type="application/json")

    def _refuse_by(
        self, fault: Fault, request: web.Request, endpoint: str, body: dict[str, Any], raw: bytes
    ) -> web.Response:
        is_page = fault.kind == "page"
        status = 200 if is_page else fault.status
        self._see(status, request, endpoint, body, raw)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        text = (
            "<!DOCTYPE html><p>Please log in" if is_page else json.dumps({"code": status, "error": "told to"})
        )
        return web.Response(status=status, headers=headers, text=text)

    async def _cut(self, request: web.Request, in_answer: bool) -> web.StreamResponse:
        assert request.transport is not None
        if in_answer:
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        request.transport.close()
        return web.Response()

    # ---- what Amplitude would say -----------------------------------------------------------------------

    def _judge(self, endpoint: str, body: dict[str, Any], raw: bytes) -> tuple[int, dict[str, Any]]:
        if not body:
            return 400, _error("Invalid JSON request body")
        if "api_key" not in body:
            return 400, _error("Request missing required field", missing_field="api_key")
        if body["api_key"] != self.api_key:
            return 400, _error(f"Invalid API key: {body['api_key']}")
        items = body["items"]
        if not items:
            return 400, _error("Request missing required field", missing_field="events")
        if len(raw) > MAX_BYTES[endpoint] or len(items) > self.max_events:
            return 413, _error("Payload too large", status=413)
        refusal = self._refuse(endpoint, items, body["options"] or {})
        if refusal:
            return 400, refusal
        throttling = self._throttle(items)
        if throttling:
            return 429, throttling
        if any(item.get("insert_id") in self.refuse_ids for item in items):
            return 400, _error("Something about an event")
        return 200, {}

    def _refuse(self, endpoint: str, items: list[Any], options: dict[str, Any]) -> dict[str, Any] | None:
        missing: dict[str, list[int]] = {}
        invalid: dict[str, list[int]] = {}
        short: dict[str, list[int]] = {}
        least = options.get("min_id_length", 0)
        for place, item in enumerate(items):
            for name in _find_missing(endpoint, item):
                missing.setdefault(name, []).append(place)
            for name in _find_invalid(item):
                invalid.setdefault(name, []).append(place)
            for name in ("user_id", "device_id"):
                if 0 < len(str(item.get(name) or "")) < least:
                    short.setdefault(name, []).append(place)
        if missing:
            return _error("Request missing required field", events_with_missing_fields=missing)
        if invalid:
            return _error("Invalid field values on some events", events_with_invalid_fields=invalid)
        if short:
            return _error("Invalid id length for user_id or device_id", events_with_invalid_id_lengths=short)
        silenced = sorted({item["device_id"] for item in items if item.get("device_id") in self.silenced})
        if silenced:
            places = [place for place, item in enumerate(items) if item.get("device_id") in silenced]
            return _error("Events silenced", silenced_devices=silenced, silenced_events=places)
        return None

    def _throttle(self, items: list[dict[str, Any]]) -> dict[str, Any] | None:
        def count(name: str, chosen: set[str]) -> dict[str, int]:
            found = [item[name] for item in items if item.get(name) in chosen]
            return {one: found.count(one) for one in found}

        devices, users = count("device_id", self.throttled), count("user_id", self.throttled_users)
        quota = count("device_id", self.over_quota)
        if not (devices or users or quota):
            return None
        held = set(devices) | set(quota)
        return _error(
            "Too many requests for some devices and users",
            status=429,
            eps_threshold=30,
            throttled_devices=devices,
            throttled_users=users,
            exceeded_daily_quota_devices=quota,
            exceeded_daily_quota_users={},
            throttled_events=[
                place
                for place, item in enumerate(items)
                if item.get("device_id") in held or item.get("user_id") in users
            ],
        )

    # ---- what is kept -----------------------------------------------------------------------------------

    def _see(
        self, status: int, request: web.Request, endpoint: str, body: dict[str, Any], raw: bytes
    ) -> None:
        self.requests.append(
            Seen(
                endpoint=endpoint,
                status=status,
                items=tuple(body.get("items", ())),
                options=body.get("options"),
                content_type=request.content_type,
                user_agent=request.headers.get("User-Agent", ""),
                body_bytes=len(raw),
            )
        )

    def _keep(self, endpoint: str, body: dict[str, Any]) -> None:
        for item in body["items"]:
            if endpoint not in ("httpapi", "batch"):
                self.identifications.append((endpoint, item))
                self._write({"endpoint": endpoint, **item})
                continue
            self.problems += list(find_problems(item))
            if item.get("insert_id"):
                if _identity(item) in self._ids:
                    self.duplicates += 1
                    continue
                self._ids.add(_identity(item))
            self.events.append(item)
            self._write(item)

    def _write(self, item: dict[str, Any]) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps(item) + "\n")

    async def _search(self, request: web.Request) -> web.Response:
        is_known = request.headers.get("Authorization", "").startswith("Basic ")
        return web.json_response({"matches": []}, status=200 if is_known else 401)

    async def _set_faults(self, request: web.Request) -> web.Response:
        self.faults.extend(Fault(**fault) for fault in await request.json())
        return web.json_response({"faults": len(self.faults)})

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "events": self.events,
                "identifications": self.identifications,
                "duplicates": self.duplicates,
                "problems": self.problems,
                "requests": [asdict(seen) for seen in self.requests],
            }
        )


def find_problems(event: dict[str, Any]) -> Iterator[str]:
    """What Amplitude takes and a person would not want: no session, a Replay ID of another device or session."""
    if "session_id" not in event:
        yield f"{event.get('insert_id')}: no session_id"
    replay = (event.get("event_properties") or {}).get("[Amplitude] Session Replay ID")
    if replay is not None and replay != f"{event.get('device_id')}/{event.get('session_id')}":
        yield f"{event.get('insert_id')}: Replay ID {replay!r} does not fit its device and session"
    operations = [name for name in event.get("user_properties") or {} if name.startswith("$")]
    if operations and len(operations) < len(event["user_properties"]):
        yield f"{event.get('insert_id')}: operations beside plain user properties"


def _identity(event: dict[str, Any]) -> tuple[str, str]:
    return str(event.get("device_id")), str(event.get("insert_id"))


def _error(text: str, *, status: int = 400, **more: Any) -> dict[str, Any]:
    return {"code": status, "error": text, **more}


def _find_missing(endpoint: str, item: Any) -> Iterator[str]:
    if endpoint in ("httpapi", "batch", "identify"):
        if not item.get("user_id") and not item.get("device_id"):
            yield "device_id"
        if endpoint != "identify" and not item.get("event_type"):
            yield "event_type"
    for name in {"groupidentify": ("group_type", "group_value"), "usermap": ("user_id",)}.get(endpoint, ()):
        if not item.get(name):
            yield name


def _find_invalid(item: Any) -> Iterator[str]:
    for name, kind in KINDS.items():
        value = item.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            yield name


def _parse(endpoint: str, raw: bytes) -> dict[str, Any]:
    """{"api_key", "items", "options"}; empty when it cannot be read."""
    try:
        if endpoint in ("httpapi", "batch"):
            body = json.loads(raw)
            items = body.get("events", [])
        else:
            body = dict(parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=True))
            items = json.loads(body["mapping" if endpoint == "usermap" else "identification"])
            if "options" in body:
                body["options"] = json.loads(body["options"])
    except (ValueError, KeyError, AttributeError):
        return {}
    body["items"] = items if isinstance(items, list) else [items]
    body.setdefault("options", None)
    return body


@contextmanager
def running(port: int = 0, **settings: Any) -> Iterator[AmplitudeServer]:
    """A server on a thread of its own."""
    with vendor_server.on_thread(AmplitudeServer(**settings), port) as server:
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description="An Amplitude-compatible server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, help="append each new event as a JSON line; read again at the start"
    )
    parser.add_argument("--api-key", default="test-api-key")
    options = parser.parse_args()
    server = AmplitudeServer(api_key=options.api_key, log=options.log)
    logged = vendor_server.read_log(options.log)
    server.events = [item for item in logged if "endpoint" not in item]
    vendor_server.serve(server, options.port)


if __name__ == "__main__":
    main()
