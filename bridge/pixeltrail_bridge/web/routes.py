"""The page's addresses: static files, the JSON API, and the WebSocket with the live pictures.

    /                              the page
    /static/...                    its files
    /sessions/DEVICE/SESSION       where the links in events lead: the player
    /api/devices                   all devices, newest state
    /api/devices/ID/events         events with their deliveries; ?after=ID&limit=N (oldest first), or the newest N
    /api/devices/ID/dead-letters   what was given up on, with the reason
    /api/health                    the bridge's state; 503 when it is not well
    /livez, /readyz                for a supervisor: the process answers; it can do its work
    /live                          WebSocket, see live.py; ?device=ID for one device

sessions.py, pixels.py, inspector.py and shares.py say what is behind /api/sessions, /api/events, /api/dead-letters,
/s and /embed; viewing.py puts them together. login.py and access.py say who may ask.

On the WebSocket the page says {"painted": N}, N counting the messages with pixels it has painted; everything else it
says is ignored. The bridge sends pixels as binary messages and the rest as JSON.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from .attempts import network_of
from .guard import Guard
from .live import Hub, Viewer
from .places import Full

Json = dict[str, Any]
MOST_EVENTS = 500
_TICK_S = 1.0  # how often rates and counts are looked at when no picture comes
_TRY_AGAIN_LATER = 1013
_STATIC = resources.files(__package__) / "static"


class Backend(Protocol):
    """What the page asks of the bridge. Awaited on the event loop; never blocks it."""

    async def devices(self) -> list[Json]: ...

    async def events(self, device_id: str, after: int | None, limit: int) -> list[Json]: ...

    async def dead_letters(self, device_id: str, limit: int) -> list[Json]: ...

    async def health(self) -> Json:
        """With `ok`: the bridge can do its work."""


def build(
    hub: Hub,
    backend: Backend,
    names: frozenset[str],
    more: Sequence[BaseRoute] = (),
    within: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> Guard:
    """The whole application. `names` are the host names it answers to, `more` the addresses of recorded sessions.

    `within` is put between the guard and the addresses: it asks who is there.
    """
    pages = _Pages(hub, backend)
    routes = [
        Route("/", pages.index),
        Route("/sessions/{device_id}/{session_id}", pages.index),
        Route("/api/devices", pages.devices),
        Route("/api/devices/{device_id}/events", pages.events),
        Route("/api/devices/{device_id}/dead-letters", pages.dead_letters),
        *_Health(hub, backend.health).routes(),
        WebSocketRoute("/live", pages.live),
        *more,
        Route("/api/me", pages.me),  # where login.py has none
        Mount("/static", StaticFiles(directory=str(_STATIC))),
    ]
    return Guard(within(Starlette(routes=routes)), names)


def build_for_programs(
    hub: Hub,
    health: Callable[[], Awaitable[Json]],
    names: frozenset[str],
    more: Sequence[BaseRoute],
    within: Callable[[ASGIApp], ASGIApp],
) -> Guard:
    """Without the page: whether the bridge is well, and `more`."""
    asked = _Health(hub, health)
    return Guard(within(Starlette(routes=[*asked.routes(), *more])), names)


def build_for_supervisors(health: Callable[[], Awaitable[Json]], names: frozenset[str]) -> Guard:
    """Nothing that is worth a login."""
    return Guard(Starlette(routes=_Health(Hub(), health).bare_routes()), names)


class _Health:
    def __init__(self, hub: Hub, health: Callable[[], Awaitable[Json]]) -> None:
        self._hub, self._health = hub, health

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/health", self.health), *self.bare_routes()]

    def bare_routes(self) -> list[BaseRoute]:
        return [Route("/livez", self.livez), Route("/readyz", self.readyz)]

    async def health(self, request: Request) -> Response:
        health = await self._health()
        return _json({**health, "viewers": self._hub.viewers}, 200 if health["ok"] else 503)

    async def livez(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        health = await self._health()
        return PlainTextResponse("ok\n") if health["ok"] else PlainTextResponse("not ready\n", 503)


class _Pages:
    def __init__(self, hub: Hub, backend: Backend) -> None:
        self._hub = hub
        self._backend = backend

    async def index(self, request: Request) -> Response:
        return FileResponse(str(_STATIC / "index.html"), headers={"cache-control": "no-cache"})

    async def devices(self, request: Request) -> Response:
        return _json({"devices": await self._backend.devices()})

    async def events(self, request: Request) -> Response:
        try:
            after = _number(request.query_params, "after", None, 2**62)
            limit = _number(request.query_params, "limit", 100, MOST_EVENTS) or 1
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        events = await self._backend.events(request.path_params["device_id"], after, limit)
        return _json({"events": events})

    async def dead_letters(self, request: Request) -> Response:
        letters = await self._backend.dead_letters(request.path_params["device_id"], MOST_EVENTS)
        return _json({"dead_letters": letters})

    async def me(self, request: Request) -> Response:
        return _json({"user": "", "role": "admin", "csrf": "1", "login": False})

    async def live(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            with self._hub.places.take(_whose(socket)):
                await self._show(socket)
        except Full as error:
            await socket.close(_TRY_AGAIN_LATER, str(error))

    async def _show(self, socket: WebSocket) -> None:
        viewer = Viewer(self._hub, asyncio.get_running_loop(), socket.query_params.get("device"))
        self._hub.attach(viewer)
        try:
            await _until_first_ends(_send(socket, viewer), _listen(socket, viewer))
        finally:
            self._hub.detach(viewer)


def _whose(socket: WebSocket) -> str:
    """Whose place a live view takes: a person's, whatever number of logins they have, or an address's."""
    person = getattr(socket.state, "person", None)
    if person is not None and person.name:
        return f"user {person.name}"
    return network_of(socket.client.host if socket.client is not None else "")


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    while True:
        viewer.wake.clear()
        for item in viewer.news():
            await socket.send_text(json.dumps(item, separators=(",", ":")))
        while (message := viewer.next_picture()) is not None:
            await socket.send_bytes(message)
        with suppress(TimeoutError):
            await asyncio.wait_for(viewer.wake.wait(), _TICK_S)


async def _listen(socket: WebSocket, viewer: Viewer) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if (painted := painted_of(message.get("text") or "")) is not None:
            viewer.confirm(painted)


def painted_of(text: str) -> int | None:
    """The number of the picture that a viewer says it has painted; None when it says something else."""
    try:
        return int(json.loads(text)["painted"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


async def _until_first_ends(*jobs: Awaitable[None]) -> None:
    """Run all until one ends; end the others. A viewer that left is no fault."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect | OSError):
                raise outcome


def _json(content: Json, status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, {"cache-control": "no-store"})


def _number(query: Mapping[str, str], name: str, default: int | None, highest: int) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > highest:
        raise ValueError(f"{name}={text[:40]}: expected a whole number from 0 to {highest}")
    return int(text)
