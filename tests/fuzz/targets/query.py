"""What a browser tells the page, by the first byte a query, body, path, cursor or picture: refused, or fit to use."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

from pixeltrail_bridge.web import answers, exports, inspector, sessions, shares
from pixeltrail_bridge.web.routes import painted_of
from pixeltrail_bridge.web.rules import look_at, role_for
from starlette.requests import Request

MAX_BYTES = 8_000
MODULES = (
    *(f"pixeltrail_bridge.web.answers:{name}" for name in ("number", "text_of", "body_of")),
    *(f"pixeltrail_bridge.web.sessions:{name}" for name in ("_wanted", "_place")),
    "pixeltrail_bridge.web.routes:painted_of",
    "pixeltrail_bridge.web.rules",
)
BODIES: tuple[Any, ...] = (exports._Wanted, shares._Make, inspector._Retry, inspector._RetryMany)
_QUERY, _BODY, _PATH, _CURSOR, _PAINTED = 0, 1, 2, 3, 4
_TEXT = ("device_id", "user_id", "event", "text")


def seeds() -> Iterator[bytes]:
    cursor = sessions._cursor((1767323045000, "kettle-1", 5)).encode()
    for query in (
        b"device=kettle-1&user=ada&event=Brewed&property=a%3A1&from=1&to=99999&q=hot&starred=1&limit=20",
        b"cursor=" + cursor,
        b"property=" + sessions._PROPERTY.encode() + b"&limit=0&after=7",
        b"q=%00%ff%u1234&from=%C2%B2&limit=99999999999999999999",
        b"device=" + b"a" * 300,
    ):
        yield bytes((_QUERY,)) + query
    for body in (
        b'{"format":"gif","options":{"speed":2}}',
        b'{"ids":[1,2,3]}',
        b'{"device":"kettle-1","kind":"record"}',
        b'{"days":7,"note":"x"}',
        b'{"unknown":' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"unknown":' + b"[" * 7_000,
    ):
        yield bytes((_BODY, len(body) & 3)) + body
    yield bytes((_CURSOR,)) + b'[1767323045000,"kettle-1",5]'
    yield bytes((_PAINTED,)) + b'{"painted":17}'
    for path in (
        b"/api/sessions/kettle-1/5/events",
        b"/api/devices/kettle-1",
        b"/s/x/api/session",
        b"/api/audit",
    ):
        yield bytes((_PATH,)) + path


def one(data: bytes) -> None:
    what, rest = data[:1], data[1:]
    if what == bytes((_BODY,)):
        _ask_with_body(rest)
    elif what == bytes((_PATH,)):
        _look(rest)
    elif what == bytes((_PAINTED,)):
        painted = painted_of(rest.decode("utf-8", "replace"))
        assert painted is None or isinstance(painted, int)
    elif what == bytes((_CURSOR,)):
        _ask(b"cursor=" + base64.urlsafe_b64encode(rest))
    else:
        _ask(rest)


def _request(query: bytes, parts: list[bytes]) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": []}
    return Request(scope, receive)


def _ask(query: bytes) -> None:
    request = _request(query, [])
    try:
        wanted = sessions._wanted(request)
        answers.number(request.query_params, "after", None)
    except answers.Refused as refusal:
        assert 400 <= refusal.status < 500
        return
    texts = [getattr(wanted, name) or "" for name in _TEXT]
    texts += wanted.property or ()
    if wanted.before is not None:
        texts.append(wanted.before[1])
    for text in texts:
        assert "\0" not in text, "no database takes a zero in a text"
        text.encode()
    assert 0 < wanted.limit <= sessions.MOST_SESSIONS


def _ask_with_body(data: bytes) -> None:
    kind, body = BODIES[data[0] % len(BODIES) if data else 0], data[1:]
    request = _request(b"", [body[:100], body[100:]])
    try:
        asked = asyncio.run(answers.body_of(request, kind))
    except answers.Refused as refusal:
        assert 400 <= refusal.status < 500
        return
    assert isinstance(asked, kind)


def _look(data: bytes) -> None:
    path, _, query = data.decode("latin-1").partition("?")
    for method in ("GET", "POST", "LIVE"):
        assert role_for(method, path) in ("viewer", "operator", "admin")
        look = look_at(method, path, query)
        assert len(look.device) <= 64 and len(look.detail) <= 200 and len(look.action) < 60
