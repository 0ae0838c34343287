"""The page's HTTP server, run inside the bridge's event loop; signals stay with whoever owns the process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from ..errors import LocalError
from .lines import Line, behind_tls

_START_LIMIT_S = 10
_GRACE_S = 1  # a page with an open WebSocket would hold up the end for ever
_RENEW_S = 2.0
_LARGEST_MESSAGE = 4_096  # bytes a page may send: it only says how much it painted


class Certificate(Protocol):
    """`renew` is called again and again, on the event loop."""

    context: ssl.SSLContext

    def renew(self) -> None: ...


class WebServer:
    """start() binds and serves `app`; `port` is then the real one, also when 0 was asked for.

    With `tls` it speaks nothing but that. `section` is of the settings that are named in errors.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, tls: Certificate | None = None, section: str = "web"
    ) -> None:
        self.app, self.port, self.tls = app, port, tls
        self._host, self._section = host, section
        config = uvicorn.Config(
            app,
            http=Line if tls is None else behind_tls(tls.context),  # type: ignore[arg-type] # it makes them
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever is behind a proxy says so in the settings
            ws_max_size=_LARGEST_MESSAGE,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises LocalError when the address cannot be had."""
        bound = _bind(self._host, self.port, self._section)
        self.port = bound.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([bound]), name="web")
        async with asyncio.timeout(_START_LIMIT_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                    raise LocalError("web: the server ended while it started")
                await asyncio.sleep(0.01)
        if self.tls is not None:
            self._renewing = asyncio.create_task(self._renew(self.tls), name="certificate")

    async def _renew(self, tls: Certificate) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            tls.renew()  # here, where connections begin: none may come between a certificate and its key

    async def stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int, section: str) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LocalError(
            f"{section}.host = {host!r}: {error.strerror}. Use an address of this machine."
        ) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        reason = error.strerror or "cannot be used"
        raise LocalError(
            f"{section}.port = {port} on {host}: {reason}. "
            f"Choose another with --set {section}.port=N; 0 takes a free one."
        ) from None
    return bound
