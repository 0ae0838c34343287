"""Who is asking, and may they? Stands between the guard and the page once there are users or a proxy that names them.

A person is known by the cookie of a login, or by the header in which a proxy of ours names whom it has let in, from its
address alone. What changes something takes besides the token that /api/me gives to the page (in the header of
`guard.WRITE_HEADER`): a site that makes a browser send its cookie cannot know it. Without users nobody is asked: the
page is then for this machine alone, which app/exposure.py sees to.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import LocalError, StoreError
from ..store import access, shares
from ..store.access import AuditRow, LoginRow, login_key
from ..store.database import SqlStore
from . import rules
from .guard import WRITE_HEADER
from .journal import Journal
from .pool import Busy, Pool
from .users import Users, may
from .watched import POLICY_VIOLATION, Watched

FRESH_MS: Final = 5_000  # a logout on another node counts at the latest after this
LOOK_S = 5.0  # between two looks whether who opened a WebSocket may still look
_MOST_KNOWN: Final = 4_096
UNREADABLE: Final = "Who may look cannot be read; the bridge's log says why."
_ENDED: Final = "Log in again: what let you look on has ended."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """`is_secure`: people reach the page over TLS, here or at a proxy."""

    session_ms: int = 12 * 3_600_000
    is_secure: bool = False
    proxy_header: str = ""
    proxy_addresses: frozenset[str] = frozenset()
    proxy_role: str = "viewer"
    token: str = field(default="", repr=False)  # of programs that read

    @property
    def cookie(self) -> str:
        """The prefix makes browsers refuse the cookie from any other host and without TLS."""
        return "__Host-pixeltrail" if self.is_secure else "pixeltrail"


@dataclass(frozen=True, slots=True)
class Person:
    """`csrf` is what their page sends with each change; `login` the key of their login, if that is how they came."""

    name: str
    role: str
    csrf: str
    login: bytes | None = None


NOBODY: Final = Person("", "admin", "1")  # whoever asks while the page has no users


class Access:
    """What the middleware and the routes of login share. Its methods belong to the event loop.

    Once there were users, everybody is asked until the bridge ends: the last one's end, or that of their file, lets
    nobody in rather than everybody.
    """

    def __init__(
        self,
        store: SqlStore,
        users: Users,
        settings: AccessSettings,
        journal: Journal,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.store, self.users, self.settings, self.journal = store, users, settings, journal
        self.now_ms = now_ms
        self.pool = Pool("access", 2)
        self._logins: OrderedDict[bytes, tuple[LoginRow | None, int]] = OrderedDict()
        self._secret: bytes | None = None
        self._was_on = False

    def close(self) -> None:
        self.pool.close()
        self.journal.close()

    @property
    def is_on(self) -> bool:
        """LocalError: the users cannot be read."""
        self._was_on = self._was_on or bool(self.settings.proxy_header) or bool(self.users.all())
        return self._was_on

    async def person(self, headers: Headers, address: str) -> Person | None:
        """Raises Busy."""
        if self._secret is None:
            self._secret = await self.pool.run(shares.share_secret, self.store)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._program(bearer)
        proxied = headers.getlist(self.settings.proxy_header) if self.settings.proxy_header else []
        if any(proxied) and address in self.settings.proxy_addresses:
            # of two, one is the browser's own, and nobody can say which
            return self._proxied(proxied[0]) if len(proxied) == 1 else None
        token = _cookie(headers, self.settings.cookie)
        return await self._logged_in(login_key(token)) if token else None

    def _program(self, given: str) -> Person | None:
        assert self._secret is not None
        tokens = {"doctor": local_token(self._secret), "program": self.settings.token}
        matches = [
            name
            for name, token in tokens.items()
            if token and hmac.compare_digest(given.encode(), token.encode())
        ]
        return Person(matches[0], "viewer", "") if matches else None

    def _proxied(self, name: str) -> Person | None:
        user = self.users.get(name)
        role = user.role if user is not None else self.settings.proxy_role
        return Person(name[:64], role, self._csrf(b"proxy " + name.encode())) if role != "nothing" else None

    async def _logged_in(self, key: bytes) -> Person | None:
        now_ms = self.now_ms()
        known = self._logins.get(key)
        row, read_ms = known or (None, 0)
        if now_ms - read_ms > FRESH_MS:
            row = await self.pool.run(access.login, self.store, key)
            newest = self._logins.get(key)
            if newest is None or newest is known:
                self.remember(key, row)
            else:  # who has logged out meanwhile is out, though the database was read before that
                row, _ = newest
        user = self.users.get(row.user) if row is not None else None
        if row is None or user is None or row.expires_ms <= now_ms or row.created_ms < user.changed_ms:
            return None
        return Person(row.user, user.role, self._csrf(b"login " + key), key)

    def remember(self, key: bytes, row: LoginRow | None) -> None:
        self._logins[key] = (row, self.now_ms())
        self._logins.move_to_end(key)
        while len(self._logins) > _MOST_KNOWN:
            self._logins.popitem(last=False)

    def _csrf(self, of: bytes) -> str:
        assert self._secret is not None
        return hmac.new(self._secret, b"csrf " + of, hashlib.sha256).hexdigest()[:40]

    def note(
        self, person: str, role: str, address: str, look: rules.Look, status: int, is_look: bool
    ) -> None:
        where = (look.device, look.session_id)
        row = AuditRow(self.now_ms(), person, role, address, look.action, *where, status, look.detail)
        self.journal.note(row, is_look)


def local_token(secret: bytes) -> str:
    """With it `pixeltrail doctor` asks the page how the bridge is: whoever can read the database needs no login."""
    return hmac.new(secret, b"doctor", hashlib.sha256).hexdigest()


class Doorman:
    """ASGI middleware over an Access. A person is found in `request.state.person`."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"] if scope["type"] == "http" else "LIVE"
        headers, address = Headers(scope=scope), (scope.get("client") or ("", 0))[0]
        look = rules.look_at(method, path, scope["query_string"].decode("ascii", "replace"))
        state = scope.setdefault("state", {})
        try:
            is_on = self._access.is_on
            is_asked = is_on and not rules.is_public(path)
            person = await self._access.person(headers, address) if is_asked else NOBODY
        except Busy as error:
            await _refuse(scope, receive, send, 503, str(error))
            return
        except LocalError as error:
            log.error("nobody is let in", error=str(error))
            await _refuse(scope, receive, send, 503, UNREADABLE)
            return
        if person is None:
            await self._ask(scope, receive, send, headers)
            return
        if is_asked or not is_on:
            state["person"] = person
        if not is_asked:
            await self._let_in(scope, receive, send, headers, address)
            return
        fault = _fault(person, method, path, headers)
        if fault:
            self._access.note(person.name, person.role, address, look, 403, True)
            await _refuse(scope, receive, send, 403, fault)
            return
        noting = self._noting(send, person, address, look, method) if look.action else send
        await self._let_in(scope, receive, noting, headers, address)

    async def _let_in(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, address: str
    ) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return
        watched = Watched(receive, lambda: self._is_welcome(headers, address), LOOK_S)
        try:
            await self._app(scope, watched, send)
        finally:
            watched.close()
        if watched.is_over:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": _ENDED})

    async def _is_welcome(self, headers: Headers, address: str) -> bool:
        try:
            return not self._access.is_on or await self._access.person(headers, address) is not None
        except (Busy, StoreError):
            return True  # not now, then the next time
        except LocalError:
            return False

    def _noting(self, send: Send, person: Person, address: str, look: rules.Look, method: str) -> Send:
        is_look = method in rules.READS or method == "LIVE"

        async def send_and_note(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                if status < 400 or not is_look:
                    self._access.note(person.name, person.role, address, look, status, is_look)
            await send(message)

        return send_and_note

    @staticmethod
    async def _ask(scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """A person is led to the login, a program is told."""
        wants_page = "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/")
        if scope["type"] == "http" and scope["method"] == "GET" and wants_page:
            query = scope["query_string"].decode("ascii", "replace")
            there = quote(scope["path"] + (f"?{query}" if query else ""), safe="")
            await RedirectResponse(f"/login?next={there}", 303)(scope, receive, send)
        else:
            await _refuse(scope, receive, send, 401, "Log in first: this page is for users alone.")


def _fault(person: Person, method: str, path: str, headers: Headers) -> str:
    wanted = rules.role_for(method, path)
    if not may(person.role, wanted):
        return f"This is for the role {wanted}; yours is {person.role}."
    if method in (*rules.READS, "LIVE"):
        return ""
    given = headers.get(WRITE_HEADER, "")
    if person.csrf and hmac.compare_digest(given.encode(), person.csrf.encode()):
        return ""
    return (
        f"To change something, send the header {WRITE_HEADER} with the token of /api/me. Load the page again."
    )


def _cookie(headers: Headers, name: str) -> str:
    """Read here, since http.cookies takes seconds for 60 KB of backslashes; ours are never quoted."""
    for pair in headers.get("cookie", "").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": words})
        return
    headers = {"cache-control": "no-store"}
    await JSONResponse({"error": words}, status, headers)(scope, receive, send)
