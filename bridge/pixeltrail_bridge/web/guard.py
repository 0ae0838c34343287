"""Who may ask: the page answers only to names it goes by, and opens its WebSocket only to its own pages.

A browser sends any site's script to any address, also to this machine's. The Host header tells a name that was made to
point here (DNS rebinding), the Origin header a page that came from elsewhere. An IP address needs no such check: no
one can make it point elsewhere. What changes something needs a header besides, which a browser lets no other site's
page send without asking first, and nobody here says yes. Where people log in, access.py looks at its value too.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
EMBEDDED = "/embed/"  # may stand in a frame of any site: what is behind such an address is shared anyway
_FRAMED = {
    "content-security-policy": SECURITY_HEADERS["content-security-policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors *"
    ),
    "cross-origin-resource-policy": "cross-origin",
}
WRITE_HEADER = "x-pixeltrail"
_MARK = re.compile("1|[0-9a-f]{40}")  # the second is a token, whose value access.py looks at
_READS = ("GET", "HEAD", "OPTIONS")
_POLICY_VIOLATION = 1008  # close code of RFC 6455, section 7.4.1


def allowed_names(host: str, public_url: str, more: Iterable[str]) -> frozenset[str]:
    """Host names the page goes by, in lower case, without ports."""
    names = {"localhost", host.lower(), *(name.lower() for name in more)}
    if public_url:
        names.add((urlsplit(public_url).hostname or "").lower())
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {machine, machine.partition(".")[0] + ".local"}
    return frozenset(names - {""})


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """ASGI middleware: refuses other names and other origins, adds the security headers."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            await _refuse(
                scope, receive, send, "This page does not go by that host name; see web.allowed_hosts."
            )
        elif not scope["path"].isprintable():
            # A line's end behind an address finds its route, and none of the rules on who may go there
            await _refuse_address(scope, receive, send)
        elif scope["type"] == "websocket" and not _is_same_origin(headers.get("origin"), host):
            await _refuse(scope, receive, send, "Another site's page may not connect here.")
        elif scope["type"] == "http" and not _may_write(scope["method"], headers, host):
            words = f"To change something, send the header {WRITE_HEADER}: 1, from a page of this address or from none."
            await JSONResponse({"error": words}, 403, SECURITY_HEADERS)(scope, receive, send)
        else:
            is_framed = scope["path"].startswith(EMBEDDED)
            await self._app(scope, receive, _with_headers(send, _FRAMED if is_framed else {}))

    def _is_ours(self, host: str) -> bool:
        name = _hostname(f"//{host}")
        return name is not None and (name in self._names or _is_address(name))


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_origin(origin: str | None, host: str) -> bool:
    """True for a page of this very host and port, and for programs, which send no origin."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _may_write(method: str, headers: Headers, host: str) -> bool:
    if method in _READS:
        return True
    is_marked = _MARK.fullmatch(headers.get(WRITE_HEADER, "")) is not None
    return is_marked and _is_same_origin(headers.get("origin"), host)


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
    else:
        await PlainTextResponse(reason + "\n", 421, SECURITY_HEADERS)(scope, receive, send)


async def _refuse_address(scope: Scope, receive: Receive, send: Send) -> None:
    words = "No address here has such characters."
    if scope["type"] == "websocket":
        await _refuse(scope, receive, send, words)
    else:
        await JSONResponse({"error": words}, 400, SECURITY_HEADERS)(scope, receive, send)


def _with_headers(send: Send, instead: Mapping[str, str]) -> Send:
    headers = {**SECURITY_HEADERS, **instead}

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in headers.items()]
            if not any(name.lower() == b"cache-control" for name, _ in message["headers"]):
                # A page of an older version asks for older files
                added.append((b"cache-control", b"no-cache"))
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return send_with_headers
