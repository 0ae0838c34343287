"""Links to one session for people without access to the rest: signed, ending, and to be withdrawn.

    POST   /api/sessions/DEVICE/SESSION/shares {expires_s}     makes one
    GET    /api/sessions/DEVICE/SESSION/shares                 those there are, without the links themselves
    DELETE /api/shares/ID                                      withdraws one
    /s/TOKEN, /embed/TOKEN                                     the player; only the second may stand in another page
    /s/TOKEN/api/session                                       that session, with `expires_ms`
    /s/TOKEN/api/..., /embed/TOKEN/api/...                     the addresses that read that one session, as they stand

A token is the share's ID and the end of its time, and HMAC-SHA256 of both under the store's secret, in base64url. The
signature is checked, in constant time, before anything is looked up; a token that was tampered with, is over or was
withdrawn gets a page that says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..store import shares
from ..store.database import SqlStore
from ..store.shares import SHARE_ID_BYTES, ShareRow
from .answers import Json, Refused, answering, as_json, body_of, session_of
from .pool import Pool

LEAST_S: Final = 60
MOST_S: Final = 365 * 86_400
DEFAULT_S: Final = 7 * 86_400
MOST_SHARES: Final = 100  # of a session that still hold
_EXPIRES_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 20
_TOKEN_BYTES: Final = SHARE_ID_BYTES + _EXPIRES_BYTES + _SIGNATURE_BYTES
_MOST_TOKEN: Final = 80

UNKNOWN: Final = "This link is not valid. Perhaps a part of it is missing: ask for it again."
OVER: Final = "This link is over. Ask whoever sent it for another one."
WITHDRAWN: Final = "This link was withdrawn by whoever made it."


class _Make(msgspec.Struct):
    expires_s: int = DEFAULT_S


class Signer:
    """Tokens of shares. Its methods read the store, and belong into a thread."""

    def __init__(self, store: SqlStore, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms
        self._secret: bytes | None = None

    def token(self, share: ShareRow) -> str:
        signed = share.id + share.expires_ms.to_bytes(_EXPIRES_BYTES)
        return base64.urlsafe_b64encode(signed + self._signature(signed)).decode().rstrip("=")

    def check(self, token: str) -> ShareRow:
        """The share of a token. Refused says, for a person, why there is none."""
        data = _decoded(token)
        signed, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
        if len(data) != _TOKEN_BYTES or not hmac.compare_digest(signature, self._signature(signed)):
            raise Refused(404, UNKNOWN)
        if int.from_bytes(signed[SHARE_ID_BYTES:]) <= self._now_ms():
            raise Refused(410, OVER)
        share = shares.share(self._store, signed[:SHARE_ID_BYTES])
        if share is None:
            raise Refused(404, UNKNOWN)
        if share.revoked_ms is not None:
            raise Refused(410, WITHDRAWN)
        return share

    def _signature(self, signed: bytes) -> bytes:
        if self._secret is None:
            self._secret = shares.share_secret(self._store)
        return hmac.digest(self._secret, signed, hashlib.sha256)[:_SIGNATURE_BYTES]


class ShareRoutes:
    """`reads` are the routes that a share may use, as they stand outside of it; `page` is the player's file.

    An endpoint behind a share finds the ShareRow in `request.state.share`, and shows nothing else; `describe` gives the
    session itself.
    """

    def __init__(
        self,
        store: SqlStore,
        pool: Pool,
        page: str,
        reads: Sequence[BaseRoute],
        describe: Callable[[str, int], Json],
        public_url: str = "",
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store, self._pool, self._page = store, pool, page
        self._reads, self._describe = reads, describe
        self._public_url, self._now_ms = public_url.rstrip("/"), now_ms
        self._signer = Signer(store, now_ms)

    def routes(self) -> list[BaseRoute]:
        place = "/api/sessions/{device_id}/{session_id}/shares"
        found: list[BaseRoute] = [
            Route(place, self.list, methods=["GET"]),
            Route(place, self.make, methods=["POST"]),
            Route("/api/shares/{share_id}", self.revoke, methods=["DELETE"]),
        ]
        inner = [Route("/api/session", self.told), *self._reads]
        for kind in ("s", "embed"):
            found.append(Route(f"/{kind}/{{token}}", self.page))
            found.append(Mount(f"/{kind}/{{token}}", routes=[_Shared(route, self._of) for route in inner]))
        return found

    @answering
    async def make(self, request: Request) -> Response:
        place = session_of(request)
        wanted: _Make = await body_of(request, _Make)
        if not LEAST_S <= wanted.expires_s <= MOST_S:
            raise Refused(400, f"expires_s={wanted.expires_s}: expected {LEAST_S} to {MOST_S} seconds")
        share, token = await self._pool.run(self._make, *place, wanted.expires_s)
        base = self._public_url or str(request.base_url).rstrip("/")
        links = {"url": f"{base}/s/{token}", "embed_url": f"{base}/embed/{token}"}
        return as_json({**_describe(share, self._now_ms()), **links}, 201)

    @answering
    async def list(self, request: Request) -> Response:
        rows = await self._pool.run(shares.shares, self._store, *session_of(request))
        return as_json({"shares": [_describe(row, self._now_ms()) for row in rows]})

    @answering
    async def revoke(self, request: Request) -> Response:
        share_id = _share_id(request.path_params["share_id"])
        if not await self._pool.run(shares.revoke_share, self._store, share_id, self._now_ms()):
            raise Refused(404, "There is no such share.")
        return as_json({"revoked": True})

    async def page(self, request: Request) -> Response:
        try:
            await self._pool.run(self._signer.check, request.path_params["token"])
        except Refused as refusal:
            return ended(refusal)
        return FileResponse(self._page, headers={"cache-control": "no-store"})

    @answering
    async def told(self, request: Request) -> Response:
        share: ShareRow = request.state.share
        described = await self._pool.run(self._describe, share.device_id, share.session_id)
        return as_json({**described, "user_id": None, "expires_ms": share.expires_ms})

    async def _of(self, token: str, device_id: str | None, session_id: str | None) -> ShareRow:
        """The share, when it is for that session; an address without one has to look for itself."""
        share = await self._pool.run(self._signer.check, token)
        if device_id is not None and (device_id, session_id) != (share.device_id, str(share.session_id)):
            raise Refused(403, "This link is for another session.")
        return share

    def _make(self, device_id: str, session_id: int, expires_s: int) -> tuple[ShareRow, str]:
        now_ms = self._now_ms()
        holding = [s for s in shares.shares(self._store, device_id, session_id) if _holds(s, now_ms)]
        if len(holding) >= MOST_SHARES:
            raise Refused(409, f"This session has {MOST_SHARES} links that hold; withdraw some first.")
        share = shares.add_share(self._store, device_id, session_id, now_ms, now_ms + expires_s * 1000)
        if share is None:
            raise Refused(404, f"{device_id} has no session {session_id}.")
        return share, self._signer.token(share)


class _Shared(Route):
    """A route behind a token: nothing but reads, of the one session."""

    def __init__(self, route: BaseRoute, share_of: Callable[..., Any]) -> None:
        assert isinstance(route, Route)
        super().__init__(route.path, route.endpoint, methods=["GET"])
        self._guarded, self._share_of = self.app, share_of

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await as_json({"error": "A shared session can only be looked at."}, 405)(scope, receive, send)
            return
        place = scope["path_params"]
        try:
            share = await self._share_of(place["token"], place.get("device_id"), place.get("session_id"))
        except Refused as refusal:
            await as_json({"error": refusal.words}, refusal.status)(scope, receive, send)
            return
        scope.setdefault("state", {})["share"] = share
        app: ASGIApp = self._guarded
        await app(scope, receive, send)


def ended(refusal: Refused) -> Response:
    """A page for a person who followed a link that does not hold."""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Pixeltrail</title>'
        '<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/style.css"></head>'
        f'<body class="shared"><main><h1>Pixeltrail</h1><p class="empty" role="alert">{html.escape(refusal.words)}</p>'
        "</main></body></html>\n"
    )
    return HTMLResponse(page, refusal.status, {"cache-control": "no-store"})


def _describe(share: ShareRow, now_ms: int) -> Json:
    return {
        "id": share.id.hex(),
        "created_ms": share.created_ms,
        "expires_ms": share.expires_ms,
        "revoked_ms": share.revoked_ms,
        "holds": _holds(share, now_ms),
    }


def _holds(share: ShareRow, now_ms: int) -> bool:
    return share.revoked_ms is None and share.expires_ms > now_ms


def _share_id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != SHARE_ID_BYTES:
        raise Refused(404, "There is no such share.")
    return found


def _decoded(token: str) -> bytes:
    if len(token) > _MOST_TOKEN or not token.isascii():
        return b""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
    # another spelling of the same bytes is another token
    return data if base64.urlsafe_b64encode(data).decode().rstrip("=") == token else b""
