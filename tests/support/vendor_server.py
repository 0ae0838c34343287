"""What the servers that stand for vendors have in common: a thread of their own, a process, and a log."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiohttp import web

_LIMIT_S = 60  # for faults: a busy machine takes its time


class Server(Protocol):
    @property
    def url(self) -> str: ...

    async def start(self, port: int = 0) -> web.AppRunner: ...


S = TypeVar("S", bound=Server)


@contextmanager
def on_thread(server: S, port: int = 0) -> Iterator[S]:
    """Serve while the block runs, for tests that do not run in an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(server.start(port), loop).result(_LIMIT_S)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_LIMIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_LIMIT_S)
        loop.close()


def serve(server: Server, port: int) -> None:
    """As a process of its own: prints the address, and serves until it is interrupted."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, port))


def read_log(log: Path | None) -> list[dict[str, Any]]:
    """What an earlier run logged; a line that a kill cut off was never confirmed, and is removed."""
    if log is None or not log.exists():
        return []
    data = log.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        log.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]


async def _serve(server: Server, port: int) -> None:
    await server.start(port)
    print(server.url, flush=True)
    await asyncio.Event().wait()
