"""The queue, the committer thread, and what it tells the devices after each commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from ..errors import LocalError, StoreError, StoreFailure
from ..sources.base import Arrival, Channel, LinkState, Presence, StateEvent, TextLine
from ..store.base import DeviceSave, IngestTransaction, Store
from ..wire import messages as m
from ..wire.encode import encode_downlink
from .acks import AckSchedule
from .batch import Batch
from .desk import Outcome
from .flapping import Flapping
from .hoard import Hoard
from .known import Known, encode_json
from .latency import Durations
from .quotas import Once, Quotas
from .refusals import Blocked, Refusals
from .room import Room
from .seals import Seals
from .settings import IngestSettings, MapChunk, Mapper, MapPresence, MapSync, no_presence
from .turns import Turns

log = structlog.get_logger(__name__)

OVER_QUOTA = "over_quota"  # counter of messages that were refused
PRESENCE_BYTES = 8  # what the word of a broker counts for
_IDLE_S = 1.0  # how often an idle committer looks up


@dataclass(frozen=True, slots=True)
class Committed:
    """A stream came further: every seq below `watermark` is durable and has been mapped."""

    device_id: str
    stream: bytes
    watermark: int


@dataclass(frozen=True, slots=True)
class Health:
    """For a person and for /readyz. `error` says what is wrong and what to do, `warning` what soon will be."""

    state: str = "stopped"  # stopped, running, failing
    error: str | None = None
    warning: str | None = None
    queued_messages: int = 0
    queued_bytes: int = 0
    refused_messages: int = 0  # queue full: the devices resend them
    commits: int = 0
    messages: int = 0
    last_commit_ms: int = 0
    sources: dict[str, LinkState] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return self.state == "running"


class Ingest:
    """`receive`, `note` and `send` may be called from any thread; `on_commit` is called from the committer's."""

    def __init__(
        self,
        store: Store,
        settings: IngestSettings,
        *,
        map_chunk: MapChunk,
        map_sync: MapSync,
        map_presence: MapPresence = no_presence,
        on_commit: Callable[[Committed], None] = lambda committed: None,
        on_text: Callable[[TextLine], None] = lambda line: None,
    ) -> None:
        self._store, self._settings = store, settings
        self._mapper = Mapper(map_chunk, map_sync, map_presence)
        self._on_commit, self._on_text = on_commit, on_text
        self._queue = Turns()
        self._queued_bytes = 0
        self._queue_lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._began_ms = float("-inf")  # of the last commit
        self._known = Known()
        self._identities: dict[int, str] = {}
        self._routes: dict[str, Channel] = {}
        self.reach: Channel | None = None  # to devices that others have heard, where there is such a way
        self._acks = AckSchedule(settings.ack_interval_ms)
        self._orders: dict[str, bool] = {}
        self._room = Room(store, settings)
        self._seals = Seals(settings.keys_of)
        self.quotas = Quotas(settings.quotas)
        self.flapping = Flapping()
        self._hoard = Hoard(store, self.quotas, settings.quotas.disk_share, settings.min_free_bytes)
        self._health = Health()
        self.turns = (
            0  # of the committer, also of one that waits or tries again: a thread that hangs makes none
        )
        self.commit_times = Durations()  # of batches
        self.waits = Durations()  # of messages, until they were durable

    # ---- any thread -----------------------------------------------------------

    def start(self) -> None:
        self._health = replace(self._health, state="running", error=None)
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()
        self._hoard.start()

    def stop(self) -> None:
        """Commit what is queued, ack it, and end. Stop the sources first."""
        self._hoard.stop()
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._health = replace(self._health, state="stopped")

    def receive(self, arrival: Arrival) -> bool:
        """Queue a message; False when the queue is full or the device over its quota, and it will have to resend it."""
        size = len(arrival.data)
        if not self.quotas.take(arrival.device_id or str(getattr(arrival.channel, "name", "")), size):
            return False
        with self._queue_lock:
            if self._queued_bytes + size > self._settings.queue_bytes:
                self._health = replace(self._health, refused_messages=self._health.refused_messages + 1)
                return False
            self._queued_bytes += size
            self._queue.append(arrival)
        if not self._wake.is_set():
            self._wake.set()
        return True

    def note(self, event: StateEvent) -> None:
        """What a source has to say besides messages."""
        if isinstance(event, Presence):
            self.flapping.note(event)
            if not self.quotas.take(event.device_id, PRESENCE_BYTES):
                _settle((event,))
                return
            self._queue.append(event)
            self._wake.set()
        elif isinstance(event, LinkState):
            with self._queue_lock:
                self._health = replace(self._health, sources=self._health.sources | {event.source: event})
        else:
            self._on_text(event)

    def send(self, device_id: str, message: m.Downlink) -> bool:
        """Send a message down now; False when there is no way to the device or its line is down."""
        channel = self._routes.get(device_id, self.reach)
        return channel is not None and self._send(device_id, channel, message)

    def order_opt_out(self, device_id: str, opted_out: bool) -> None:
        """Tell a device to opt out (or in again), and repeat it at each sync until the device confirms."""
        self._orders[device_id] = opted_out
        self._wake.set()
        self.send(device_id, m.OptOutOrder(opted_out))

    def set_mapping(self, mapping: Any) -> None:
        """Map what is committed from now on with other settings."""
        self._settings = replace(self._settings, mapping=mapping)

    def set_blocked(self, blocked: Blocked) -> None:
        """Take nothing of other devices and users, from the next commit on."""
        self._settings = replace(self._settings, blocked=blocked)

    @property
    def health(self) -> Health:
        return replace(self._health, queued_messages=len(self._queue), queued_bytes=self._queued_bytes)

    # ---- committer thread -------------------------------------------------------

    def _run(self) -> None:
        has_more = False
        while True:
            self.turns += 1
            if not has_more:
                wait_ms = self._acks.wait_ms(time.monotonic() * 1000)
                self._wake.wait(_IDLE_S if wait_ms is None else wait_ms / 1000)
            # Cleared before the queue is read: what comes later sets it again, so nothing is left lying.
            self._wake.clear()
            self._gather(0.0 if has_more else self._settings.linger_ms)
            self._commit_some()
            has_more = bool(self._queue)
            if self._stopping.is_set() and not has_more:
                self._send_acks(all_of_them=True)
                return

    def _gather(self, least_ms: float) -> None:
        """Let more come that one commit makes durable, unless it is full already."""
        if self._queue and len(self._queue) < self._settings.batch_messages:
            since_ms = time.monotonic() * 1000 - self._began_ms
            self._stopping.wait(max(least_ms, self._settings.spacing_ms - since_ms) / 1000)
        self._began_ms = time.monotonic() * 1000

    def commit_queued(self) -> None:
        """Commit all that is queued, and send what is due: what the thread does, for those who start none."""
        self._commit_some()
        while self._queue:
            self._commit_some()

    def _commit_some(self) -> None:
        if self._queue or self._orders:
            self._commit(self._drain())
        self._send_acks()

    def _drain(self) -> list[Arrival | Presence]:
        settings = self._settings
        batch, size = self._queue.take(settings.batch_messages, settings.batch_bytes, settings.share_messages)
        with self._queue_lock:
            self._queued_bytes -= size
        return batch

    def _commit(self, items: Sequence[Arrival | Presence]) -> None:
        """Write a batch, again and again until it is durable or the bridge stops."""
        opened = self._seals.open(items)
        orders, refused = dict(self._orders), self.quotas.untold()
        take_stream = Once(self.quotas.take_stream)

        def transaction(tx: IngestTransaction) -> Outcome:
            self._known.begin(tx, orders, ())
            refusals = Refusals(self._settings.blocked, tx.tombstones)
            for device_id, opted_out in orders.items():
                if refusals.refuses_device(device_id):
                    continue
                now_ms = time.time_ns() // 1_000_000
                device = self._known.device(tx, device_id, now_ms)
                device.order_opt_out(opted_out, now_ms)
                tx.save_devices(
                    [DeviceSave(device.number, encode_json(device.state), device.opt_out_order, 0)]
                )
                device.version += 1
            tx.count_all({(device_id, OVER_QUOTA): count for device_id, count in refused.items()})
            take_stream.begin()
            batch = Batch(tx, self._known, self._settings, self._mapper, self._identities, take_stream)
            batch.note_refused(opened, time.time_ns() // 1_000_000)
            return batch.run(opened.items)

        attempt = 0
        while True:
            self.turns += 1
            began_s = time.monotonic()
            try:
                warning = self._room.check()
                outcome = self._store.commit_batch(transaction)
                break
            except StoreFailure as error:  # the process is about to end: nothing may be tried again
                self._fail(str(error))
                self._stopping.set()
            except StoreError as error:
                self._known.forget()
                self._room.make()
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - no fault of ours may end the thread that acks
                log.exception("ingest failed")
                self._known.forget()
                kind = type(error).__name__  # its words may be made of what devices sent
                self._fail(
                    f"ingest: {kind}; nothing is acked until this is mended, please report it with the log"
                )
            if self._stopping.is_set():
                return
            delays = self._settings.retry_ms
            self._stopping.wait(delays[min(attempt, len(delays) - 1)] / 1000)
            attempt += 1
        for device_id, opted_out in orders.items():
            if self._orders.get(device_id) is opted_out:
                del self._orders[device_id]
        self.commit_times.add(time.monotonic() - began_s)
        self._publish(outcome, items, warning)

    def _fail(self, error: str) -> None:
        if self._health.error != error:
            log.error("not accepting", error=error)
        with self._queue_lock:
            self._health = replace(self._health, state="failing", error=error)

    def _publish(self, outcome: Outcome, items: Sequence[Arrival | Presence], warning: str | None) -> None:
        now_ms = time.time_ns() // 1_000_000
        self.waits.add_ages(now_ms, (item.received_ms for item in items if isinstance(item, Arrival)))
        with self._queue_lock:
            health = self._health
            self._health = replace(
                health,
                state="running",
                error=None,
                warning=warning,
                commits=health.commits + 1,
                messages=health.messages + len(items),
                last_commit_ms=now_ms,
            )
        _settle(items)
        self._routes.update(outcome.routes)
        self._seals.note(outcome.seals)
        for stream, at_once in outcome.acks.items():
            self._acks.add(stream.device.device_id, stream.id, stream.watermark, at_once)
        for (device_id, stream_id), end in outcome.waved.items():
            self._acks.add(device_id, stream_id, end, at_once=True)
        self._send_acks()
        for device_id, reply in outcome.replies:
            self.send(device_id, reply)
        for stream in outcome.advanced:
            self._on_commit(Committed(stream.device.device_id, stream.id, stream.watermark))
        self._known.trim()

    def _send_acks(self, all_of_them: bool = False) -> None:
        now_ms = float("inf") if all_of_them else time.monotonic() * 1000
        for device_id, stream, watermark in self._acks.take(now_ms):
            self.send(device_id, m.Ack(stream, watermark, self._settings.window, self._store.bridge_id))

    def _send(self, device_id: str, channel: Channel, message: m.Downlink) -> bool:
        try:
            data = self._seals.close(device_id, encode_downlink(message))
            return data is not None and channel.send(device_id, data)
        except (LocalError, OSError) as error:
            log.warning("not sent", device=device_id, message=type(message).__name__, error=str(error))
            return False


def _settle(items: Iterable[Arrival | Presence]) -> None:
    """Tell the sources that wait for it what need not come again."""
    for item in items:
        if item.settled is not None:
            item.settled()
