"""Which role an address takes, and what a look at it is called in the audit log.

Reads are for viewers and everything that changes something is for operators, unless a row here says otherwise: an
address that is added later is never open by mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from .users import Role

PUBLIC: Final = ("/login", "/api/login", "/livez", "/readyz")  # and below:
PUBLIC_BELOW: Final = ("/static/", "/s/", "/embed/")  # a share's token is its own key
READS: Final = ("GET", "HEAD", "OPTIONS")
_ADMINS: Final = re.compile(r"/api/(audit|users|privacy|forget|retention)(/.*)?")
_SESSION: Final = re.compile(r"/api/sessions/(?P<device>[^/]+)/(?P<session>-?[0-9]{1,19})(/.*)?")
_DEVICE: Final = re.compile(r"/api/devices/(?P<device>[^/]+)(/.*)?")
_SHARED: Final = re.compile(r"/(s|embed)/[^/]+/api/session")
_SEARCHED: Final = ("device", "user", "event", "property", "q", "from", "to", "starred")
_MOST_SEARCHED: Final = 2_000  # characters; each is 200 at most, as answers.py has it
# Asked for by every page, telling nothing of any one device.
_UNNOTED: Final = (
    "/",
    "/api/me",
    "/api/health",
    "/api/fleet",
    "/api/devices",
    "/metrics",
    "/api/openapi.json",
    "/favicon.ico",
)


@dataclass(frozen=True, slots=True)
class Look:
    """`action` is empty when it is not worth a line."""

    action: str
    device: str = ""
    session_id: int | None = None
    detail: str = ""


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_BELOW)


def role_for(method: str, path: str) -> Role:
    """`method` is LIVE for a WebSocket."""
    if _ADMINS.fullmatch(path):
        return "admin"
    if method in READS or method == "LIVE" or path == "/api/logout":
        return "viewer"
    return "operator"


def look_at(method: str, path: str, query: str) -> Look:
    if method == "LIVE":
        found = re.fullmatch(r"device=([A-Za-z0-9_-]{1,64})", query)
        return Look("watched live", found[1] if found else "all devices")
    session, device = _SESSION.fullmatch(path), _DEVICE.fullmatch(path)
    where = session or device
    place = (where["device"][:64] if where else "", int(session["session"]) if session else None)
    if method not in READS:
        return Look(f"{method} {path.rpartition('/')[2][:40]}", *place, path[:200])
    if session:
        return Look("opened a session", *place)
    if device:
        return Look("opened a device", *place)
    if path == "/api/sessions":
        return Look("searched sessions", detail=_searched(query))
    if path in _UNNOTED or path.startswith("/sessions/") or _SHARED.fullmatch(path):
        return Look("")
    if path == "/api/audit":
        return Look("read the audit log")
    return Look("read", detail=path[:200])


def _searched(query: str) -> str:
    """What was searched for, and nothing that could stand before it to push it out of the line."""
    asked = dict(parse_qsl(query))
    return urlencode([(name, asked[name]) for name in _SEARCHED if name in asked])[:_MOST_SEARCHED]
