"""A word to systemd: ready, reloading, ending, and that work goes on. Nothing where it did not ask (sd_notify(3)).

A watchdog is fed by progress, never by a timer alone: a committer that hangs starves it, and systemd starts the bridge
again.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable

_SHARE = 3  # of the watchdog's time, as often it is fed


class Notifier:
    """`address` as in NOTIFY_SOCKET; empty says nothing to nobody."""

    def __init__(self, address: str | None = None, watchdog_us: int | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        if watchdog_us is None:
            is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
            text = os.environ.get("WATCHDOG_USEC", "") if is_ours else ""
            watchdog_us = int(text) if text.isascii() and text.isdigit() else 0
        self.watchdog_s = watchdog_us / 1e6 if self._address else 0.0

    def ready(self, status: str) -> None:
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        self._say(f"STATUS={text}")

    async def feed(self, turns: Callable[[], int]) -> None:
        """Feed the watchdog as long as the count of turns goes up; for a task of its own."""
        if not self.watchdog_s:
            return
        before = -1
        while True:
            now = turns()
            if now != before:
                self._say("WATCHDOG=1")
            before = now
            await asyncio.sleep(self.watchdog_s / _SHARE)

    def _say(self, text: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.connect(name)
                line.sendall(text.encode())
        except OSError:
            pass  # whoever asked is gone: nothing to tell, and no reason to end
