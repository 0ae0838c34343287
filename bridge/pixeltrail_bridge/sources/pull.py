"""Messages of one consumer, asked for as many at once as there is room for, until it fails or is given up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

_EXPIRES_S: Final = 30.0  # of a request that nothing answers
_BEAT_S: Final = 1.0  # while it waits, the consumer's leader says so as often
_SILENT_S: Final = 3 * _BEAT_S
_LOOK_S: Final = 0.5
_CONFIRM: Final = "$JS.ACK."  # a message of the stream says where to; what is said of a request does not


class Pull:
    """On the event loop of the connection. `take` gets each message, `room` says how many more may be asked for."""

    def __init__(
        self,
        client: Client,
        stream: str,
        consumer: str,
        take: Callable[[Msg], None],
        room: Callable[[], int],
    ) -> None:
        self._client, self._consumer, self._take, self._room = client, consumer, take, room
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self.asked = 0  # and not come yet
        self._least = 1  # ask again once as few are on their way
        self._heard_s = 0.0
        self._fault = ""
        self._more = asyncio.Event()

    def nudge(self) -> None:
        """There may be room again."""
        self._more.set()

    async def run(self) -> None:
        """Until cancelled. Raises what NATS says, TimeoutError when nobody leads the consumer."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=self._hear)
        self._heard_s = time.monotonic()
        try:
            while True:
                self._more.clear()
                await self._ask(inbox)
                if self._fault:
                    raise nats.errors.Error(self._fault)
                if self.asked and time.monotonic() - self._heard_s > _SILENT_S:
                    raise TimeoutError(f"consumer {self._consumer} has no leader")
                with suppress(TimeoutError):
                    # wait_for may swallow being cancelled (CPython 3.11)
                    async with asyncio.timeout(_LOOK_S):
                        await self._more.wait()
        finally:
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def _ask(self, inbox: str) -> None:
        room = self._room()
        if room > 0 and self.asked <= self._least:
            if not self.asked:
                self._heard_s = time.monotonic()  # nobody owed us a sign of life
            self._least = room // 2
            self.asked += room
            request = {"batch": room, "expires": _ns(_EXPIRES_S), "idle_heartbeat": _ns(_BEAT_S)}
            await self._client.publish(self._subject, json.dumps(request).encode(), inbox)

    async def _hear(self, message: Msg) -> None:
        self._heard_s = time.monotonic()
        if message.reply.startswith(_CONFIRM):
            self.asked -= 1
            self._take(message)
        else:
            self._heed(message.headers or {})
        if self.asked <= self._least and self._room() > 0:
            self._more.set()

    def _heed(self, headers: dict[str, str]) -> None:
        """What the server says of a request: it is over, or goes on."""
        status = headers.get("Status", "")
        if status == "100":
            return
        self.asked = max(self.asked - int(headers.get("Nats-Pending-Messages") or self.asked), 0)
        if status not in ("404", "408"):
            self._fault = f"{status} {headers.get('Description', '')}".strip()
            self._more.set()


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
