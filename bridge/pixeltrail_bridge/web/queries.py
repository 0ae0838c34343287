"""What the page and the command line ask of the store, as JSON-able rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..sessions.ids import NO_SESSION
from ..sessions.state import DeviceState, StreamState
from ..store import overview
from ..store.base import DeadLetter, DeviceRow, EventRow
from ..store.clips import last_touches
from ..store.database import SqlStore
from ..store.figures import SILENT_MS
from .live import Hub

Json = dict[str, Any]
_COUNTERS = {  # of the store, and what the page calls them
    "frames": "frames",
    "keyframes": "keyframes",
    "mixed_frames": "mixed",
    "undecodable_frames": "decode_errors",
    "over_quota": "over_quota",
    "not_genuine": "not_genuine",
}
_SHOWN_RAW_BYTES = 2_048  # of a dead letter; the whole of it is in the store


class StoreQueries:
    """The page's Backend: reads in a thread, since the event loop never touches the database."""

    def __init__(self, store: SqlStore, hub: Hub, health: Callable[[], Awaitable[Json]]) -> None:
        self._store = store
        self._hub = hub
        self._health = health

    async def devices(self) -> list[Json]:
        await self.refresh()
        return self._hub.devices()

    async def refresh(self) -> None:
        """Bring the hub's facts up to date; with something forgotten meanwhile, once more."""
        is_whole = False
        while not is_whole:
            age = self._hub.age
            found = await asyncio.to_thread(device_facts, self._store)
            is_whole = all(self._hub.set_facts(facts.pop("device_id"), facts, age) for facts in found)

    async def events(self, device_id: str, after: int | None, limit: int) -> list[Json]:
        return await asyncio.to_thread(self._events, device_id, after, limit)

    async def dead_letters(self, device_id: str, limit: int) -> list[Json]:
        return await asyncio.to_thread(self._dead_letters, device_id, limit)

    async def health(self) -> Json:
        return await self._health()

    def _events(self, device_id: str, after: int | None, limit: int) -> list[Json]:
        if after is None:
            rows = overview.newest_events(self._store, device_id, limit)
        else:
            rows = self._store.events(device_id, after_id=after, limit=limit)
        return [describe_event(row) for row in rows]

    def _dead_letters(self, device_id: str, limit: int) -> list[Json]:
        letters = overview.newest_dead_letters(self._store, device_id, limit)
        return [_describe_letter(letter) for letter in letters]


def device_facts(store: SqlStore) -> list[Json]:
    """All devices, each with what was lost."""
    letters, gaps = overview.dead_letter_counts(store), overview.gap_counts(store)
    losses, waiting = overview.losses(store), overview.waiting_counts(store)
    touches, counters = last_touches(store), store.counters()
    now_ms = time.time_ns() // 1_000_000
    found = []
    for row in store.devices():
        own = row.device_id
        facts = describe_device(row, now_ms)
        facts["dead_letters"] = letters.get(own, 0)
        facts["gaps"] = gaps.get(own, 0)
        facts["dropped"] = dict(zip(("frames", "inputs", "calls"), losses.get(own, (0, 0, 0)), strict=True))
        facts["backlog"] = waiting.get(own, 0)
        facts["last_touch_ms"] = touches.get(own)
        counts = counters.get(own, {})
        facts |= {shown: counts[name] for name, shown in _COUNTERS.items() if name in counts}
        found.append(facts)
    return found


def device_of(store: SqlStore, device_id: str) -> Json | None:
    """One device as it stands now."""
    rows = [row for row in store.devices() if row.device_id == device_id]
    return describe_device(rows[0], time.time_ns() // 1_000_000) if rows else None


def describe_device(row: DeviceRow, now_ms: int) -> Json:
    device = msgspec.json.decode(row.state, type=DeviceState)
    stream = msgspec.json.decode(row.stream_state, type=StreamState) if row.stream_state else StreamState()
    hello, display = stream.hello, stream.display
    session_id = stream.session_id if stream.session_id != NO_SESSION else device.last_session_id
    return {
        "device_id": row.device_id,
        "name": device.name or "",
        "online": row.is_online and now_ms - row.last_seen_ms < SILENT_MS,
        "last_seen_ms": row.last_seen_ms,
        "sessions": row.sessions,
        "session_id": session_id or None,
        "recording": stream.is_recording,
        "opted_out": device.opted_out,
        "user_id": device.user_id or "",
        "board": hello.board if hello else "",
        "os": hello.os if hello else "",
        "app": hello.app if hello else "",
        "app_version": hello.app_version if hello else "",
        "library": hello.library if hello else "",
        "format": display.format.name if display else "",
        "display_width": display.width if display else 0,
        "display_height": display.height if display else 0,
        "vitals": dict(stream.vitals),
    }


def describe_event(row: EventRow) -> Json:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "device_id": row.device_id,
        "session_id": row.session_id,
        "type": row.type,
        "event": row.event,
        "time_ms": row.time_ms,
        "payload": row.payload.decode(),
        "deliveries": [msgspec.to_builtins(delivery) for delivery in row.deliveries],
    }


def _describe_letter(letter: DeadLetter) -> Json:
    more = len(letter.raw) - _SHOWN_RAW_BYTES
    content = letter.raw[:_SHOWN_RAW_BYTES].hex(" ") + (f" ... and {more} bytes" if more > 0 else "")
    return {
        "id": letter.id,
        "kind": letter.kind,
        "stream": letter.stream.hex() if letter.stream else None,
        "seq": letter.seq,
        "reason": letter.reason,
        "content": content,
        "time_ms": letter.last_ms,
        "count": letter.count,
    }
