"""A sink against a server on this machine, and events for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from pixeltrail_bridge.mapping.calls import OutboxRow, Settled
from pixeltrail_bridge.sinks.amplitude import AmplitudeSettings, AmplitudeSink

from tests.bridge.sinks.rows import NOW_MS
from tests.support.amplitude_server import AmplitudeServer

from .generate import base, put

KEY = "test-api-key"


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def row(number: int, device_id: str = "kitchen-01", kind: str = "track", **changes: Any) -> OutboxRow:
    """An event; `changes` are paths, dots written as double underscores."""
    event = put(base(kind, messageId=f"px-{device_id}-{number}"), "context.device.id", device_id)
    event["anonymousId"] = device_id
    if kind == "track":
        event["event"] = f"Event {number}"
    for path, value in changes.items():
        event = put(event, path.replace("__", "."), value)
    return OutboxRow(number, device_id, event["messageId"], kind, msgspec.json.encode(event), 0)


def run(
    rows: Sequence[OutboxRow],
    *,
    server: AmplitudeServer | None = None,
    rounds: int = 1,
    clock: Clock | None = None,
    **settings: Any,
) -> tuple[list[list[Settled]], AmplitudeSink, AmplitudeServer]:
    """Deliver `rows`, and then `rounds - 1` times what is to be tried again, each time when its moment has come."""
    server, clock = server or AmplitudeServer(), clock or Clock()

    async def work() -> tuple[list[list[Settled]], AmplitudeSink]:
        runner = await server.start()
        options = {"api_key": KEY, "host": server.url, **settings}
        sink = AmplitudeSink(AmplitudeSettings(**options), now_ms=clock, jitter=lambda: 0.0)
        waiting, history = list(rows), []
        try:
            for _ in range(rounds):
                results = await sink.deliver(waiting)
                assert sorted(one.id for one in results) == sorted(one.id for one in waiting)
                history.append(results)
                again = {one.id: one.next_try_ms for one in results if one.state == "retry"}
                waiting = [replace(one, attempts=one.attempts + 1) for one in waiting if one.id in again]
                clock.now_ms = max([clock.now_ms, *again.values()])
                if not waiting:
                    break
        finally:
            await sink.close()
            await runner.cleanup()
        return history, sink

    history, sink = asyncio.run(work())
    return history, sink, server


def outcome(results: Sequence[Settled]) -> dict[int, str]:
    return {one.id: one.state for one in results}


def names(server: AmplitudeServer, device_id: str | None = None) -> list[str]:
    return [
        event["event_type"] for event in server.events if device_id is None or event["device_id"] == device_id
    ]
