"""What people see: the page, its live pictures and recordings, and the addresses that supervisors ask.

In one box the projector's pictures go straight to the page. Where several bridges share a database any of them may have
a device, so the page follows what all of them commit. A worker alone answers nothing but whether it is well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from ..config import Config
from ..errors import StoreError
from ..sinks.base import Sink
from ..sources.base import LinkState
from ..store.database import SqlStore
from ..web.feed import Feed
from ..web.live import Hub
from . import exposure, parts

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from ..sources.nats_link import NatsLink
    from ..tail import Tail, Watched
    from ..web.queries import StoreQueries
    from ..web.server import WebServer
    from .relay import Listener

_REFRESH_S = 1.0  # how old the page's facts about devices may be

log = structlog.get_logger(__name__)

Health = Callable[[], Awaitable[dict[str, Any]]]


class Front:
    """`start` and `follow` add to the stack what ends them. Told of what happens, it tells the pages that are open."""

    def __init__(self, config: Config, store: SqlStore, hub: Hub, health: Health) -> None:
        self._config, self._store, self._health = config, store, health
        self.hub, self.feed = hub, Feed(hub)
        self.listener: Listener | None = None
        self._forgetful: list[Callable[[], None]] = []  # caches that may hold what was forgotten
        self.server: WebServer | None = None
        self._tail: Tail | None = None
        self.turns = 0

    # ---- what is told ------------------------------------------------------------

    def committed(self, device_id: str, stream: bytes, watermark: int) -> None:
        if self._tail is not None:
            self._tail.hear(device_id, stream, watermark)
        self.hub.tell_committed(device_id)

    def has_events(self, device_id: str) -> None:
        self.hub.tell_committed(device_id)

    def forgotten(self, numbers: Sequence[int] | None) -> None:
        """None: of some devices, and nobody knows which."""
        rows = self._store._all("SELECT no, device_id FROM devices")
        known = {device_id for _, device_id in rows}
        changed = known if numbers is None else {name for no, name in rows if no in numbers}
        for forget in self._forgetful:
            forget()
        if self._tail is not None:
            self._tail.look_again(lambda: self.hub.forget(known, changed))
        else:
            self.hub.forget(known, changed)

    # ---- life --------------------------------------------------------------------

    async def follow(self, link: NatsLink | None, stack: contextlib.AsyncExitStack) -> None:
        """Show what all workers commit: as NATS tells of it, or, without, as this object is told."""
        from ..tail import Tail

        self._tail = tail = Tail(self._store, self.feed)
        self.hub.on_watch = tail.watch
        if link is not None:
            self._listen(link, tail)
        await asyncio.to_thread(tail.start)
        stack.push_async_callback(asyncio.to_thread, tail.stop)

    def _listen(self, link: NatsLink, tail: Tail) -> None:
        from .relay import Listener

        def forgotten(numbers: Sequence[int] | None) -> None:
            try:
                self.forgotten(numbers)
            except StoreError as error:
                log.warning("what was forgotten could not be looked up", error=str(error))
                self.hub.forget(set(), set())

        self.listener = listener = Listener(link, self.hub, tail.hear, forgotten)

        def watch(watched: Watched) -> None:
            listener.watch(watched)
            tail.watch(watched)

        self.hub.on_watch = watch

    async def start(
        self,
        config: Callable[[], Config],
        wake: Callable[[], None],
        sinks: Sequence[Sink],
        more: Sequence[BaseRoute],
        stack: contextlib.AsyncExitStack,
    ) -> None:
        """Serve the page. `config` gives the settings in force; `wake` tells the delivery that there is something."""
        from ..web import routes
        from ..web.access import Doorman
        from ..web.login import LoginRoutes
        from ..web.queries import StoreQueries
        from .access import make_access
        from .page import make_viewing

        queries = StoreQueries(self._store, self.hub, self._health)
        await queries.refresh()
        viewing = make_viewing(self._store, config, wake, self.hub, sinks)
        stack.push_async_callback(asyncio.to_thread, viewing.close)
        self._forgetful.append(viewing.forget)
        access = make_access(self._config, self._store)
        stack.push_async_callback(asyncio.to_thread, access.close)
        login = LoginRoutes(access)
        stack.push_async_callback(asyncio.to_thread, login.close)
        all_of_them = [*viewing.routes(), *more, *login.routes()]
        app = routes.build(
            self.hub, queries, _names(self._config), all_of_them, lambda inner: Doorman(inner, access)
        )
        await self._serve(app, stack)
        task = asyncio.create_task(self._keep_facts_fresh(queries), name="facts")
        stack.push_async_callback(cancel, task)

    async def start_for_programs(self, more: Sequence[BaseRoute], stack: contextlib.AsyncExitStack) -> None:
        """Without a page: whether it is well, and its figures."""
        from ..web import routes
        from ..web.access import Doorman
        from .access import make_access

        access = make_access(self._config, self._store)
        stack.push_async_callback(asyncio.to_thread, access.close)
        app = routes.build_for_programs(
            self.hub, self._health, _names(self._config), more, lambda inner: Doorman(inner, access)
        )
        await self._serve(app, stack)

    async def _serve(self, app: ASGIApp, stack: contextlib.AsyncExitStack) -> None:
        from ..web.server import WebServer

        web = self._config.web
        self.server = WebServer(app, web.host, web.port, exposure.page_tls(self._config))
        await self.server.start()
        stack.push_async_callback(self.server.stop)

    async def _keep_facts_fresh(self, queries: StoreQueries) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            self.turns += 1
            if self.hub.viewers:
                try:
                    await queries.refresh()
                except Exception:  # noqa: BLE001 the page goes on with what it knew
                    log.exception("facts about devices could not be read")

    # ---- for people --------------------------------------------------------------

    @property
    def port(self) -> int | None:
        return self.server.port if self.server else None

    def links(self) -> dict[str, LinkState]:
        """How it hears of commits elsewhere."""
        listener = self.listener
        return {"nats": LinkState("nats", listener.is_up, listener.detail)} if listener is not None else {}

    def problems(self) -> Iterator[str]:
        """Of the live pictures; recordings are the database's."""
        if self.listener is not None and not self.listener.is_up:
            yield f"{self.listener.detail}; live pictures come late"
        if self._tail is not None and self._tail.problem:
            yield f"live pictures wait: {self._tail.problem}"

    def url(self) -> str | None:
        if self.server is None:
            return None
        host = parts.reachable(self._config.web.host)
        scheme = "http" if exposure.page_certificate(self._config) is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.server.port}/"


async def serve_waiting(config: Config, stack: contextlib.AsyncExitStack) -> None:
    """Before there is a database: tell supervisors that the process lives, and is not ready."""
    from ..web import routes
    from ..web.server import WebServer

    async def health() -> dict[str, Any]:
        return {"ok": False}

    app = routes.build_for_supervisors(health, _names(config))
    server = WebServer(app, config.web.host, config.web.port, exposure.page_tls(config))
    await server.start()
    stack.push_async_callback(server.stop)


def _names(config: Config) -> frozenset[str]:
    from ..web import guard

    web = config.web
    return guard.allowed_names(web.host, web.public_url, web.allowed_hosts)


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
