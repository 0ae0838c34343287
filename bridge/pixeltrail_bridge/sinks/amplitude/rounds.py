"""Rounds: from queues of items, one for each device, to requests, and from answers to what became of each event.

A round is one request: of all devices the items that are at the head of their queue and go to the same endpoint, so
that a request carries events of many devices and each device keeps its order, also among endpoints.

What is refused is given up on alone. A device that is throttled or paced keeps all that follows waiting; after a
failure of the host everything waits. Every round takes an item, a device or half of the size away, so they end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from ...mapping.calls import OutboxRow, Settled
from .actions import Endpoint, Item
from .rules import MAX_BYTES, Answer

BUDGET_S: Final = 120.0  # well below the time for which the outbox lends the events
DRY_RUN: Final = "dry run"
PACED: Final = "in its turn: a device may send only so many a second (amplitude.device_events_per_s)"


@dataclass
class Job:
    """An event with what of it is still to be sent. `fault` says why it will end as a dead letter."""

    row: OutboxRow
    left: deque[tuple[Item, bytes]] = field(default_factory=deque)
    fault: str = ""
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True)
class Sending:
    """One item of a request, and whose it is."""

    job: Job
    item: Item
    payload: bytes


class Sender(Protocol):
    """What rounds need of the sink."""

    def now_ms(self) -> int: ...

    def limit(self, endpoint: Endpoint) -> int: ...

    def allow(self, device_id: str, endpoint: Endpoint) -> bool: ...

    def turn_ms(self, device_id: str, endpoint: Endpoint, items: int) -> int: ...

    async def post(self, batch: Sequence[Sending]) -> Answer: ...

    def succeed(self) -> None: ...

    def postpone(self, answer: Answer, endpoint: Endpoint, attempts: int) -> int: ...


class Rounds:
    """Those of one call of deliver()."""

    def __init__(self, sink: Sender) -> None:
        self._sink = sink
        self._most = 1 << 20  # items of a request, lower after one that was refused as a whole
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._results: list[Settled] = []

    def add(self, job: Job) -> None:
        self._queues.setdefault(job.row.device_id, deque()).append(job)

    async def run(self) -> list[Settled]:
        ends_at = asyncio.get_running_loop().time() + BUDGET_S
        for device_id in list(self._queues):
            self._settle_done(device_id)
        while self._queues:
            if asyncio.get_running_loop().time() > ends_at:
                self._wait_all(self._sink.now_ms(), None, "the bridge goes on with it in a moment")
                break
            batch = self._next_batch()
            if batch:
                await self._send(batch)
        return self._results

    # ---- what goes into a request ---------------------------------------------------------------------

    def _next_batch(self) -> list[Sending]:
        """Heads of queues that go to one endpoint, the one with the most of them; paced devices wait instead."""
        ready = {device_id: self._ready(queue) for device_id, queue in self._queues.items()}
        counts: dict[tuple[Endpoint, int | None], int] = {}
        for found in ready.values():
            where = _where(found[0].item)
            counts[where] = counts.get(where, 0) + len(found)
        chosen = max(counts, key=lambda where: counts[where])
        batch: list[Sending] = []
        most, size = min(self._most, self._sink.limit(chosen[0])), 0
        for device_id, found in ready.items():
            if _where(found[0].item) != chosen:
                continue
            for place, one in enumerate(found):
                size += len(one.payload) + 1
                if len(batch) == most or (batch and size > MAX_BYTES[chosen[0]]):
                    return batch
                if not self._sink.allow(device_id, chosen[0]):
                    if not place:
                        until_ms = self._sink.turn_ms(device_id, chosen[0], len(self._queues[device_id]))
                        self._wait(device_id, until_ms, None, PACED)
                    break
                batch.append(one)
        return batch

    def _ready(self, queue: deque[Job]) -> list[Sending]:
        """The items at the head of a queue that go to the same place, as many as a request takes."""
        found: list[Sending] = []
        for job in queue:
            for item, payload in job.left:
                if found and (
                    _where(item) != _where(found[0].item) or len(found) == self._sink.limit(item.endpoint)
                ):
                    return found
                found.append(Sending(job, item, payload))
        return found

    # ---- what an answer does --------------------------------------------------------------------------

    async def _send(self, batch: list[Sending]) -> None:
        endpoint = batch[0].item.endpoint
        answer = await self._sink.post(batch)
        if answer.kind == "sent":
            self._sink.succeed()
            self._most *= 2
            self._take(batch, answer)
        elif answer.kind == "split":
            self._split(batch, answer)
        elif answer.kind == "culprits":
            self._drop_culprits(batch, answer)
        elif answer.kind == "throttled":
            self._hold_throttled(batch, answer)
        else:
            attempts = max(one.job.row.attempts for one in batch)
            self._wait_all(self._sink.postpone(answer, endpoint, attempts), answer.status, answer.text)

    def _take(self, batch: Sequence[Sending], answer: Answer) -> None:
        for one in batch:
            one.job.left.popleft()
            one.job.status, one.job.answer = answer.status, answer.text
            if answer.text.startswith(DRY_RUN):
                one.job.fault = one.job.fault or answer.text
        for device_id in {one.job.row.device_id for one in batch}:
            self._settle_done(device_id)

    def _split(self, batch: list[Sending], answer: Answer) -> None:
        """Send less at a time; what is refused alone is the culprit."""
        if len(batch) == 1:
            self._drop(batch, {0: answer.text}, answer)
        else:
            self._most = len(batch) // 2

    def _drop_culprits(self, batch: list[Sending], answer: Answer) -> None:
        reasons = {place: reason for place, reason in answer.culprits.items() if 0 <= place < len(batch)}
        for place, one in enumerate(batch):
            if one.item.body.get("device_id") in answer.silenced:
                reasons[place] = "Amplitude has silenced its device"
        if reasons:
            self._drop(batch, reasons, answer)
        else:  # it names what was not sent
            self._split(batch, answer)

    def _drop(self, batch: Sequence[Sending], reasons: dict[int, str], answer: Answer) -> None:
        """Take the culprits out of their queues; the rest of such an event still goes out."""
        for place, reason in reasons.items():
            job = batch[place].job
            job.left = deque(one for one in job.left if one[0] is not batch[place].item)
            job.fault, job.status = f"Amplitude refused the event: {reason} ({answer.text})", answer.status
        for device_id in {batch[place].job.row.device_id for place in reasons}:
            self._settle_done(device_id)

    def _hold_throttled(self, batch: list[Sending], answer: Answer) -> None:
        held: dict[str, int] = {}
        for one in batch:
            wait_ms = max(
                answer.devices.get(str(one.item.body.get("device_id")), 0),
                answer.users.get(str(one.item.body.get("user_id")), 0),
            )
            if wait_ms:
                device_id = one.job.row.device_id
                held[device_id] = max(wait_ms, held.get(device_id, 0))
        if not held:  # it names nobody of the request
            until_ms = self._sink.now_ms() + max([*answer.devices.values(), *answer.users.values()])
            self._wait_all(until_ms, answer.status, answer.text)
            return
        for device_id, wait_ms in held.items():
            self._wait(device_id, self._sink.now_ms() + wait_ms, answer.status, answer.text)

    # ---- results --------------------------------------------------------------------------------------

    def _settle_done(self, device_id: str) -> None:
        """Settle the events at the head of a queue of which nothing is left to send."""
        queue = self._queues.get(device_id)
        while queue and not queue[0].left:
            job = queue.popleft()
            state: Literal["dead", "sent"] = "dead" if job.fault else "sent"
            self._results.append(Settled(job.row.id, state, job.status, job.fault or job.answer))
        if queue is not None and not queue:
            del self._queues[device_id]

    def _wait(self, device_id: str, until_ms: int, status: int | None, text: str) -> None:
        for job in self._queues.pop(device_id):
            self._results.append(Settled(job.row.id, "retry", status, text, until_ms))

    def _wait_all(self, until_ms: int, status: int | None, text: str) -> None:
        for device_id in list(self._queues):
            self._wait(device_id, until_ms, status, text)


def _where(item: Item) -> tuple[Endpoint, int | None]:
    return item.endpoint, item.min_id_length
