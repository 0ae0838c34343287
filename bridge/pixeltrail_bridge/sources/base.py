"""What a source is: it brings the bytes of messages in, and takes those of answers out.

A source moves bytes and parses none of the messages. It runs threads of its own,
calls back from them, and never raises there: trouble with a broker or a port is
told as LinkState, and mended without help where that is possible.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..wire.signed import Seal

Settled = Callable[[], None] | None


class Channel(Protocol):
    """The way back to the device that a message came from."""

    def send(self, device_id: str, data: bytes) -> bool:
        """Send one message; False when it cannot go out now (the custody protocol makes up for it)."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came. `device_id` is None where the transport does not tell (a serial line).

    `seal` is set once a signature was found to be genuine and taken off. `settled`, where its source wants to know, is
    called once from the committer's thread: what it says is durable, or a dead letter is. One that is refused, or never
    becomes durable, is not settled.
    """

    device_id: str | None
    data: bytes
    received_ms: int
    channel: Channel
    seal: Seal | None = None
    settled: Settled = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LinkState:
    """A source's own connection; `detail` tells a person what is wrong and what to do.

    `dropped`: what it gave up on since it began, by a name for people.
    """

    source: str
    is_up: bool
    detail: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Presence:
    """A device says that it is there, or its broker that it has gone."""

    device_id: str
    is_online: bool
    received_ms: int = field(default_factory=lambda: host_ms(), compare=False)
    settled: Settled = field(default=None, compare=False)  # also where it is over the quota
    was_kept: bool = field(default=False, compare=False)  # by the broker, since before we listened


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line that a device printed between messages."""

    source: str
    text: str


StateEvent = LinkState | Presence | TextLine
Receive = Callable[[Arrival], bool]  # False: the queue is full, and the device will resend
State = Callable[[StateEvent], None]


class Source(Channel, Protocol):
    name: str

    def start(self, receive: Receive, state: State) -> None:
        """Begin; returns at once. Both callbacks are called from the source's threads."""
        ...

    def stop(self) -> None:
        """End, and return when no callback will be called any more."""
        ...


def host_ms() -> int:
    """The host's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000
