"""Sessions: search, one of them with what is known of its device, its timeline, and the star that keeps it.

GET    /api/sessions?device=&user=&event=&property=name:value&from=ms&to=ms&q=&starred=1&cursor=&limit=
GET    /api/sessions/DEVICE/SESSION
GET    /api/sessions/DEVICE/SESSION/timeline
PUT    /api/sessions/DEVICE/SESSION/star       DELETE: no longer
"""

from __future__ import annotations

import base64
import binascii
import gzip
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store import search
from ..store.database import SqlStore
from ..store.search import SessionFound, Wanted
from . import queries, timeline
from .answers import Json, Refused, answering, as_json, number, packed_json, session_of, share_of, text_of
from .pool import Pool
from .recordings import Recordings

MOST_SESSIONS: Final = 200
MOST_TIMELINES: Final = 16
# A session that nothing was heard of for as long as the default timeout is not live
OPEN_MS: Final = 30 * 60_000
_QUICK: Final = 1
_PROPERTY = ":"


class SessionRoutes:
    """`formats`: in which a session can be exported; `summaries`: events that are no sign of life."""

    def __init__(
        self,
        store: SqlStore,
        recordings: Recordings,
        pool: Pool,
        formats: Sequence[str] = (),
        summaries: str = "",
    ) -> None:
        self._store, self._recordings, self._pool = store, recordings, pool
        self._formats, self._summaries = formats, summaries
        self._timelines: OrderedDict[tuple[str, int], tuple[str, bytes]] = OrderedDict()
        self._clearings = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Something was forgotten. From any thread."""
        with self._lock:
            self._clearings += 1
            self._timelines.clear()

    def reads(self) -> list[Route]:
        """Those that a link to one session may use."""
        place = "/api/sessions/{device_id}/{session_id}"
        return [Route(place, self.one), Route(f"{place}/timeline", self.timeline)]

    def routes(self) -> list[Route]:
        star = "/api/sessions/{device_id}/{session_id}/star"
        return [
            Route("/api/sessions", self.search),
            *self.reads(),
            Route(star, self.star, methods=["PUT", "DELETE"]),
        ]

    @answering
    async def search(self, request: Request) -> Response:
        page = await self._pool.run(search.find_sessions, self._store, _wanted(request))
        return as_json(
            {
                "sessions": [describe(one) for one in page.sessions],
                "next": _cursor(page.next) if page.next else None,
                "is_complete": page.is_complete,
            }
        )

    @answering
    async def one(self, request: Request) -> Response:
        described = await self._pool.run(self.describe_one, *session_of(request))
        if share_of(request) is not None:
            described["user_id"] = None
        return as_json(described)

    @answering
    async def timeline(self, request: Request) -> Response:
        etag, packed = await self._pool.run(self._timeline, *session_of(request))
        return packed_json(request, packed, etag)

    @answering
    async def star(self, request: Request) -> Response:
        place, is_starred = session_of(request), request.method == "PUT"
        await self._pool.run(self._find, *place)
        await self._pool.run(search.set_star, self._store, *place, is_starred)
        return as_json({"starred": is_starred})

    def _find(self, device_id: str, session_id: int) -> SessionFound:
        found = search.find_session(self._store, device_id, session_id)
        if found is None:
            raise Refused(404, f"{device_id} has no session {session_id}; search lists those there are.")
        return found

    def describe_one(self, device_id: str, session_id: int) -> Json:
        """Blocks. Refused when there is no such session."""
        found = self._find(device_id, session_id)
        display = next(self._recordings.open(device_id, session_id).displays(), None)
        shown = (
            {"width": display.width, "height": display.height, "format": display.format.name}
            if display
            else None
        )
        return {
            **describe(found),
            "display": shown,
            "device": queries.device_of(self._store, device_id),
            "is_recorded": found.row.sampled,
            "is_estimated": found.row.estimated,
            "formats": list(self._formats),
        }

    def _timeline(self, device_id: str, session_id: int) -> tuple[str, bytes]:
        """ETag and gzipped JSON; made again only when something came."""
        place = (device_id, session_id)
        etag = timeline.signature(self._store, device_id, session_id)
        if etag is None:
            self._find(device_id, session_id)
        etag = f'"{etag}"'
        with self._lock:
            clearings, kept = self._clearings, self._timelines.get(place)
        if kept is None or kept[0] != etag:
            made = timeline.build(self._store, self._recordings.open(device_id, session_id), self._summaries)
            kept = (etag, gzip.compress(msgspec.json.encode(made), _QUICK))
        with self._lock:
            if clearings != self._clearings:
                return kept  # it may hold what was forgotten while it was read
            self._timelines[place] = kept
            self._timelines.move_to_end(place)
            if len(self._timelines) > MOST_TIMELINES:
                self._timelines.popitem(last=False)
        return kept


def describe(found: SessionFound) -> Json:
    """A row of a list. `end_ms` is null while the session runs."""
    row = found.row
    is_open = row.end_ms is None and time.time_ns() // 1_000_000 - row.last_ms < OPEN_MS
    end_ms = row.last_ms if row.end_ms is None else row.end_ms
    return {
        "device_id": row.device_id,
        "session_id": row.session_id,
        "start_ms": row.start_ms,
        "end_ms": None if is_open else end_ms,
        "is_open": is_open,
        "user_id": row.user_id,
        "duration_ms": max(0, end_ms - row.start_ms),
        "frames": found.frames,
        "events": found.events,
        "gaps": found.gaps,
        "starred": found.starred,
        "is_recorded": row.sampled,
    }


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    wanted_property: tuple[str, str] | None = None
    if text := text_of(query, "property"):
        name, _, value = text.partition(_PROPERTY)
        if not name:
            raise Refused(400, "property: expected name:value, or a name alone")
        wanted_property = (name, value)
    cursor = text_of(query, "cursor")
    limit = number(query, "limit", 50, MOST_SESSIONS)
    return Wanted(
        device_id=text_of(query, "device"),
        user_id=text_of(query, "user"),
        event=text_of(query, "event"),
        property=wanted_property,
        from_ms=number(query, "from", None),
        to_ms=number(query, "to", None),
        text=text_of(query, "q") or "",
        starred=query.get("starred") == "1",
        before=_place(cursor) if cursor else None,
        limit=max(1, limit or 1),
    )


def _cursor(place: tuple[int, str, int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, str, int]:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place: Any = msgspec.json.decode(data, type=tuple[int, str, int])
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        raise Refused(400, "cursor: expected what an answer gave as `next`") from None
    if not all(abs(one) < 1 << 62 for one in (place[0], place[2])) or "\0" in place[1]:
        raise Refused(400, "cursor: expected what an answer gave as `next`")
    found: tuple[int, str, int] = place
    return found
