"""Segment's Tracking API, as its libraries use it: an app sends its events here instead of to Segment.

    POST /v1/batch, /v1/b                                       many events
    POST /v1/track, screen, page, identify, group, alias        one; also by first letter, /v1/t ...
    GET  /v1/projects/KEY/settings, /projects/KEY/settings      what the mobile and browser libraries load first
    POST /v1/m                                                  libraries' own metrics: taken and forgotten
    GET  /livez

200 says that every event of the post is on disk, was known already, or is a dead letter that a person can see.
"""

from __future__ import annotations

import hmac
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..sinks.base import host_clock
from .body import MAX_BODY_BYTES, MAX_EVENT_BYTES, TYPES, BodyError, Post, parse_batch, parse_call, unpack
from .desk import Busy, Desk
from .extract import DESTINATION
from .intake import Received

_RETRY_S: Final = "5"
_MOST_CLIENTS: Final = 10_000  # addresses whose rate is kept


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`origins`: which sites' pages may post; "*" is every one. `public_url` is where the libraries reach us."""

    write_keys: tuple[str, ...] = field(repr=False)
    origins: tuple[str, ...] = ("*",)
    max_events_per_s: float = 200.0  # of one address; a burst of ten seconds' worth passes
    proxies: int = 0  # how many of ours add to X-Forwarded-For
    public_url: str = ""


class Rates:
    """A bucket for each address, the least used forgotten first."""

    def __init__(self, per_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._most, self._now_s = per_s, per_s * 10, now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, events: int) -> float:
        """0 and the events are taken from the bucket, or how long to wait."""
        now_s = self._now_s()
        level, at_s = self._buckets.pop(address, (self._most, now_s))
        level = min(self._most, level + (now_s - at_s) * self._per_s)
        needed = min(float(events), self._most)
        waits = 0.0 if level >= needed else (needed - level) / self._per_s
        self._buckets[address] = (level if waits else level - needed, now_s)
        while len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return waits


def build(desk: Desk, settings: ApiSettings, now_ms: Callable[[], int] = host_clock) -> Starlette:
    api = _Api(desk, settings, now_ms)
    routes = [
        Route("/livez", api.livez),
        Route("/v1/projects/{key}/settings", api.settings),
        Route("/projects/{key}/settings", api.settings),
        Route("/v1/m", api.metrics, methods=["POST", "OPTIONS"]),
        Route("/v1/batch", api.batch, methods=["POST", "OPTIONS"]),
        Route("/v1/b", api.batch, methods=["POST", "OPTIONS"]),
        Route("/v1/{kind}", api.call, methods=["POST", "OPTIONS"]),
    ]
    return Starlette(routes=routes)


class _Api:
    def __init__(self, desk: Desk, settings: ApiSettings, now_ms: Callable[[], int]) -> None:
        self._desk, self._settings, self._now_ms = desk, settings, now_ms
        self._rates = Rates(settings.max_events_per_s)

    async def livez(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def settings(self, request: Request) -> Response:
        """What Segment's settings service answers, with no destination of the app's own: we serve them all."""
        key = request.path_params["key"]
        if not self._is_ours(key):
            return self._say(request, 404, "no such write key")
        host = self._settings.public_url or str(request.base_url)
        _, _, address = host.rstrip("/").partition("://")
        segment = {"apiKey": key, "apiHost": f"{address}/v1", "protocol": host.partition(":")[0]}
        # React Native's session plugin wakes where the destination is listed: only where sessions are its to keep.
        plugin: dict[str, Any] = {} if self._desk.intake.settings.enrich.track_sessions else {DESTINATION: {}}
        content = {
            "integrations": {"Segment.io": segment, **plugin},
            "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
            "edgeFunction": {},
            "analyticsNextEnabled": True,
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0},
            "legacyVideoPluginsEnabled": False,
            "remotePlugins": [],
        }
        return JSONResponse(content, headers=self._cors(request))

    async def metrics(self, request: Request) -> Response:
        return self._say(request, 200)

    async def batch(self, request: Request) -> Response:
        return await self._take(request, lambda body, key, now: parse_batch(body, key, now))

    async def call(self, request: Request) -> Response:
        kind = TYPES.get(request.path_params["kind"])
        if kind is None:
            return self._say(request, 404, "no such call")
        return await self._take(request, lambda body, key, now: parse_call(body, kind, key, now))

    async def _take(self, request: Request, parse: Callable[[bytes, str | None, int], Post]) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=self._cors(request))
        now_ms, headers = self._now_ms(), request.headers
        try:
            raw = await _read(request)
            post = parse(unpack(raw, headers.get("content-encoding")), headers.get("authorization"), now_ms)
            if not self._is_ours(post.write_key):
                raise BodyError(401, "the write key is not one of mobile.write_key_file")
            address = self._address(request)
            wait_s = self._rates.wait_s(address, len(post.events) + len(post.too_large))
            if wait_s:
                return self._say(request, 429, "too many events", str(math.ceil(wait_s)))
            await self._desk.take(self._received(post, now_ms, address, headers.get("user-agent", "")))
        except BodyError as error:
            return self._say(request, error.status, str(error))
        except Busy as error:
            return self._say(request, 503, str(error), _RETRY_S)
        except ClientDisconnect:
            return Response(status_code=400)
        return self._say(request, 200)

    def _received(self, post: Post, now_ms: int, address: str, agent: str) -> Sequence[Received]:
        found = [Received(event, now_ms, post.skew_ms, address, agent[:500]) for event in post.events]
        for raw in post.too_large:
            fault = f"the event has {len(raw):,} bytes and {MAX_EVENT_BYTES:,} is the most; send less of it"
            begins = {"begins": raw[:1000].decode("utf-8", "replace")}
            found.append(Received(begins, now_ms, fault=fault))
        return found

    def _is_ours(self, key: str) -> bool:
        given = key.encode("utf-8", "replace")
        matches = [hmac.compare_digest(given, one.encode()) for one in self._settings.write_keys]
        return any(matches)

    def _address(self, request: Request) -> str:
        """The app's address; behind proxies of ours what the outermost of them wrote down."""
        client = request.client.host if request.client else ""
        forwarded = [
            part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()
        ]
        count = self._settings.proxies
        return forwarded[-count] if count and len(forwarded) >= count else client

    def _cors(self, request: Request) -> dict[str, str]:
        origin, allowed = request.headers.get("origin"), self._settings.origins
        if not origin or not ("*" in allowed or origin in allowed):
            return {}
        return {
            "access-control-allow-origin": "*" if "*" in allowed else origin,
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": "Authorization, Content-Type, Content-Encoding, X-Retry-Count",
            "access-control-max-age": "86400",
            "vary": "Origin",
        }

    def _say(self, request: Request, status: int, problem: str = "", retry_after: str = "") -> Response:
        content: dict[str, Any] = (
            {"success": True} if status == 200 else {"success": False, "message": problem}
        )
        headers = self._cors(request) | ({"retry-after": retry_after} if retry_after else {})
        return Response(json.dumps(content), status, headers, "application/json")


async def _read(request: Request) -> bytes:
    """The body, no further than it may be large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyError(400, f"the post has more than {MAX_BODY_BYTES:,} bytes; send smaller batches")
        parts.append(part)
    return b"".join(parts)
