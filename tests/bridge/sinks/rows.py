"""Outbox rows for the sinks' tests, and a store's outbox that lives in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec
from pixeltrail_bridge.mapping.calls import Call, Origin, OutboxRow, Settled, build_call

NOW_MS = 1_767_323_045_678


def call(number: int, device_id: str = "kitchen-01", padding: int = 0) -> Call:
    """A track call; `padding` makes its JSON larger by so many bytes."""
    message_id = f"px-{device_id}-{number}"
    fields = {"event": f"Event {number}", "properties": {"pad": "x" * padding}}
    return build_call(Origin(device_id), "track", message_id, NOW_MS + number, fields, event="e")


def row(number: int, device_id: str = "kitchen-01", attempts: int = 0, padding: int = 0) -> OutboxRow:
    """The same as the store gives it out."""
    made = call(number, device_id, padding)
    payload = msgspec.json.encode(made.payload)
    return OutboxRow(number, device_id, made.message_id, "track", payload, attempts)


class MemoryOutbox:
    """The outbox's contract in memory: oldest first per device, and a device whose head waits gives nothing."""

    def __init__(self, rows: Iterable[OutboxRow] = ()) -> None:
        self.waiting = {one.id: one for one in rows}
        self.settled: dict[int, Settled] = {}
        self._leased_until: dict[int, int] = {}
        self._next_try: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, *rows: OutboxRow) -> None:
        with self._lock:
            self.waiting |= {one.id: one for one in rows}

    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]:
        with self._lock:
            blocked: set[str] = set()
            found = []
            for one in sorted(self.waiting.values(), key=lambda row: row.id):
                if max(self._leased_until.get(one.id, 0), self._next_try.get(one.id, 0)) > now_ms:
                    blocked.add(one.device_id)
                if one.device_id not in blocked and len(found) < limit:
                    found.append(one)
                    self._leased_until[one.id] = now_ms + lease_ms
            return found

    def settle(self, sink: str, results: Iterable[Settled], now_ms: int) -> None:
        with self._lock:
            for result in results:
                self._leased_until.pop(result.id, None)
                if result.state == "retry":
                    one = self.waiting[result.id]
                    self.waiting[result.id] = _retried(one)
                    self._next_try[result.id] = result.next_try_ms
                else:
                    del self.waiting[result.id]
                    self.settled[result.id] = result

    def release_leases(self, sink: str) -> None:
        self._leased_until.clear()
        self._next_try.clear()

    def pending(self, sink: str) -> int:
        return len(self.waiting)


def _retried(one: OutboxRow) -> OutboxRow:
    return OutboxRow(one.id, one.device_id, one.message_id, one.type, one.payload, one.attempts + 1)
