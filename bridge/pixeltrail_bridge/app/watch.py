"""The operator's side of a running bridge: readings taken, alerts told, metrics answered, systemd kept informed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from ..backup import schedule
from ..config import Config
from ..errors import PixeltrailError
from ..ingest.committer import Health
from ..ingest.latency import Durations
from ..sources.base import LinkState
from ..store.database import SqlStore
from ..watch.alerts import Alert, Alerts, Webhook
from ..watch.conditions import Conditions, Thresholds
from ..watch.page import describe
from ..watch.readings import Readings, StoreReadings, Wanted, read_store
from ..web.live import Hub
from ..web.queries import device_facts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from .worker import Worker

_FRESH_MS = 1_000  # readings of the store serve everybody who asks meanwhile

ALERTS = "alerts"  # a duty: what every worker sees is told by one
_OWN_KINDS = ("backup", "clock", "disk", "ingest", "source")
_MOST_DEVICES = 5_000  # in one answer; a larger fleet looks at its metrics

log = structlog.get_logger(__name__)


class Watch:
    """`run` is for a worker's task; `readings` and the routes for the event loop. `worker` is None in a viewer.

    `links` are a viewer's own: how it hears of commits.
    """

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        worker: Worker | None,
        hub: Hub,
        links: Callable[[], Mapping[str, LinkState]] = dict,
    ) -> None:
        self._links = links
        self._config, self._store, self._worker, self._hub = config, store, worker, hub
        at = config.alerts
        self._wanted = Wanted(
            database=None if config.store.url else config.bridge.database,
            devices=config.metrics.devices,
            silent_ms=round(at.device_silent_min * 60_000),
        )
        self._conditions = Conditions(thresholds(config))
        self._alerts = Alerts(round(at.repeat_h * 3_600_000))
        address = at.url.reveal()
        self.webhook = Webhook(address, store.bridge_id.hex()) if address else None
        self._read: StoreReadings | None = None
        self._read_ms = 0
        self._reading = asyncio.Lock()
        self._told_of_all = False

    @property
    def standing(self) -> list[Alert]:
        return self._alerts.standing

    async def readings(self) -> Readings:
        async with self._reading:
            monotonic_ms = time.monotonic_ns() // 1_000_000
            if self._read is None or monotonic_ms - self._read_ms >= _FRESH_MS:
                self._read = await asyncio.to_thread(read_store, self._store, host_ms(), self._wanted)
                self._read_ms = monotonic_ms
            read = self._read
        return Readings(
            now_ms=host_ms(),
            store=read,
            viewers=self._hub.viewers,
            viewers_refused=self._hub.places.refused,
            duties=dict(self._store.duties),
            **self._readings_of_worker(),
        )

    def _readings_of_worker(self) -> dict[str, Any]:
        worker = self._worker
        if worker is None:  # a viewer takes nothing, and nothing is wrong with that
            return {
                "ingest": Health(state="running", sources=dict(self._links())),
                "commit_times": Durations(),
                "waits": Durations(),
                "is_viewer": True,
            }
        backups = worker.backups
        return {
            "ingest": worker.ingest.health,
            "commit_times": worker.ingest.commit_times,
            "waits": worker.ingest.waits,
            "sinks": {**worker.delivery.health, **worker.uploads.health},
            "backup_ms": backups.last_ms if backups and self._makes_backups() else None,
            "backup_problem": backups.problem if backups else None,
        }

    async def look(self) -> list[Alert]:
        """Look once; returns what was told."""
        now = await self.readings()
        conditions = self._conditions.look(now, time.monotonic_ns() // 1_000_000)
        news = self._alerts.update(conditions, now.now_ms)
        is_ours = await self._tells_of_all()
        for alert in news:
            level = log.warning if alert.state == "firing" else log.info
            text, device = alert.condition.text, alert.condition.device
            if device is None:
                level("alert", state=alert.state, kind=alert.condition.kind, text=text)
            else:  # its name goes where logs hash it
                text = text.replace(device, "a device", 1)
                level("alert", state=alert.state, kind=alert.condition.kind, text=text, device=device)
        if self.webhook is not None:
            self.webhook.tell(one for one in self._new_to_us(news, is_ours) if is_ours or _is_own(one))
            self._told_of_all = is_ours
        return news

    def _new_to_us(self, news: list[Alert], is_ours: bool) -> list[Alert]:
        """With what stands already, where another worker told it and may have ended before it could."""
        if not is_ours or self._told_of_all:
            return news
        keys = {one.condition.key for one in news}
        return [*news, *(one for one in self.standing if one.condition.key not in keys)]

    async def _tells_of_all(self) -> bool:
        """Whether this worker tells what every worker sees; in doubt, none does twice."""
        try:
            return await asyncio.to_thread(self._store.hold, ALERTS)
        except PixeltrailError:
            return False

    def _makes_backups(self) -> bool:
        return self._store.duties.get(schedule.DUTY, True)

    async def run(self) -> None:
        """Until cancelled; a look that fails is one look less."""
        async with asyncio.TaskGroup() as group:
            if self.webhook is not None:
                group.create_task(self.webhook.run(), name="alerts")
            while True:
                try:
                    await self.look()
                except Exception:  # noqa: BLE001 a fault of ours may not end what tells of faults
                    log.exception("the bridge could not be looked at")
                await asyncio.sleep(self._config.alerts.every_s)

    def routes(self) -> list[BaseRoute]:
        from starlette.routing import Route

        routes: list[BaseRoute] = [Route("/api/fleet", self._fleet)]
        return [*routes, Route("/metrics", self._metrics)] if self._config.metrics.enabled else routes

    async def _fleet(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        now = await self.readings()
        devices = await asyncio.to_thread(device_facts, self._store)
        body = {"bridge": describe(now, self.standing), "devices": devices[:_MOST_DEVICES]}
        return JSONResponse(body, headers={"cache-control": "no-store"})

    async def _metrics(self, request: Request) -> Response:
        from starlette.responses import Response

        from ..watch.metrics import CONTENT_TYPE, render

        return Response(render(await self.readings()), headers={"content-type": CONTENT_TYPE})


def _is_own(alert: Alert) -> bool:
    """Whether no other worker sees it."""
    return alert.condition.kind in _OWN_KINDS


def thresholds(config: Config) -> Thresholds:
    at = config.alerts
    return Thresholds(
        silent_ms=round(at.device_silent_min * 60_000),
        backlog_ms=round(at.backlog_min * 60_000),
        disk_bytes=at.disk_mb << 20,
        refused_ms=round(at.lasts_s * 1000),
        dead_letters=at.dead_letters,
        clock=at.clock,
    )


def host_ms() -> int:
    return time.time_ns() // 1_000_000
