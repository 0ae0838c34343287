"""What a worker does: take messages, commit them, project, deliver, and keep the store in order.

Started from the store outwards and stopped in the opposite order, so that nothing is taken that cannot be kept. What it
has to tell to those who look on goes through `Told`: straight to the page in the same process, or over NATS.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

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
from ..sinks.base import Sink
from ..sources.base import TextLine
from ..store.database import SqlStore
from ..uploads import Uploads
from ..wire.messages import KeyframeRequest
from . import parts, reload, replays
from .links import Links

if TYPE_CHECKING:
    from ..sources.nats_link import NatsLink
    from .mobile import MobileBridge

log = structlog.get_logger(__name__)


class Told(Protocol):
    """Who looks on hears of these. From any thread."""

    def committed(self, device_id: str, stream: bytes, watermark: int) -> None: ...

    def has_events(self, device_id: str) -> None: ...

    def forgotten(self, numbers: Sequence[int]) -> None:
        """Something of the devices of these numbers was erased, or they themselves."""


class Worker:
    """`start` adds to the stack what ends it."""

    def __init__(self, config: Config, store: SqlStore, sinks: Sequence[Sink], link: NatsLink | None) -> None:
        self._store, self._link, self._told = store, link, list[Told]()
        self.keeper: Keeper = parts.make_keeper(config, store, self._on_erased)
        self.delivery = Delivery(store, sinks)
        self.uploads = Uploads(
            store, replays.make_replay_sinks(config), config.amplitude_replay.piece_s * 1000
        )
        self.ingest = Ingest(
            store,
            parts.ingest_settings(config),
            map_chunk=map_chunk,
            map_sync=map_sync,
            map_presence=map_presence,
            on_commit=self._on_commit,
            on_text=_log_text,
        )
        division = parts.make_division(store, self._hears_devices)
        self.projector = Projector(
            store,
            parts.projector_settings(config),
            self._request_keyframe,
            self.delivery.wake,
            division=division,
        )
        self.news = parts.make_news(store, self._hear_of_others, self.projector.look_again)
        self.packer: Packer | None = parts.make_packer(config, store) if config.packing.enabled else None
        self.backups: Backups | None = parts.make_backups(config, store) if config.backup.every_h else None
        self.mobile: MobileBridge | None = None
        self.links = Links(config, store.bridge_id, link, division)

    def tell(self, who: Told) -> None:
        """Add somebody who looks on."""
        self._told.append(who)

    async def start(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        await asyncio.to_thread(self.keeper.recover)
        await self.delivery.start()
        stack.push_async_callback(self.delivery.stop)
        deletions = parts.make_deletions(config, self._store)
        await deletions.start()
        stack.push_async_callback(deletions.stop)
        await self.uploads.start()
        stack.push_async_callback(self.uploads.stop)
        for part in (self.projector, self.news, self.keeper, self.packer, self.backups, self.ingest):
            if part is not None:
                part.start()
                stack.push_async_callback(asyncio.to_thread, part.stop)

    async def open(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Let devices and apps in."""
        stack.push_async_callback(asyncio.to_thread, self.links.stop)
        await asyncio.to_thread(self.links.start, self.ingest)
        if config.mobile.enabled:
            from .mobile import MobileBridge  # its imports are those of the page

            self.mobile = MobileBridge(
                config, self._store, lambda: self.ingest.health.is_ready, self._on_app_events
            )
            await self.mobile.start()
            stack.push_async_callback(self.mobile.stop)

    async def reload(self, changes: reload.Changes) -> None:
        """Go on with other settings."""
        for sink in reload.apply(changes, self._store, self.ingest, self.projector, self.delivery):
            await asyncio.to_thread(self._hurry, sink)
        self.delivery.wake()
        self.keeper.keep = parts.keep_for(changes.config)
        self.ingest.set_blocked(parts.blocked(changes.config))
        if self.mobile is not None:
            self.mobile.update(changes.config)

    def _hurry(self, sink: str) -> None:
        self._store.commit_batch(lambda tx: tx.hurry_deliveries(sink))

    # --- between the parts ------------------------------------------------------

    def _request_keyframe(self, device_id: str, request: KeyframeRequest) -> None:
        self.ingest.send(device_id, request)  # a device that is away sends a keyframe when it connects

    def _on_commit(self, committed: Committed) -> None:
        if self.news is not None:
            self.news.tell(committed.device_id, committed.stream, committed.watermark)
        self._hear(committed)
        self._tell_committed(committed)

    def _tell_committed(self, committed: Committed) -> None:
        for who in self._told:
            who.committed(committed.device_id, committed.stream, committed.watermark)

    def _hear_of_others(self, committed: Committed) -> None:
        self._hear(committed)
        if self._link is None:  # else that worker has told viewers itself
            self._tell_committed(committed)

    def _hear(self, committed: Committed) -> None:
        """This worker or another one has committed something."""
        self.projector.notify(committed.device_id, committed.stream, committed.watermark)
        self.delivery.wake()
        self.uploads.hear(committed.device_id)

    def _on_erased(self, numbers: Sequence[int], has_device: bool) -> None:
        """Something was forgotten: nothing of it may be shown from memory. On the keeper's thread."""
        known = {device_id for (device_id,) in self._store._all("SELECT device_id FROM devices")}
        self.projector.drop_forgotten(known)
        for who in self._told:
            who.forgotten(numbers)
        if has_device:
            self.links.forget()
        log.info("something was forgotten", devices=len(numbers))

    def _on_app_events(self, device_ids: set[str]) -> None:
        self.delivery.wake()
        for device_id in device_ids:
            for who in self._told:
                who.has_events(device_id)

    # --- for people -----------------------------------------------------------------

    def _hears_devices(self) -> bool:
        """Whether what the cluster's stream holds reaches this worker; where there is none, what does is its own."""
        sources = self.ingest.health.sources.values()
        return self._link is None or all(one.is_up for one in sources if one.source.startswith("nats "))

    @property
    def is_ready(self) -> bool:
        """Messages are taken; in a cluster that includes that they can be reached."""
        return self.ingest.health.is_ready and (self._link is None or self._link.is_up)

    def problems(self) -> Iterator[str]:
        ingest = self.ingest.health
        yield from (words for words in (ingest.error, ingest.warning) if words)
        for device, count in self.ingest.quotas.over().items():
            who = device or "new devices"
            yield f"{who}: {count:,} messages above the quota were refused; they come again. See [quotas]"
        for device in sorted(self.links.kept_out()):
            yield f"{device}: kept out of the broker inside for a while, for sending far above its quota. See [quotas]"
        for device in self.ingest.flapping.devices():
            yield f"{device} connects again and again; its network is bad, or another client has its MQTT client ID"
        yield from (f"{link.source}: {link.detail}" for link in ingest.sources.values() if not link.is_up)
        if self.keeper.problem:
            yield f"retention waits: {self.keeper.problem}"
        if self.packer is not None and self.packer.problem:
            yield f"packing waits: {self.packer.problem}"
        for health in (*self.delivery.health.values(), *self.uploads.health.values()):
            if health.alarm:
                yield f"{health.name}: {health.alarm}"

    def figures(self) -> dict[str, Any]:
        """What `health` says of ingest and sinks. Blocks for a few queries; StoreError."""
        ingest = self.ingest.health
        sinks = {
            name: _describe(health, self._store.pending(name))
            for name, health in self.delivery.health.items()
        }
        sinks |= {
            name: _describe(health, self.uploads.waiting(name))
            for name, health in self.uploads.health.items()
        }
        return {
            "ingest": {
                "state": ingest.state,
                "messages": ingest.messages,
                "queued": ingest.queued_messages,
                "refused": ingest.refused_messages,
            },
            "sinks": sinks,
            "duties": dict(self._store.duties),
        }


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
