"""Start and stop of all parts.

    sources -> ingest -> store -> projector -> hub -> page
                           |
                           +-> delivery -> sinks
                           +-> uploads -> replay sinks

Started from the store outwards and stopped in the opposite order, so that nothing is taken that cannot be kept. The
event loop serves the page and sends to the sinks; sources, ingest and projector have threads of their own, and the
database is never touched on the loop.
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

from ..backup.schedule import Backups
from ..config import Config
from ..delivery import Delivery, SinkHealth
from ..ingest import Committed, Ingest
from ..keeper import Keeper
from ..mapping.chunks import map_chunk, map_sync
from ..mapping.presence import map_presence
from ..packer import Packer
from ..projector import Projector
from ..sources.base import TextLine
from ..store.database import SqlStore
from ..store.tombstones import salt_of
from ..uploads import Uploads
from ..web.feed import Feed
from ..web.live import Hub
from ..wire.messages import KeyframeRequest
from . import exposure, parts, reload, replays
from .links import Links
from .logs import set_up_logging
from .redaction import redactor
from .watch import Watch

# Alerts that no other line of `problems` tells.
_NOT_SHOWN_ELSE = ("backlog", "backup", "device_silent", "disk", "clock")
_REFRESH_S = 1.0  # how old the page's facts about devices may be

if TYPE_CHECKING:
    from ..web.queries import StoreQueries
    from ..web.server import WebServer
    from .mobile import MobileBridge

log = structlog.get_logger(__name__)


class Bridge:
    """`async with Bridge(config) as bridge:`, or start() and stop(). Raises PixeltrailError when it cannot start.

    `failed` gets a reason when the store must not be used any more; all that is left then is to end the process.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hub = Hub()
        self.failed: asyncio.Future[str]
        self._stack = contextlib.AsyncExitStack()
        self.store: SqlStore
        self.ingest: Ingest
        self.projector: Projector
        self.delivery: Delivery
        self.uploads: Uploads
        self.packer: Packer | None = None
        self.keeper: Keeper
        self._forgetful: list[Callable[[], None]] = []  # caches that may hold what was forgotten
        self.backups: Backups | None = None
        self.watch: Watch
        self._links: Links
        self._web: WebServer | None = None
        self.mobile: MobileBridge | None = None
        self.settings_problem: str | None = None  # why those that were to be read again were refused

    # --- life -----------------------------------------------------------------

    async def start(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        async with contextlib.AsyncExitStack() as stack:
            await self._start_core(stack)
            await self._start_links(stack)
            await self._start_mobile(stack)
            await self._start_page(stack)  # last: its imports take as long as all the rest
            self._stack = stack.pop_all()
        log.info(
            "bridge started", data=str(self.config.bridge.data_dir), bridge_id=self.store.bridge_id.hex()
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

    async def _start_core(self, stack: contextlib.AsyncExitStack) -> None:
        config = self.config
        exposure.check(config)
        for words in exposure.warnings(config):
            log.warning(words)
        stack.enter_context(parts.sole_user(config.bridge.data_dir))
        sinks, replay_sinks = parts.make_sinks(config), replays.make_replay_sinks(config)
        names = [sink.name for sink in sinks]
        self.store = await asyncio.to_thread(parts.make_store, config, names)
        self.store.on_failure = self._on_failure
        stack.push_async_callback(asyncio.to_thread, self.store.close)
        redactor.key = await asyncio.to_thread(self.store.commit_batch, lambda tx: salt_of(tx.db))
        redactor.plain_ids = config.privacy.log_ids == "plain"
        self.keeper = parts.make_keeper(config, self.store, self._on_erased)
        await asyncio.to_thread(self.keeper.recover)
        self.delivery = Delivery(self.store, sinks)
        await self.delivery.start()
        stack.push_async_callback(self.delivery.stop)
        deletions = parts.make_deletions(config, self.store)
        await deletions.start()
        stack.push_async_callback(deletions.stop)
        self.uploads = Uploads(self.store, replay_sinks, config.amplitude_replay.piece_s * 1000)
        await self.uploads.start()
        stack.push_async_callback(self.uploads.stop)
        self.ingest = Ingest(
            self.store,
            parts.ingest_settings(config),
            map_chunk=map_chunk,
            map_sync=map_sync,
            map_presence=map_presence,
            on_commit=self._on_commit,
            on_text=_log_text,
        )
        self.projector = Projector(
            self.store, parts.projector_settings(config), self._request_keyframe, self.delivery.wake
        )
        self.projector.subscribe(Feed(self.hub).take)
        self.projector.start()
        stack.push_async_callback(asyncio.to_thread, self.projector.stop)
        self.keeper.start()
        stack.push_async_callback(asyncio.to_thread, self.keeper.stop)
        if config.packing.enabled:
            self.packer = parts.make_packer(config, self.store)
            self.packer.start()
            stack.push_async_callback(asyncio.to_thread, self.packer.stop)
        if config.backup.every_h:
            self.backups = parts.make_backups(config, self.store)
            self.backups.start()
            stack.push_async_callback(asyncio.to_thread, self.backups.stop)
        self.ingest.start()
        stack.push_async_callback(asyncio.to_thread, self.ingest.stop)
        self.watch = Watch(
            config, self.store, self.ingest, self.delivery, self.uploads, self.hub, self.backups
        )
        stack.push_async_callback(_cancel, asyncio.create_task(self.watch.run(), name="watch"))

    async def _start_page(self, stack: contextlib.AsyncExitStack) -> None:
        web = self.config.web
        if not web.enabled:
            return
        from ..web import guard, routes
        from ..web.access import Doorman
        from ..web.login import LoginRoutes
        from ..web.queries import StoreQueries
        from ..web.server import WebServer
        from .access import make_access
        from .page import make_viewing

        queries = StoreQueries(self.store, self.hub, self.health)
        await queries.refresh()
        names = guard.allowed_names(web.host, web.public_url, web.allowed_hosts)
        viewing = make_viewing(
            self.store, lambda: self.config, self.delivery.wake, self.hub, self.delivery.sinks
        )
        stack.push_async_callback(asyncio.to_thread, viewing.close)
        self._forgetful.append(viewing.forget)
        access = make_access(self.config, self.store)
        stack.push_async_callback(asyncio.to_thread, access.close)
        login = LoginRoutes(access)
        stack.push_async_callback(asyncio.to_thread, login.close)
        more = [*viewing.routes(), *self.watch.routes(), *login.routes()]
        app = routes.build(self.hub, queries, names, more, lambda inner: Doorman(inner, access))
        self._web = WebServer(app, web.host, web.port, exposure.page_tls(self.config))
        await self._web.start()
        stack.push_async_callback(self._web.stop)
        task = asyncio.create_task(self._keep_facts_fresh(queries), name="facts")
        stack.push_async_callback(_cancel, task)

    async def _start_links(self, stack: contextlib.AsyncExitStack) -> None:
        self._links = Links(self.config, self.store.bridge_id)
        stack.push_async_callback(asyncio.to_thread, self._links.stop)
        await asyncio.to_thread(self._links.start, self.ingest)

    async def _start_mobile(self, stack: contextlib.AsyncExitStack) -> None:
        if not self.config.mobile.enabled:
            return
        from .mobile import MobileBridge  # its imports are those of the page

        self.mobile = MobileBridge(
            self.config, self.store, lambda: self.ingest.health.is_ready, self._on_app_events
        )
        await self.mobile.start()
        stack.push_async_callback(self.mobile.stop)

    async def reload(self, config: Config) -> list[str]:
        """Go on with other settings; returns those that changed and need a restart, which keep their old values.

        Everything is checked before anything changes. Raises ConfigError: all stays as it was.
        """
        changes = reload.plan(self.config, config)
        for sink in reload.apply(changes, self.store, self.ingest, self.projector, self.delivery):
            await asyncio.to_thread(self._hurry, sink)
        self.delivery.wake()
        self.config = changes.config
        self.keeper.keep = parts.keep_for(self.config)
        redactor.plain_ids = self.config.privacy.log_ids == "plain"
        self.ingest.set_blocked(parts.blocked(self.config))
        self.settings_problem = None
        if self.mobile is not None:
            self.mobile.update(self.config)
        if changes.logging:
            set_up_logging(self.config.bridge)
        log.info("settings read again", changed=list(changes.applied) or "nothing")
        for key in changes.needs_restart:
            log.warning("this setting changes with the next start", setting=key)
        return list(changes.needs_restart)

    def _hurry(self, sink: str) -> None:
        self.store.commit_batch(lambda tx: tx.hurry_deliveries(sink))

    # --- between the parts ------------------------------------------------------

    def _request_keyframe(self, device_id: str, request: KeyframeRequest) -> None:
        self.ingest.send(device_id, request)  # a device that is away sends a keyframe when it connects

    def _on_commit(self, committed: Committed) -> None:
        self.projector.notify(committed.device_id, committed.stream, committed.watermark)
        self.delivery.wake()
        self.uploads.hear(committed.device_id)
        self.hub.tell_committed(committed.device_id)

    def _on_erased(self, numbers: Sequence[int], has_device: bool) -> None:
        """Something was forgotten: nothing of it may be shown from memory. On the keeper's thread."""
        rows = self.store._all("SELECT no, device_id FROM devices")
        self.hub.forget({device_id for _, device_id in rows}, {name for no, name in rows if no in numbers})
        self.projector.drop_forgotten({device_id for _, device_id in rows})
        for forget in self._forgetful:
            forget()
        links: Links | None = getattr(self, "_links", None)  # the keeper works before there are any
        if has_device and links is not None:
            links.forget()
        log.info("something was forgotten", devices=len(numbers))

    def _on_app_events(self, device_ids: set[str]) -> None:
        self.delivery.wake()
        for device_id in device_ids:
            self.hub.tell_committed(device_id)

    def _on_failure(self, reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the bridge is ending
            self.failed.get_loop().call_soon_threadsafe(self.failed.set_result, reason)

    async def _keep_facts_fresh(self, queries: StoreQueries) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            if self.hub.viewers:
                try:
                    await queries.refresh()
                except Exception:  # noqa: BLE001 the page goes on with what it knew
                    log.exception("facts about devices could not be read")

    # --- for people and tests -----------------------------------------------------

    @property
    def web_port(self) -> int | None:
        return self._web.port if self._web else None

    @property
    def mqtt_port(self) -> int | None:
        """Port of the broker inside, None without one."""
        return self._links.mqtt_port

    def page_url(self) -> str | None:
        if self._web is None:
            return None
        host = parts.reachable(self.config.web.host)
        scheme = "http" if exposure.page_certificate(self.config) is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host and '[' not in host else host}:{self._web.port}/"

    def addresses(self) -> list[str]:
        """Lines that tell a person where everything is."""
        lines = [f"Page:     {self.page_url()}"] if self._web else []
        lines += [f"Devices:  {where}" for where in self._links.addresses()]
        lines += [f"Apps:     {self.mobile.url}"] if self.mobile else []
        return [
            *lines,
            f"Events:   {', '.join(self.delivery.health)}",
            *([f"Replays:  {', '.join(self.uploads.health)}"] if self.uploads.health else []),
            f"Data:     {self.config.bridge.data_dir}",
        ]

    def summary(self) -> str:
        """One line for whoever lists services."""
        return f"{len(self.ingest.health.sources)} sources, sinks: {', '.join(self.delivery.health)}"

    async def health(self) -> dict[str, Any]:
        """`ok` while messages are taken; `problems` also names what does not stop the bridge."""
        ingest = self.ingest.health
        problems = [words for words in (ingest.error, ingest.warning) if words]
        if self.settings_problem is not None:
            problems.append(f"new settings were refused, the earlier ones stay: {self.settings_problem}")
        problems += [
            f"{device or 'new devices'}: {count:,} messages above the quota were refused; they come again. See [quotas]"
            for device, count in self.ingest.quotas.over().items()
        ]
        problems += [f"{link.source}: {link.detail}" for link in ingest.sources.values() if not link.is_up]
        if self.keeper.problem:
            problems.append(f"retention waits: {self.keeper.problem}")
        if self.packer is not None and self.packer.problem:
            problems.append(f"packing waits: {self.packer.problem}")
        sinks = {}
        for name, health in self.delivery.health.items():
            pending = await asyncio.to_thread(self.store.pending, name)
            sinks[name] = _describe(health, pending)
            problems += [f"{name}: {health.alarm}"] if health.alarm else []
        for name, health in self.uploads.health.items():
            waiting = await asyncio.to_thread(self.uploads.waiting, name)
            sinks[name] = _describe(health, waiting)
            problems += [f"{name}: {health.alarm}"] if health.alarm else []
        problems += [
            one.condition.text for one in self.watch.standing if one.condition.kind in _NOT_SHOWN_ELSE
        ]
        return {
            "ok": ingest.is_ready,
            "problems": problems,
            "ingest": {
                "state": ingest.state,
                "messages": ingest.messages,
                "queued": ingest.queued_messages,
                "refused": ingest.refused_messages,
            },
            "sinks": sinks,
        }


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


def _describe(health: SinkHealth, pending: int) -> dict[str, Any]:
    return {
        "state": health.state,
        "pending": pending,
        "sent": health.sent,
        "dead": health.dead,
        "alarm": health.alarm,
    }


def _log_text(line: TextLine) -> None:
    log.info("device says", source=line.source, text=line.text)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
