"""The operator's side of a running bridge: readings taken, alerts told, metrics answered, systemd kept informed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from ..backup.schedule import Backups
from ..config import Config
from ..delivery import Delivery
from ..ingest import Ingest
from ..store.database import SqlStore
from ..uploads import Uploads
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

_FRESH_MS = 1_000  # readings of the store serve everybody who asks meanwhile

_MOST_DEVICES = 5_000  # in one answer; a larger fleet looks at its metrics

log = structlog.get_logger(__name__)


class Watch:
    """`run` is for a task; `readings` and the routes for the event loop."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        ingest: Ingest,
        delivery: Delivery,
        uploads: Uploads,
        hub: Hub,
        backups: Backups | None = None,
    ) -> None:
        self._backups = backups
        self._config, self._store, self._ingest = config, store, ingest
        self._delivery, self._uploads, self._hub = delivery, uploads, hub
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
            ingest=self._ingest.health,
            commit_times=self._ingest.commit_times,
            waits=self._ingest.waits,
            store=read,
            sinks={**self._delivery.health, **self._uploads.health},
            viewers=self._hub.viewers,
            backup_ms=self._backups.last_ms if self._backups else None,
            backup_problem=self._backups.problem if self._backups else None,
        )

    async def look(self) -> list[Alert]:
        """Look once; returns what was told."""
        now = await self.readings()
        conditions = self._conditions.look(now, time.monotonic_ns() // 1_000_000)
        news = self._alerts.update(conditions, now.now_ms)
        for alert in news:
            level = log.warning if alert.state == "firing" else log.info
            text, device = alert.condition.text, alert.condition.device
            if device is None:
                level("alert", state=alert.state, kind=alert.condition.kind, text=text)
            else:  # its name goes where logs hash it
                text = text.replace(device, "a device", 1)
                level("alert", state=alert.state, kind=alert.condition.kind, text=text, device=device)
        if self.webhook is not None:
            self.webhook.tell(news)
        return news

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
