"""A server that takes deletion requests as Segment's Public API and Amplitude's User Privacy API do.

It refuses what they refuse: a wrong key, a wrong type, a field of another kind. `regulations` and `deletions` are what
it took; `advance()` lets the vendors work. `faults` are answers that the next requests meet instead.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import vendor_server

TOKEN, API_KEY, SECRET_KEY = "segment-token-1", "amplitude-key-1", "amplitude-secret-1"
SEGMENT_TYPES = ("DELETE_ONLY", "SUPPRESS_WITH_DELETE", "SUPPRESS_ONLY", "DELETE_INTERNAL", "UNSUPPRESS")


@dataclass
class PrivacyServer:
    known_users: set[str] = field(default_factory=set)  # to Amplitude
    regulations: list[dict[str, Any]] = field(default_factory=list)
    deletions: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[int] = field(default_factory=deque)
    paths: list[str] = field(default_factory=list)
    status: str = "INITIALIZED"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def advance(self, status: str) -> None:
        self.status = status

    async def start(self, port: int = 0) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/regulations", self._regulate)
        app.router.add_post("/regulations/sources/{source}", self._regulate)
        app.router.add_get("/regulations/{number}", self._tell_regulation)
        app.router.add_post("/api/2/deletions/users", self._delete)
        app.router.add_get("/api/2/deletions/users", self._list_jobs)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.port = runner.addresses[0][1]
        return runner

    def _fault(self, request: web.Request, key: str) -> web.Response | None:
        self.paths.append(request.path)
        if self.faults:
            return web.json_response({"errors": [{"message": "later"}]}, status=self.faults.popleft())
        if request.headers.get("Authorization") != key:
            return web.json_response({"errors": [{"message": "unauthorized"}]}, status=401)
        return None

    async def _regulate(self, request: web.Request) -> web.Response:
        if fault := self._fault(request, f"Bearer {TOKEN}"):
            return fault
        body = json.loads(await request.text())
        is_right = (
            set(body) == {"regulationType", "subjectType", "subjectIds"}
            and body["regulationType"] in SEGMENT_TYPES
            and body["subjectType"] == "USER_ID"
            and isinstance(body["subjectIds"], list)
            and request.content_type == "application/vnd.segment.v1+json"
        )
        if not is_right:
            return web.json_response({"errors": [{"type": "validation"}]}, status=422)
        number = f"reg_{len(self.regulations)}"
        self.regulations.append({**body, "id": number, "source": request.match_info.get("source")})
        return web.json_response({"data": {"regulateId": number}})

    async def _tell_regulation(self, request: web.Request) -> web.Response:
        if fault := self._fault(request, f"Bearer {TOKEN}"):
            return fault
        number = request.match_info["number"]
        if not any(one["id"] == number for one in self.regulations):
            return web.json_response({"errors": [{"message": "not found"}]}, status=404)
        about = {"id": number, "workspaceId": "w1", "overallStatus": self.status, "streamStatus": []}
        return web.json_response({"data": {"regulation": about}})

    async def _delete(self, request: web.Request) -> web.Response:
        login = base64.b64encode(f"{API_KEY}:{SECRET_KEY}".encode()).decode()
        if fault := self._fault(request, f"Basic {login}"):
            return fault
        body = json.loads(await request.text())
        flags = ("ignore_invalid_id", "delete_from_org")
        if not isinstance(body.get("user_ids"), list) or not all(
            isinstance(body.get(f, ""), str) for f in flags
        ):
            return web.json_response({"error": "bad request"}, status=400)
        known = [one for one in body["user_ids"] if one in self.known_users]
        ids = [
            {"amplitude_id": 1_000 + len(self.deletions), "requester": body.get("requester")} for _ in known
        ]
        if known:
            self.deletions.append({**body, "amplitude_ids": ids})
        return web.json_response({"day": "2026-12-04", "status": "staging", "amplitude_ids": ids})

    async def _list_jobs(self, request: web.Request) -> web.Response:
        login = base64.b64encode(f"{API_KEY}:{SECRET_KEY}".encode()).decode()
        if fault := self._fault(request, f"Basic {login}"):
            return fault
        if not {"start_day", "end_day"} <= set(request.query):
            return web.json_response({"error": "start_day and end_day are required"}, status=400)
        status = {"INITIALIZED": "staging", "RUNNING": "submitted", "FINISHED": "done"}[self.status]
        ids = [one for job in self.deletions for one in job["amplitude_ids"]]
        return web.json_response([{"day": "2026-12-04", "status": status, "amplitude_ids": ids}])


@contextmanager
def running(**fields: Any) -> Iterator[PrivacyServer]:
    with vendor_server.on_thread(PrivacyServer(**fields)) as server:
        yield server
