"""A web server over a hub that a test feeds, in a thread of its own, and a backend that answers from memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixeltrail_bridge.web import guard, routes
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.server import WebServer
from starlette.routing import BaseRoute

LOOPBACK = "127.0.0.1"


@dataclass
class MemoryBackend:
    hub: Hub
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    letters: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    is_well: bool = True

    async def devices(self) -> list[dict[str, Any]]:
        return self.hub.devices()

    async def events(self, device_id: str, after: int | None, limit: int) -> list[dict[str, Any]]:
        events = self.lists.get(device_id, [])
        if after is None:
            return events[-limit:]
        return [event for event in events if event["id"] > after][:limit]

    async def dead_letters(self, device_id: str, limit: int) -> list[dict[str, Any]]:
        return self.letters.get(device_id, [])[-limit:]

    async def health(self) -> dict[str, Any]:
        return {"ok": self.is_well}


def event(number: int, name: str, state: str = "sent", **payload: Any) -> dict[str, Any]:
    status = {"sent": 200, "dead": 400, "waiting": 503}.get(state)
    delivery = {
        "sink": "segment",
        "state": state,
        "status": status,
        "answer": "",
        "attempts": int(status is not None),
        "settled_ms": 1_760_000_000_000 if state != "waiting" else None,
    }
    return {
        "id": number,
        "type": "track",
        "event": name,
        "message_id": f"m{number}",
        "session_id": 1_760_000_000_000,
        "time_ms": 1_760_000_000_000 + number * 1000,
        "payload": json.dumps({"type": "track", "event": name, **payload}),
        "deliveries": [delivery],
    }


def paint(hub: Hub, device_id: str, picture: NDArray[np.uint8], *areas: tuple[int, int, int, int]) -> None:
    """Show an (rows, columns, RGBA) picture as the projector does, all of it when no area is named."""
    height, width = picture.shape[:2]
    hub.show(
        device_id,
        width,
        height,
        areas or [(0, 0, width, height)],
        lambda x, y, w, h: picture[y : y + h, x : x + w].tobytes(),
        is_keyframe=not areas,
    )


def noise(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    picture[:, :, 3] = 255
    return picture


@contextlib.contextmanager
def serve(backend: MemoryBackend, port: int = 0, more: Sequence[BaseRoute] = ()) -> Iterator[int]:
    """Serve until the block ends; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    names = guard.allowed_names(LOOPBACK, "", [])
    server = WebServer(routes.build(backend.hub, backend, names, more), LOOPBACK, port)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
    try:
        yield server.port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
