"""Login, logout, and who one is.

    /login                     the page; ?next= says where to go afterwards, on this site alone
    POST /api/login            {user, password}: sets the cookie
    POST /api/logout           ends the login
    GET  /api/me               {user, role, csrf, login}: what the page needs to know of whoever looks at it
    GET  /api/audit            who looked at what, newest first; ?before=ID&person=&device=&limit=N

A wrong password and a name that nobody has are answered alike, in the same time, and after some of them a pause.
"""

from __future__ import annotations

import math
import secrets
from importlib import resources
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from ..errors import LocalError
from ..store import access as table
from ..store.access import LoginRow, login_key
from . import openapi
from .access import UNREADABLE, Access, Person
from .answers import Refused, answering, as_json, body_of
from .attempts import LoginAttempts
from .pool import Pool
from .rules import Look

_PAGE: Final = resources.files(__package__) / "static" / "login.html"
_TOKEN_BYTES: Final = 32
_MOST_ROWS: Final = 500
_WRONG: Final = "User or password is wrong."

log = structlog.get_logger(__name__)


class _Try(msgspec.Struct):
    user: str
    password: str


class LoginRoutes:
    def __init__(self, access: Access) -> None:
        self._access = access
        # Each hash takes 64 MB and tens of ms: one at a time, and few may wait.
        self._hashing = Pool("passwords", 1, 16)
        self._attempts = LoginAttempts()

    def close(self) -> None:
        self._hashing.close()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self.page),
            Route("/api/login", self.log_in, methods=["POST"]),
            Route("/api/logout", self.log_out, methods=["POST"]),
            Route("/api/me", self.me),
            Route("/api/audit", self.audit),
            *openapi.routes(),
        ]

    async def page(self, request: Request) -> Response:
        return FileResponse(str(_PAGE), headers={"cache-control": "no-cache"})

    @answering
    async def me(self, request: Request) -> Response:
        person: Person = request.state.person
        content = {
            "user": person.name,
            "role": person.role,
            "csrf": person.csrf,
            "login": person.login is not None,
        }
        return as_json(content)

    @answering
    async def log_in(self, request: Request) -> Response:
        wanted: _Try = await body_of(request, _Try)
        address = request.client.host if request.client else ""
        name = wanted.user[:64]
        wait_s = self._attempts.take(name, address)
        if wait_s:
            self._note(name, "", address, "had to wait with a login", 429)
            told = as_json({"error": f"Too many tries. Wait {math.ceil(wait_s)} seconds."}, 429)
            told.headers["retry-after"] = str(math.ceil(wait_s))
            return told
        try:
            user = await self._hashing.run(self._access.users.check, name, wanted.password)
        except LocalError as error:
            log.error("nobody can log in", error=str(error))
            raise Refused(503, UNREADABLE) from None
        if user is None:
            self._note(name, "", address, "failed to log in", 401)
            raise Refused(401, _WRONG)
        self._attempts.forgive(name, address)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        await self._begin(login_key(token), name)
        self._note(name, user.role, address, "logged in", 200)
        told = as_json({"user": name, "role": user.role})
        self._set_cookie(told, token, round(self._access.settings.session_ms / 1000))
        return told

    @answering
    async def log_out(self, request: Request) -> Response:
        person: Person = request.state.person
        if person.login is not None:
            await self._access.pool.run(table.end_login, self._access.store, person.login)
            self._access.remember(person.login, None)
        told = as_json({"user": ""})
        self._set_cookie(told, "", 0)
        return told

    @answering
    async def audit(self, request: Request) -> Response:
        query = request.query_params
        before, limit = _number(query.get("before"), "before"), _number(query.get("limit"), "limit")
        rows = await self._access.pool.run(
            lambda: table.audit(
                self._access.store,
                before_id=before,
                person=query.get("person", ""),
                device=query.get("device", ""),
                limit=min(limit or 100, _MOST_ROWS),
            )
        )
        return as_json({"audit": [msgspec.to_builtins(row) for row in rows]})

    async def _begin(self, key: bytes, name: str) -> None:
        now_ms = self._access.now_ms()
        row = LoginRow(name, now_ms, now_ms + self._access.settings.session_ms)
        await self._access.pool.run(
            table.add_login, self._access.store, key, name, row.created_ms, row.expires_ms
        )
        self._access.remember(key, row)

    def _set_cookie(self, told: Response, token: str, age_s: int) -> None:
        settings = self._access.settings
        told.set_cookie(
            *(settings.cookie, token, age_s),
            path="/",
            secure=settings.is_secure,
            httponly=True,
            samesite="lax",
        )

    def _note(self, name: str, role: str, address: str, action: str, status: int) -> None:
        self._access.note(name, role, address, Look(action), status, False)


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(400, f"{name}={text[:40]}: expected a whole number")
    return int(text)
