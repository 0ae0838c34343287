"""Start and stop of all parts.

    sources -> ingest -> store -> projector -> hub -> page
                           |
                           +-> delivery -> sinks
                           +-> uploads -> replay sinks

A worker is everything up to the sinks (worker.py), a viewer the page (front.py); one box is both, and so may be a node
of a cluster. Started from the store outwards and stopped in the opposite order, so that nothing is taken that cannot be
kept. The event loop serves the page and sends to the sinks; sources, ingest and projector have threads of their own,
and the database is never touched on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog

from ..config import Config
from ..delivery import Delivery
from ..errors import StoreAway, StoreError
from ..ingest import Ingest
from ..keeper import Keeper
from ..packer import Packer
from ..projector import Projector
from ..store.database import SqlStore
from ..store.tombstones import salt_of
from ..uploads import Uploads
from ..web.live import Hub
from . import cluster, exposure, parts, reload
from .front import Front, cancel, serve_waiting
from .logs import set_up_logging
from .redaction import redactor
from .watch import Watch
from .worker import Worker

if TYPE_CHECKING:
    from ..sources.nats_link import NatsLink
    from ..web.server import WebServer
    from .mobile import MobileBridge

# Alerts that no other line of `problems` tells.
_NOT_SHOWN_ELSE = ("backlog", "backup", "device_silent", "disk", "clock")
_RETRY_S = 1.0

log = structlog.get_logger(__name__)


class Bridge:
    """`async with Bridge(config) as bridge:`, or start() and stop(). Raises PixeltrailError when it cannot start.

    `failed` gets a reason when the store must not be used any more; all that is left then is to end the process.
    A node of a cluster waits in start() for a database that is away; once `ended` is set it waits no more and raises
    CancelledError. `worker` is None in a viewer.
    """

    def __init__(self, config: Config, ended: asyncio.Event | None = None) -> None:
        self.config, self._ended = config, ended or asyncio.Event()
        self.hub = Hub()
        self.failed: asyncio.Future[str]
        self.store: SqlStore
        self.worker: Worker | None = None
        self.watch: Watch
        self.settings_problem: str | None = None  # why those that were to be read again were refused
        self._stack = contextlib.AsyncExitStack()
        self._front: Front
        self._link: NatsLink | None = None

    # --- life -----------------------------------------------------------------

    async def start(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        log.info(
            "bridge started",
            role=self.config.bridge.role,
            data=str(self.config.bridge.data_dir),
            bridge_id=self.store.bridge_id.hex(),
        )

    async def stop(self) -> None:
        """Take nothing more, finish what was taken, and end within seconds."""
        await self._stack.aclose()
        log.info("bridge stopped")

    async def __aenter__(self) -> Bridge:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        config, role = self.config, self.config.bridge.role
        exposure.check(config)
        cluster.check(config)
        for words in exposure.warnings(config):
            log.warning(words)
        stack.enter_context(
            parts.sole_user(config.bridge.data_dir, "viewer" if role == "viewer" else "bridge")
        )
        sinks = parts.make_sinks(config)
        self.store = await self._open_store([sink.name for sink in sinks])
        self.store.on_failure = self._on_failure
        stack.push_async_callback(asyncio.to_thread, self.store.close)
        redactor.key = await asyncio.to_thread(self.store.commit_batch, lambda tx: salt_of(tx.db))
        redactor.plain_ids = config.privacy.log_ids == "plain"
        self._link = cluster.make_link(config)
        if self._link is not None:
            stack.push_async_callback(asyncio.to_thread, self._link.stop)
        self._front = Front(config, self.store, self.hub, self.health)
        if role != "viewer":
            self.worker = Worker(config, self.store, sinks, self._link)
            self._let_hear(self.worker)
            await self.worker.start(config, stack)
        self.watch = Watch(config, self.store, self.worker, self.hub, self._front.links)
        if self.worker is not None:
            stack.push_async_callback(cancel, asyncio.create_task(self.watch.run(), name="watch"))
            await self.worker.open(config, stack)
        if self._link is not None:
            self._link.start()
        if config.web.enabled:  # last: its imports take as long as all the rest
            await self._start_front(stack)

    async def _open_store(self, sinks: Sequence[str]) -> SqlStore:
        """A node of a cluster starts in any order with its database, and says once that it waits."""
        said = ""
        async with contextlib.AsyncExitStack() as stack:
            while not self._ended.is_set():
                try:
                    return await asyncio.to_thread(parts.make_store, self.config, sinks)
                except StoreAway as error:
                    if not self.config.cluster.nats_urls:
                        raise
                    if not said and self.config.web.enabled:
                        await serve_waiting(self.config, stack)
                    if str(error) != said:
                        log.error("waiting for the database", error=str(error))
                        said = str(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _RETRY_S)
        raise asyncio.CancelledError

    def _let_hear(self, worker: Worker) -> None:
        """Tell those who look on: the page of this process, or viewers over NATS."""
        if self._link is not None:
            from .relay import Announcer

            worker.tell(Announcer(self._link))
            return
        worker.tell(self._front)
        if not self.store.is_shared:
            worker.projector.subscribe(self._front.feed.take)

    async def _start_front(self, stack: contextlib.AsyncExitStack) -> None:
        if self.config.bridge.role == "worker":
            await self._front.start_for_programs(self.watch.routes(), stack)
            return
        if self.store.is_shared:
            await self._front.follow(self._link, stack)
        sinks = self.delivery.sinks if self.worker is not None else parts.make_sinks(self.config)
        wake = self.delivery.wake if self.worker is not None else lambda: None  # workers look by themselves
        await self._front.start(lambda: self.config, wake, sinks, self.watch.routes(), stack)

    async def reload(self, config: Config) -> list[str]:
        """Go on with other settings; returns those that changed and need a restart, which keep their old values.

        Everything is checked before anything changes. Raises ConfigError: all stays as it was.
        """
        changes = reload.plan(self.config, config)
        if self.worker is not None:
            await self.worker.reload(changes)
        self.config = changes.config
        redactor.plain_ids = self.config.privacy.log_ids == "plain"
        self.settings_problem = None
        if changes.logging:
            set_up_logging(self.config.bridge)
        log.info("settings read again", changed=list(changes.applied) or "nothing")
        for key in changes.needs_restart:
            log.warning("this setting changes with the next start", setting=key)
        return list(changes.needs_restart)

    def _on_failure(self, reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the bridge is ending
            self.failed.get_loop().call_soon_threadsafe(self.failed.set_result, reason)

    # --- its parts ----------------------------------------------------------------

    @property
    def _working(self) -> Worker:
        assert self.worker is not None, "a viewer takes nothing"
        return self.worker

    @property
    def ingest(self) -> Ingest:
        return self._working.ingest

    @property
    def projector(self) -> Projector:
        return self._working.projector

    @property
    def delivery(self) -> Delivery:
        return self._working.delivery

    @property
    def uploads(self) -> Uploads:
        return self._working.uploads

    @property
    def keeper(self) -> Keeper:
        return self._working.keeper

    @property
    def packer(self) -> Packer | None:
        return self._working.packer

    @property
    def mobile(self) -> MobileBridge | None:
        return self.worker.mobile if self.worker is not None else None

    # --- for people and tests -----------------------------------------------------

    @property
    def turns(self) -> int:
        """Goes up while work goes on."""
        return self.worker.ingest.turns if self.worker is not None else self._front.turns

    @property
    def web(self) -> WebServer | None:
        return self._front.server

    @property
    def web_port(self) -> int | None:
        return self._front.port

    @property
    def mqtt_port(self) -> int | None:
        """Port of the broker inside, None without one."""
        return self.worker.links.mqtt_port if self.worker is not None else None

    def page_url(self) -> str | None:
        return self._front.url()

    def addresses(self) -> list[str]:
        """Lines that tell a person where everything is."""
        lines = [f"Page:     {self.page_url()}"] if self.page_url() else []
        if self.worker is None:
            return [*lines, f"Database: {self.store.place}"]
        lines += [f"Devices:  {where}" for where in self.worker.links.addresses()]
        lines += [f"Apps:     {self.mobile.url}"] if self.mobile else []
        return [
            *lines,
            f"Events:   {', '.join(self.delivery.health)}",
            *([f"Replays:  {', '.join(self.uploads.health)}"] if self.uploads.health else []),
            f"Data:     {self.config.bridge.data_dir}",
        ]

    def summary(self) -> str:
        """One line for whoever lists services."""
        if self.worker is None:
            return f"viewer at {self.page_url()}"
        return f"{len(self.ingest.health.sources)} sources, sinks: {', '.join(self.delivery.health)}"

    async def health(self) -> dict[str, Any]:
        """`ok` while it can do its work; `problems` also names what does not stop it."""
        problems = list(self.worker.problems() if self.worker is not None else self._front.problems())
        is_ok = self.worker is None or self.worker.is_ready
        try:
            figures = await asyncio.to_thread(self._figures)
        except StoreError as error:
            problems.append(str(error))
            is_ok, figures = False, {}
        if self.settings_problem is not None:
            problems.append(f"new settings were refused, the earlier ones stay: {self.settings_problem}")
        problems += [
            one.condition.text for one in self.watch.standing if one.condition.kind in _NOT_SHOWN_ELSE
        ]
        return {"ok": is_ok, "role": self.config.bridge.role, "problems": problems, **figures}

    def _figures(self) -> dict[str, Any]:
        if self.worker is not None:
            return self.worker.figures()
        self.store.sessions("")  # whether the database answers
        return {"ingest": None, "sinks": {}}


@contextlib.contextmanager
def until_signal(on_hangup: Callable[[], None] | None = None) -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set, in place of what they did; SIGHUP calls `on_hangup`."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM), ended.set)
    if on_hangup is not None:
        handlers[signal.SIGHUP] = on_hangup
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield ended
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def running(config: Config) -> Iterator[Bridge]:
    """A bridge on an event loop in a thread of its own, for callers without one."""
    bridge = Bridge(config)
    loop = asyncio.new_event_loop()

    def work() -> None:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=work, name="bridge", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(bridge.start(), loop).result()
        try:
            yield bridge
        finally:
            asyncio.run_coroutine_threadsafe(bridge.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
