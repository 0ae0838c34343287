"""What the service manager hears: sd_notify's datagrams, and a watchdog that only progress feeds."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from pixeltrail_bridge.watch.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(30)
    return heard


def test_words_arrive_at_the_socket_that_was_named(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname(), 0)
    notifier.ready("2 sources")
    assert manager.recv(4096) == b"READY=1\nSTATUS=2 sources"
    notifier.reloading()
    assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.stopping()
    assert manager.recv(4096) == b"STOPPING=1"


def test_an_abstract_socket_and_one_that_is_gone() -> None:
    name = f"pixeltrail-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name)
        heard.settimeout(30)
        Notifier("@" + name, 0).stopping()
        assert heard.recv(100) == b"STOPPING=1"
    Notifier("@" + name, 0).stopping()  # nobody there: no error
    Notifier("", 0).stopping()


def test_a_committer_that_hangs_starves_the_watchdog(manager: socket.socket) -> None:
    turns = 0

    async def run() -> None:
        nonlocal turns
        task = asyncio.create_task(Notifier(manager.getsockname(), 3_000).feed(lambda: turns))
        loop = asyncio.get_running_loop()
        manager.setblocking(False)
        for _ in range(3):
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
            turns += 1
        while True:  # what was sent for the last turn
            try:
                await asyncio.wait_for(loop.sock_recv(manager, 100), 0.05)
            except TimeoutError:
                break
        turns_before = turns
        with pytest.raises(TimeoutError):  # fifty times the watchdog's third, and no food
            await asyncio.wait_for(loop.sock_recv(manager, 100), 0.05)
        assert turns == turns_before
        turns += 1
        assert await asyncio.wait_for(loop.sock_recv(manager, 100), 30) == b"WATCHDOG=1"
        task.cancel()

    asyncio.run(run())


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, manager: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert Notifier().watchdog_s == 20
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().watchdog_s == 0
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    monkeypatch.delenv("WATCHDOG_PID")
    assert Notifier().watchdog_s == 0
