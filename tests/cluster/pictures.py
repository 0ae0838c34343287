"""What a page shows of devices, live: the messages of a viewer node's WebSocket, painted.

with Watcher(port, ["board-00"]) as watcher:
    watcher.picture("board-00")     # width, height and RGBA, None before the first
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import aiohttp
import numpy as np
from numpy.typing import NDArray
from pixeltrail_bridge.web.live import BLOCK, FULL, HEAD

from tests.support.services import LOOPBACK

_AGAIN_S = 0.5


class Watcher:
    """One page for each device, which connects again whenever its viewer node was away, as a browser does."""

    def __init__(self, port: int, devices: Sequence[str]) -> None:
        self._port, self._devices = port, devices
        self._pictures: dict[str, NDArray[np.uint8]] = {}
        self.connections = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._watch(),), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    def picture(self, device_id: str) -> tuple[tuple[int, ...], bytes] | None:
        found = self._pictures.get(device_id)
        return None if found is None else (found.shape, found.tobytes())

    async def _watch(self) -> None:
        self._ended = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            tasks = [asyncio.ensure_future(self._follow(session, one)) for one in self._devices]
            await self._ended.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, session: aiohttp.ClientSession, device_id: str) -> None:
        url = f"ws://{LOOPBACK}:{self._port}/live?device={device_id}"
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    self.connections += 1
                    painted = 0
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.BINARY:
                            self._paint(device_id, message.data)
                            painted += 1
                            await socket.send_str(json.dumps({"painted": painted}))
            await asyncio.sleep(_AGAIN_S)

    def _paint(self, device_id: str, data: bytes) -> None:
        _, flags, _, width, height, _ = HEAD.unpack_from(data)
        picture = self._pictures.get(device_id)
        if flags & FULL or picture is None or picture.shape[:2] != (height, width):
            picture = np.zeros((height, width, 4), np.uint8)
        else:
            picture = picture.copy()
        at = HEAD.size
        while at < len(data):
            x, y, w, h = BLOCK.unpack_from(data, at)
            at += BLOCK.size
            block = np.frombuffer(data, np.uint8, 4 * w * h, at)
            picture[y : y + h, x : x + w] = block.reshape(h, w, 4)
            at += 4 * w * h
        self._pictures[device_id] = picture
