"""A WebSocket ends with what let it be opened: a login that is over, a user who is gone, a page that began to ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Receive

POLICY_VIOLATION: Final = 1008  # close code of RFC 6455, section 7.4.1


class Watched:
    """In the place of a socket's `receive`: tells of its end once `is_welcome`, asked every `every_s`, says no.

    What comes in postpones no question. `close` when the socket is done; `is_over`: it was we who ended it.
    """

    def __init__(self, receive: Receive, is_welcome: Callable[[], Awaitable[bool]], every_s: float) -> None:
        self._receive, self._is_welcome, self._every_s = receive, is_welcome, every_s
        self._coming: asyncio.Future[Message] | None = None
        self._asked_s = time.monotonic()
        self.is_over = False

    async def __call__(self) -> Message:
        while True:
            if self._coming is None:
                self._coming = asyncio.ensure_future(self._receive())
            left_s = self._asked_s + self._every_s - time.monotonic()
            if left_s <= 0:
                if not await self._is_welcome():
                    self.is_over = True
                    return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
                self._asked_s, left_s = time.monotonic(), self._every_s
            await asyncio.wait({self._coming}, timeout=left_s)
            if self._coming.done():
                message = self._coming.result()
                self._coming = None
                return message

    def close(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
