"""One connection to a cluster of NATS servers, on an event loop in a thread of its own.

Kept up for as long as it is started: through servers that restart, and before the first of them is there. Jobs are
coroutines that run on the loop as long as the link; one that fails says so and begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import nats
import nats.errors
import structlog
from nats.aio.client import Client

from ..errors import ConfigError
from .tls import Tls

log = structlog.get_logger(__name__)

_CONNECT_S: Final = 3.0
_RETRY_S: Final = 0.5
_JOB_RETRY_S: Final = 5.0
_PING_S: Final = 3.0  # a line that hangs is given up after three of them
_CLOSE_S: Final = 2.0
_MOST_WAITING: Final = 100_000  # messages on their way out; beyond, the custody protocol sends them again

Job = Callable[["NatsLink"], Coroutine[Any, Any, None]]
Say = Callable[[bool, str], None]


@dataclass(frozen=True, slots=True)
class Login:
    """Where the servers are, and who we are there. `credentials` is a file in NATS' own form."""

    urls: Sequence[str]
    user: str = ""
    password: str = ""
    credentials: Path | None = None
    tls: Tls | None = None

    @property
    def place(self) -> str:
        """For people: without what may be a password."""
        return ", ".join(url.rpartition("@")[2].partition("://")[2] or url for url in self.urls)

    def check(self) -> None:
        """ConfigError: an address is none, or a file is missing."""
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("nats", "tls") or not parts.hostname:
                raise ConfigError(
                    f"cluster.nats_urls: {url.rpartition('@')[2]!r} is no NATS server; write nats://host:4222 or "
                    "tls://host:4222"
                )
        if self.credentials is not None and not self.credentials.is_file():
            raise ConfigError(f"cluster.credentials_file = {self.credentials}: there is no such file")
        if self.tls is not None:
            self.tls.context()

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {"servers": list(self.urls)}
        if self.user:
            found |= {"user": self.user, "password": self.password}
        if self.credentials is not None:
            found["user_credentials"] = str(self.credentials)
        if self.tls is not None and any(url.startswith("tls://") for url in self.urls):
            found["tls"] = self.tls.context()
        return found


class NatsLink:
    """`publish` and `add` may be called from any thread; what jobs use belongs to the loop."""

    def __init__(self, login: Login, name: str = "pixeltrail") -> None:
        login.check()
        self.login, self._name = login, name
        self.generation = 0  # of the connection: another after each time it was lost
        self._jobs: list[Job] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._says: list[Say] = []
        self._client: Client | None = None
        self._out: deque[tuple[str, bytes]] = deque()
        self._loop = asyncio.new_event_loop()
        self._wake, self._up, self._lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._thread: threading.Thread | None = None
        self._main: asyncio.Task[None] | None = None
        self._said = ""

    def add(self, job: Job, say: Say = lambda is_up, detail: None) -> None:
        """`say` hears, on the loop, when the connection is there or lost."""
        if self._thread is None:
            self._jobs.append(job)
            self._says.append(say)
        else:
            self.call(lambda: self._join(job, say))

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="nats", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, and let go; returns when no job runs any more."""
        if self._thread is None:
            self._loop.close()
            return
        self.call(self._end)
        self._thread.join()

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    def publish(self, subject: str, data: bytes) -> bool:
        """Send soon, in order; False while there is no connection."""
        if not self._up.is_set() or len(self._out) >= _MOST_WAITING:
            return False
        self._out.append((subject, data))
        self._stir(self._wake)
        return True

    def call(self, what: Callable[[], None]) -> None:
        """Run `what` on the loop, soon."""
        with contextlib.suppress(RuntimeError):  # the link is stopped
            self._loop.call_soon_threadsafe(what)

    def _stir(self, event: asyncio.Event) -> None:
        if not event.is_set():
            self.call(event.set)

    # ---- the loop ----------------------------------------------------------------

    async def client(self) -> Client:
        """The connection, once there is one."""
        while True:
            await self._up.wait()
            if self._client is not None:
                return self._client

    async def lost(self) -> None:
        """Returns when a connection that is there has been lost."""
        await self._lost.wait()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._run())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)
        self._loop.close()

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _run(self) -> None:
        for job in (type(self)._send, *self._jobs):
            self._begin(job)
        try:
            await self._keep()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._close()

    def _join(self, job: Job, say: Say) -> None:
        self._says.append(say)
        if self._up.is_set():
            say(True, self._said)
        self._begin(job)

    def _begin(self, job: Job) -> None:
        self._tasks.add(asyncio.ensure_future(self._guard(job)))

    async def _guard(self, job: Job) -> None:
        while True:
            try:
                await job(self)
                return
            except Exception:  # noqa: BLE001 a fault of ours costs it a moment, and the others nothing
                log.exception("a job on the connection to NATS failed, and begins anew")
            await asyncio.sleep(_JOB_RETRY_S)

    async def _keep(self) -> None:
        """A connection mends itself; one that gave up for good is made anew."""
        while True:
            closed = asyncio.Event()
            try:
                self._client = await self._connect(closed)
            except ConfigError as error:
                self._tell(False, str(error))
            except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
                await self._on_error(error)
            else:
                await self._on_up()
                await closed.wait()
                await self._on_down()
            await asyncio.sleep(_RETRY_S)

    async def _connect(self, closed: asyncio.Event) -> Client:
        async def on_closed() -> None:
            closed.set()

        return await nats.connect(
            name=self._name,
            connect_timeout=_CONNECT_S,
            reconnect_time_wait=_RETRY_S,
            max_reconnect_attempts=-1,
            ping_interval=_PING_S,
            error_cb=self._on_error,
            disconnected_cb=self._on_down,
            reconnected_cb=self._on_up,
            closed_cb=on_closed,
            **self.login.options(),
        )

    async def _on_up(self) -> None:
        self._lost.clear()
        self._up.set()
        self.generation += 1
        self._tell(True, f"connected to NATS at {self.login.place}")

    async def _on_down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            self._lost.set()
            self._tell(False, f"NATS at {self.login.place} closed the connection; trying again")

    async def _on_error(self, error: Exception) -> None:
        if self._up.is_set():
            log.debug("NATS", error=str(error))
            return
        words = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
        if "uthoriz" in words or "uthentic" in words:
            what = f"NATS at {self.login.place} refused us ({words}); check cluster.user and cluster.password_file"
        else:
            what = f"NATS at {self.login.place} cannot be reached; check cluster.nats_urls and that a server runs"
        self._tell(False, what)

    def _tell(self, is_up: bool, detail: str) -> None:
        if detail == self._said:
            return
        self._said = detail
        for say in self._says:
            say(is_up, detail)

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            client = await self.client()
            while self._out:
                subject, data = self._out.popleft()
                # It comes again, as all that may be lost
                with contextlib.suppress(nats.errors.Error, OSError):
                    await client.publish(subject, data)

    async def _close(self) -> None:
        client, self._client = self._client, None
        self._up.clear()
        if client is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                while self._out:
                    await client.publish(*self._out.popleft())
                await client.flush()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                await client.close()


async def first_of(*events: Awaitable[Any], timeout_s: float) -> None:
    """Returns when one of them is over, or time."""
    tasks = [asyncio.ensure_future(one) for one in events]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
