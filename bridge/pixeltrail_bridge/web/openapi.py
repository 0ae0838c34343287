"""The page's HTTP API as OpenAPI 3.1, at /api/openapi.json: for programs, and for tests that send whatever it allows.

One row for each address and method. What every address may answer besides stands in one place: 400 for what makes no
sense, 401 and 403 for who may not, 404 for what is not there, 421 for another host name, 503 for too much at once; all
but 421 as {"error": words}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..wire.limits import DEVICE_ID
from .answers import MAX_ID, as_json
from .guard import WRITE_HEADER

Json = dict[str, Any]
_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_HTML: Final = "text/html"
_WHOLE: Final[Json] = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
_WORDS: Final[Json] = {"type": "string", "maxLength": 200}

# By the names they have in the addresses.
_IN_PATH: Final[dict[str, Json]] = {
    "device_id": {"type": "string", "pattern": f"^{DEVICE_ID.pattern}$"},
    "session_id": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "event_id": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "share_id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    "job_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$"},
}
_IN_QUERY: Final[dict[str, Json]] = {
    **dict.fromkeys(("after", "before", "limit", "from", "to", "t", "width"), _WHOLE),
    **dict.fromkeys(("device", "user", "event", "property", "q", "person", "cursor"), _WORDS),
}


@dataclass(frozen=True, slots=True)
class Address:
    """`does` is a sentence; `answers` the content types by status, besides the errors that all may give."""

    method: str
    path: str
    does: str
    query: tuple[str, ...] = ()
    body: Json | None = None
    answers: dict[int, str] = field(default_factory=lambda: {200: _JSON})


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


_SESSION: Final = "/api/sessions/{device_id}/{session_id}"
_PIXELS: Final = {200: "application/octet-stream"}
_SEARCH: Final = ("device", "user", "event", "property", "from", "to", "q", "cursor", "limit")
ADDRESSES: Final = (
    Address("GET", "/api/devices", "All devices, as they are now."),
    Address("GET", "/api/devices/{device_id}/events", "Events of a device.", ("after", "limit")),
    Address("GET", "/api/devices/{device_id}/dead-letters", "What was given up on of a device."),
    Address("GET", "/api/health", "How the bridge is; 503 when it is not well."),
    Address("GET", "/api/fleet", "How the whole fleet is."),
    Address("GET", "/api/sessions", "Sessions that fit, newest first.", _SEARCH),
    Address("GET", _SESSION, "A session."),
    Address("GET", f"{_SESSION}/timeline", "What happened when in it."),
    Address("PUT", f"{_SESSION}/star", "Keep it from retention."),
    Address("DELETE", f"{_SESSION}/star", "Keep it no longer."),
    Address(
        "GET", f"{_SESSION}/pixels", "What its display showed, as changes.", ("from", "to"), answers=_PIXELS
    ),
    Address("GET", f"{_SESSION}/frame", "One picture.", ("t", "width"), answers={200: "image/png"}),
    Address("GET", f"{_SESSION}/events", "Its events.", ("after", "limit")),
    Address("GET", "/api/events/{event_id}", "An event, what was sent and what sinks answered."),
    Address("POST", "/api/events/{event_id}/retry", "Send it again.", (), _object(sink={"type": "string"})),
    Address("GET", "/api/dead-letters", "What was given up on.", ("limit", "device")),
    Address(
        *("POST", "/api/dead-letters/retry", "Try some of it again.", ()),
        _object(ids={"type": "array", "items": {"type": "string"}}),
    ),
    Address("GET", f"{_SESSION}/shares", "Links to a session."),
    Address(
        *("POST", f"{_SESSION}/shares", "Make one.", (), _object(expires_s={"type": "integer"})), {201: _JSON}
    ),
    Address("DELETE", "/api/shares/{share_id}", "Withdraw one."),
    Address(
        *("POST", f"{_SESSION}/exports", "Begin a file of it.", ()),
        *(
            _object(format={"type": "string"}, options={"type": "object"}),
            {200: _JSON, 201: _JSON, 202: _JSON},
        ),
    ),
    Address("GET", "/api/exports/{job_id}", "How far a file is."),
    Address("DELETE", "/api/exports/{job_id}", "Want it no longer."),
    Address("GET", "/api/exports/{job_id}/file", "The file.", answers=_PIXELS),
    Address(
        *("POST", "/api/login", "Log in.", ()),
        _object(user={"type": "string"}, password={"type": "string"}),
    ),
    Address("POST", "/api/logout", "Log out."),
    Address("GET", "/api/me", "Who is asking, and the token for changes."),
    Address(
        "GET", "/api/audit", "Who looked at what, newest first.", ("before", "person", "device", "limit")
    ),
    Address("GET", "/api/openapi.json", "This description."),
    Address("GET", "/livez", "The process answers.", answers={200: _TEXT}),
    Address("GET", "/readyz", "It can do its work.", answers={200: _TEXT}),
    Address("GET", "/metrics", "Figures, as Prometheus reads them.", answers={200: _TEXT}),
    Address("GET", "/", "The page.", answers={200: _HTML}),
    Address("GET", "/login", "The page to log in.", answers={200: _HTML}),
    Address("GET", "/sessions/{device_id}/{session_id}", "The player.", answers={200: _HTML}),
    Address("GET", "/s/{token}", "A shared session.", answers={200: _HTML, 404: _HTML, 410: _HTML}),
    Address("GET", "/embed/{token}", "The same for a frame.", answers={200: _HTML, 404: _HTML, 410: _HTML}),
)


def describe() -> Json:
    paths: dict[str, Json] = {}
    for address in ADDRESSES:
        paths.setdefault(address.path, {})[address.method.lower()] = _operation(address)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pixeltrail", "version": "1", "description": "The page's API."},
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                }
            },
            "securitySchemes": {
                "login": {"type": "apiKey", "in": "cookie", "name": "pixeltrail"},
                "program": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def routes() -> list[BaseRoute]:
    return [Route("/api/openapi.json", _told)]


async def _told(request: Request) -> Response:
    return as_json(describe())


def _operation(address: Address) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in _IN_PATH.items()
        if f"{{{name}}}" in address.path
    ]
    parameters += [{"name": name, "in": "query", "schema": _IN_QUERY[name]} for name in address.query]
    if address.method != "GET":
        described = {"type": "string", "const": "1"}
        parameters.append({"name": WRITE_HEADER, "in": "header", "required": True, "schema": described})
    answers: dict[str, Json] = {
        str(status): {"description": "as asked", "content": {kind: {}}}
        for status, kind in address.answers.items()
    }
    for status in (400, 401, 403, 404, 405, 409, 410, 413, 429, 503):
        schema = {"schema": {"$ref": "#/components/schemas/Error"}}
        content = (
            {_JSON: schema} if address.path.startswith("/api/") else {_JSON: schema, _TEXT: {}, _HTML: {}}
        )
        answers.setdefault(str(status), {"description": "refused", "content": content})
    answers["421"] = {"description": "the page goes by another name", "content": {_TEXT: {}}}
    made: Json = {"summary": address.does, "parameters": parameters, "responses": answers}
    if address.body is not None:
        made["requestBody"] = {"content": {_JSON: {"schema": address.body}}}
    return made
