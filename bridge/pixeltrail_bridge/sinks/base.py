"""What a sink is, and how long it waits.

A sink delivers at least once: a crash between sending and settling sends the same `messageId` again, and the
receiving side (or the sink, where it can) tells them apart by it. A sink never drops a call: what cannot ever be
taken is settled "dead" with the reason, everything else is tried again until it is taken.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..mapping.calls import OutboxRow, Settled

__all__ = [
    "FIRST_WAIT_MS",
    "MAX_WAIT_MS",
    "Clock",
    "OutboxRow",
    "Settled",
    "Shown",
    "Sink",
    "backoff_ms",
    "host_clock",
]

FIRST_WAIT_MS = 500
MAX_WAIT_MS = 60_000

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as a person may see it: no key in it. `body` is text, a form with one field a line."""

    url: str
    body: str


class Sink(Protocol):
    """`alarm` says in a sentence what is wrong and which setting to change, None when all is well.

    A sink that makes something else of an event than its payload may have `shows(payload)`, which says as what.

    Until `paused_until_ms` (host epoch) nothing may be delivered: a wrong key, a rate limit.
    """

    name: str
    alarm: str | None
    paused_until_ms: int

    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        """Try to deliver `rows` in their order; one result for each. Raises nothing that a retry could mend."""
        ...

    async def close(self) -> None: ...


def host_clock() -> int:
    """ms since 1970."""
    return time.time_ns() // 1_000_000


def backoff_ms(attempts: int, jitter: Callable[[], float] = random.random) -> int:
    """How long to wait after one more failure, `attempts` before it: doubling to a minute, plus up to 10 %."""
    wait_ms = min(FIRST_WAIT_MS << min(attempts, 10), MAX_WAIT_MS)
    return int(wait_ms * (1 + jitter() / 10))
