"""Between workers and viewer nodes: word of commits over NATS, as plain messages that nobody keeps.

    pt.v1._live.<device>    stream and watermark, or nothing: the device has new events
    pt.v1._forgotten        numbers of devices of which something was forgotten, as JSON

A viewer node subscribes to the devices that its pages look at, so a fleet that nobody watches costs it nothing. No
device may publish there: a device's own topics do not begin with an underscore.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import nats.errors
from nats.aio.msg import Msg

from ..sources.jetstream import PREFIX
from ..sources.nats_link import NatsLink, first_of
from ..web.live import Hub

_LIVE: Final = f"{PREFIX}._live"
_FORGOTTEN: Final = f"{PREFIX}._forgotten"
_COMMIT: Final = struct.Struct("<8sQ")
_LOOK_S: Final = 5.0

Watched = frozenset[str] | None  # None: all devices


class Announcer:
    """The worker's side. From any thread; what cannot be sent is not missed for long."""

    def __init__(self, link: NatsLink) -> None:
        self._link = link

    def committed(self, device_id: str, stream: bytes, watermark: int) -> None:
        self._link.publish(f"{_LIVE}.{device_id}", _COMMIT.pack(stream, watermark))

    def has_events(self, device_id: str) -> None:
        self._link.publish(f"{_LIVE}.{device_id}", b"")

    def forgotten(self, numbers: Sequence[int]) -> None:
        self._link.publish(_FORGOTTEN, json.dumps(list(numbers)).encode())


class Listener:
    """The viewer's side: tells `hub` of new events and `on_commit` of chunks.

    `on_forgotten` may block, and is given None after each time in which a word of it may have been lost.
    """

    def __init__(
        self,
        link: NatsLink,
        hub: Hub,
        on_commit: Callable[[str, bytes, int], None],
        on_forgotten: Callable[[list[int] | None], None],
    ) -> None:
        self._link, self._hub = link, hub
        self._on_commit, self._on_forgotten = on_commit, on_forgotten
        self._watched: Watched = frozenset()
        self._changed = asyncio.Event()
        self.is_up, self.detail = False, "not connected to NATS yet"
        link.add(self._listen, self._say)

    def watch(self, watched: Watched) -> None:
        """From any thread."""

        def change() -> None:
            self._watched = watched
            self._changed.set()

        self._link.call(change)

    def _say(self, is_up: bool, detail: str) -> None:
        self.is_up, self.detail = is_up, detail

    async def _listen(self, link: NatsLink) -> None:
        while True:
            client = await link.client()
            generation, subscriptions = link.generation, dict[str, Any]()
            with suppress(nats.errors.Error, OSError, TimeoutError):
                while link.is_up and generation == link.generation:
                    self._changed.clear()
                    await self._subscribe(client, subscriptions)
                    await first_of(self._changed.wait(), link.lost(), timeout_s=_LOOK_S)
            for one in subscriptions.values():  # else the same client would make them all again
                with suppress(nats.errors.Error, OSError):
                    await one.unsubscribe()
            await asyncio.to_thread(self._on_forgotten, None)

    async def _subscribe(self, client: Any, subscriptions: dict[str, Any]) -> None:
        names = ["*"] if self._watched is None else self._watched
        wanted = {_FORGOTTEN, *(f"{_LIVE}.{name}" for name in names)}
        for subject in wanted - subscriptions.keys():
            subscriptions[subject] = await client.subscribe(subject, cb=self._hear)
        for subject in subscriptions.keys() - wanted:
            await subscriptions.pop(subject).unsubscribe()

    async def _hear(self, message: Msg) -> None:
        if message.subject == _FORGOTTEN:
            with suppress(ValueError):
                await asyncio.to_thread(self._on_forgotten, json.loads(message.data))
            return
        device_id = message.subject.rpartition(".")[2]
        if len(message.data) == _COMMIT.size:
            self._on_commit(device_id, *_COMMIT.unpack(message.data))
        self._hub.tell_committed(device_id)
