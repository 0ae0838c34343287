"""The inspector: every event with the exact payload, what each sink answered, and another try; and the dead letters.

GET  /api/sessions/DEVICE/SESSION/events?after=ID&limit=N     oldest first, without payloads
GET  /api/events/ID                                           with the exact JSON that was sent
POST /api/events/ID/retry {sink}                              refused: waits again; waiting: goes at once
GET  /api/dead-letters?device=&limit=                         of devices (m7) and of sinks (e7, p7), newest first
POST /api/dead-letters/retry {ids}                            as `pixeltrail dlq retry`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store import overview, pieces, search
from ..store.base import DeadLetter, DeliveryRow, EventRow
from ..store.database import SqlStore
from .answers import Json, Refused, answering, as_json, body_of, number, session_of, share_of, text_of
from .pool import Pool

log = structlog.get_logger(__name__)
MOST_EVENTS: Final = 1_000
MOST_LETTERS: Final = 500
_SHOWN_RAW_BYTES: Final = 2_048
_KEPT_OF_A_SHARED_CALL: Final = ("type", "event", "name", "properties")


class Retried(Protocol):
    """What became of a letter that was read again: `fault` says why it stays one."""

    @property
    def letter(self) -> DeadLetter: ...
    @property
    def fault(self) -> str | None: ...
    @property
    def calls(self) -> int: ...


class Shown(Protocol):
    """A request that a sink makes of an event."""

    @property
    def url(self) -> str: ...
    @property
    def body(self) -> str: ...


RetryLetters = Callable[[Sequence[DeadLetter]], Sequence[Retried]]
Shows = Mapping[str, Callable[[bytes], Sequence[Shown]]]
"""By sink, what it makes of an event's payload; sinks that send the payload as it is are not in it."""


class _Retry(msgspec.Struct):
    sink: str


class _RetryMany(msgspec.Struct):
    ids: list[str]


class InspectRoutes:
    """`retry_letters` reads messages again; `wake` tells the delivery that there is something to do."""

    def __init__(
        self,
        store: SqlStore,
        pool: Pool,
        retry_letters: RetryLetters,
        wake: Callable[[], None],
        shows: Shows,
    ) -> None:
        self._store, self._pool, self._retry_letters, self._wake = store, pool, retry_letters, wake
        self._shows = shows

    def reads(self) -> list[Route]:
        """Those that a link to one session may use."""
        return [
            Route("/api/sessions/{device_id}/{session_id}/events", self.events),
            Route("/api/events/{event_id}", self.event),
        ]

    def routes(self) -> list[Route]:
        return [
            *self.reads(),
            Route("/api/events/{event_id}/retry", self.retry, methods=["POST"]),
            Route("/api/dead-letters", self.letters),
            Route("/api/dead-letters/retry", self.retry_many, methods=["POST"]),
        ]

    @answering
    async def events(self, request: Request) -> Response:
        device_id, session_id = session_of(request)
        after = number(request.query_params, "after", 0) or 0
        limit = max(1, number(request.query_params, "limit", 200, MOST_EVENTS) or 1)
        start_ms, rows = await self._pool.run(self._events, device_id, session_id, after, limit)
        describe = _describe if share_of(request) is None else _describe_shared
        return as_json({"events": [describe(row, start_ms) for row in rows]})

    @answering
    async def event(self, request: Request) -> Response:
        row, share = await self._pool.run(self._event, _event_id(request)), share_of(request)
        start_ms = await self._pool.run(self._start_of, row.device_id, row.session_id)
        if share is not None:
            if (row.device_id, row.session_id) != (share.device_id, share.session_id):
                raise Refused(403, "This link is for another session.")
            return as_json(_describe_shared(row, start_ms))
        told = _describe(row, start_ms)
        for delivery in told["deliveries"]:
            own = next((one.payload for one in row.deliveries if one.sink == delivery["sink"]), None)
            if own is not None:
                delivery["payload"] = own
            if delivery["sink"] in self._shows:
                sent = row.payload if own is None else own.encode()
                delivery["requests"] = await self._pool.run(self._requests, delivery["sink"], sent)
        return as_json({**told, "payload": row.payload.decode(errors="replace")})

    @answering
    async def retry(self, request: Request) -> Response:
        event_id = _event_id(request)
        wanted: _Retry = await body_of(request, _Retry)
        row = await self._pool.run(self._event, event_id)
        states = {one.sink: one.state for one in row.deliveries}
        if wanted.sink not in states:
            known = ", ".join(states) or "none"
            raise Refused(404, f"Event {event_id} has no delivery to that sink; it has: {known}.")
        if states[wanted.sink] == "sent":
            raise Refused(409, f"Event {event_id} was delivered already; nothing was done.")
        await self._pool.run(self._send_again, wanted.sink, event_id)
        self._wake()
        return as_json({"queued": 1})

    @answering
    async def letters(self, request: Request) -> Response:
        limit = max(1, number(request.query_params, "limit", 200, MOST_LETTERS) or 1)
        device_id = text_of(request.query_params, "device")
        found = await self._pool.run(self._letters, device_id, limit)
        return as_json({"dead_letters": found})

    @answering
    async def retry_many(self, request: Request) -> Response:
        wanted: _RetryMany = await body_of(request, _RetryMany)
        if not wanted.ids or len(wanted.ids) > MOST_LETTERS:
            raise Refused(400, f"ids: expected 1 to {MOST_LETTERS} of them, as the list gives them")
        numbers = [_letter_id(one) for one in wanted.ids]
        result = await self._pool.run(self._retry_found, numbers)
        self._wake()
        return as_json(result)

    def _events(
        self, device_id: str, session_id: int, after: int, limit: int
    ) -> tuple[int | None, list[EventRow]]:
        return self._start_of(device_id, session_id), self._store.events(device_id, session_id, after, limit)

    def _event(self, event_id: int) -> EventRow:
        row = search.event(self._store, event_id)
        if row is None:
            raise Refused(404, f"There is no event {event_id}.")
        return row

    def _requests(self, sink: str, payload: bytes) -> list[Json]:
        try:
            shown = self._shows[sink](payload)
        except Exception:  # noqa: BLE001 what cannot be shown costs the reader this list alone
            log.exception("what a sink makes of an event could not be shown", sink=sink)
            return []
        return [{"url": one.url, "body": one.body} for one in shown]

    def _start_of(self, device_id: str, session_id: int) -> int | None:
        row = self._store.session(device_id, session_id)
        return row.start_ms if row else None

    def _send_again(self, sink: str, event_id: int) -> None:
        self._store.requeue_dead(sink, [event_id])
        hurry = "UPDATE deliveries SET next_try_ms = 0 WHERE sink = ? AND event = ? AND state = 'waiting'"
        self._store.commit_batch(lambda tx: tx.db.execute(hurry, (sink, event_id)))

    def _letters(self, device_id: str | None, limit: int) -> list[Json]:
        messages = overview.find_letters(self._store, device_id, limit=limit)
        events = overview.find_dead_deliveries(self._store, device_id, limit=limit)
        found = [_describe_letter(f"m{one.id}", one, None) for one in messages]
        for one in events:
            row = search.event(self._store, one.id)
            found.append(_describe_letter(f"e{one.id}", one, row))
        found += [_describe_piece(one) for one in pieces.dead(self._store, device_id, limit=limit)]
        return sorted(found, key=lambda one: -int(one["time_ms"] or 0))[:limit]

    def _retry_found(self, numbers: Sequence[tuple[str, int]]) -> Json:
        wanted: dict[str, list[int]] = {"m": [], "e": [], "p": []}
        for kind, one in dict.fromkeys(numbers):
            wanted[kind].append(one)
        letters = overview.letters_by_id(self._store, wanted["m"])
        by_sink = overview.dead_deliveries_of(self._store, wanted["e"])
        queued = sum(self._store.requeue_dead(sink, ids) for sink, ids in by_sink.items())
        queued += pieces.requeue(self._store, wanted["p"])
        results = self._retry_letters(letters) if letters else []
        return {
            "queued": queued,
            "read": sum(one.fault is None for one in results),
            "events": sum(one.calls for one in results),
            "still_dead": [
                {"id": f"m{one.letter.id}", "reason": one.fault} for one in results if one.fault is not None
            ],
        }


def _event_id(request: Request) -> int:
    text = request.path_params["event_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(404, "There is no such event: its ID is a whole number.")
    return int(text)


def _letter_id(text: str) -> tuple[str, int]:
    if text[:1] not in ("m", "e", "p") or not text[1:].isascii() or not text[1:].isdigit() or len(text) > 19:
        raise Refused(400, f"ids: {text[:40]!r} is none; expected m7, e7 or p7, as the list gives them")
    return text[0], int(text[1:])


def _describe(row: EventRow, start_ms: int | None) -> Json:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "device_id": row.device_id,
        "session_id": row.session_id,
        "type": row.type,
        "event": row.event,
        "time_ms": row.time_ms,
        "at_ms": max(0, row.time_ms - start_ms) if start_ms is not None else None,
        "deliveries": [_told_of(one) for one in row.deliveries],
    }


def _told_of(one: DeliveryRow) -> Json:
    """Without the sink's own payload, if it has one: lists are long."""
    told: Json = msgspec.to_builtins(one)
    del told["payload"]
    return told


def _describe_shared(row: EventRow, start_ms: int | None) -> Json:
    """Without what tells who the user is, and how events are delivered."""
    told = _describe(row, start_ms)
    is_named = row.type in ("track", "screen", "page")
    return {
        **{key: told[key] for key in ("id", "device_id", "session_id", "type", "time_ms", "at_ms")},
        "event": row.event if is_named else "",
        "deliveries": [],
        "payload": _shared_payload(row) if is_named else "{}",
    }


def _shared_payload(row: EventRow) -> str:
    try:
        call: Any = msgspec.json.decode(row.payload)
    except msgspec.DecodeError:
        return "{}"
    kept = {key: call[key] for key in _KEPT_OF_A_SHARED_CALL if key in call} if isinstance(call, dict) else {}
    return msgspec.json.encode(kept).decode()


def _describe_letter(name: str, one: DeadLetter, row: EventRow | None) -> Json:
    more = len(one.raw) - _SHOWN_RAW_BYTES
    content = one.raw[:_SHOWN_RAW_BYTES].hex(" ") + (f" ... and {more} bytes" if more > 0 else "")
    return {
        "id": name,
        "device_id": one.device_id,
        "kind": one.kind,
        "reason": one.reason,
        "content": "" if row else content,
        "payload": row.payload.decode(errors="replace") if row else None,
        "event": row.event if row else None,
        "event_id": row.id if row else None,
        "session_id": row.session_id if row and row.session_id > 0 else None,
        "stream": one.stream.hex() if one.stream else None,
        "seq": one.seq,
        "time_ms": one.last_ms,
        "count": one.count,
    }


def _describe_piece(one: DeadLetter) -> Json:
    """A stretch of a recording that a replay sink refused."""
    about = msgspec.json.decode(one.raw)
    shown = {"event": f"Part {about['piece'] + 1} of a recording", "session_id": about["session_id"]}
    return _describe_letter(f"p{one.id}", one, None) | shown | {"content": "", "payload": one.raw.decode()}
