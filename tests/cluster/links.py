"""TCP links that can be cut and stalled: a proxy for each, all on one event loop in a thread of its own.

with Links() as links:
    link = links.add(port)      # connect to link.port in place of port
    link.cut()                  # connections end, new ones end at once
    link.stall()                # connections stay, and no byte passes: as when a switch hangs
    link.mend()

With several targets a link goes to the next one that answers: it stands in front of a broker's servers as a load
balancer does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.support.services import LOOPBACK

_PIECE = 65_536


class Link:
    """Made by Links.add(). `state` is open, cut or stalled; any thread may change it."""

    def __init__(self, links: Links, targets: tuple[int, ...]) -> None:
        self.state, self.port = "open", 0
        self._links, self._targets, self._turn = links, targets, 0
        self._flows: asyncio.Event
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> asyncio.Server:
        self._flows = asyncio.Event()
        self._flows.set()
        server = await asyncio.start_server(self._carry, LOOPBACK, 0, backlog=1_024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        self._links.call(self._set("cut"))

    def stall(self) -> None:
        self._links.call(self._set("stalled"))

    def mend(self) -> None:
        self._links.call(self._set("open"))

    async def _set(self, state: str) -> None:
        self.state = state
        if state == "stalled":
            self._flows.clear()
        else:
            self._flows.set()
        if state == "cut":
            for writer in list(self._open):
                writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._flows.wait()
            there = None if self.state == "cut" else await self._reach()
            if there is None:
                return
            self._open.add(there[1])
            try:
                await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
            finally:
                self._close(there[1])
        finally:
            self._close(writer)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self._targets)):
            port = self._targets[(self._turn + number) % len(self._targets)]
            with suppress(OSError):
                return await asyncio.open_connection(LOOPBACK, port)
        return None

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Either end's end is both ends': an MQTT client or a database's has nothing to say after it."""
        with suppress(OSError):
            while data := await source.read(_PIECE):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        target.transport.abort() if self.state == "cut" else target.close()

    def _close(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.close()


@dataclass(frozen=True)
class Cable:
    """Links that share a fate: both directions between two servers, or all of one process."""

    name: str
    links: tuple[Link, ...]

    def cut(self) -> None:
        for link in self.links:
            link.cut()

    def stall(self) -> None:
        for link in self.links:
            link.stall()

    def mend(self) -> None:
        for link in self.links:
            link.mend()


class Links:
    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()
        return self

    def add(self, *targets: int) -> Link:
        link = Link(self, targets)
        self._servers.append(self.call(link.listen()))
        return link

    def call(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def __exit__(self, *_: object) -> None:
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
