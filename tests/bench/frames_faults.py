"""What may happen to a link, a flash and a heap while an app draws: `./dev bench frames` runs it beside each.

A scenario is a context that sets up real parts and yields a Fault: how the app is started, what strikes when the app
has drawn for a while, and what shows afterwards that it did.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink
from pixeltrail_bridge.wire.framing import Deframer, frame

from tests.firmware.armhf import brokers
from tests.firmware.model import BRIDGE, ModelBridge
from tests.support.services import LOOPBACK, mosquitto

Counts = Mapping[str, Any]
_HELLO_S = 2.0
_LOOK_S = 0.05
_SOON_S = 10.0
_PIECE = 4096
_ESTABLISHED = "01"


@dataclass(frozen=True)
class Fault:
    """`happened` gets the counts of the app and says how often, or how much; 0: the scenario did not come about."""

    link: str
    options: Mapping[str, str]
    happened: Callable[[Counts], int]
    strike: Callable[[], None] = lambda: None
    bare: Mapping[str, str] = field(default_factory=dict)
    """Options of the app without a recorder: what it does by itself, it does there as well."""


Scenario = Callable[[Path], AbstractContextManager[Fault]]
_CALM = {"calm": "1"}


# ---- MQTT ---------------------------------------------------------------------------


@contextlib.contextmanager
def good_link(folder: Path) -> Iterator[Fault]:
    with mosquitto() as broker, brokers.bridge(broker.port):
        yield Fault(_mqtt(broker.port), _CALM, lambda counts: int(counts["acks"]))


@contextlib.contextmanager
def broker_killed(folder: Path) -> Iterator[Fault]:
    with mosquitto() as broker, brokers.bridge(broker.port):
        yield Fault(_mqtt(broker.port), _CALM, lambda counts: int(counts["line_errors"]), broker.kill)


@contextlib.contextmanager
def broker_frozen(folder: Path) -> Iterator[Fault]:
    """The process is stopped: its sockets stay open, and nobody reads them."""
    with mosquitto() as broker, brokers.bridge(broker.port):
        pid = broker.pid
        try:
            yield Fault(
                _mqtt(broker.port),
                _CALM,
                lambda _: unread_bytes("tcp", broker.port),
                lambda: os.kill(pid, signal.SIGSTOP),
            )
        finally:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def broker_silent(folder: Path) -> Iterator[Fault]:
    with brokers.silent() as port:
        yield Fault(_mqtt(port), {}, lambda _: unread_bytes("tcp", port))


@contextlib.contextmanager
def dns_hanging(folder: Path) -> Iterator[Fault]:
    with brokers.silent_dns() as port:
        options = {"dns": f"{LOOPBACK}:{port}"}
        yield Fault("mqtt:broker.example.org:1883", options, lambda _: unread_bytes("udp", port))


@contextlib.contextmanager
def tls_unanswered(folder: Path) -> Iterator[Fault]:
    """The peer takes the first message of the key exchange and says nothing."""
    with brokers.secure(folder), brokers.silent() as port:
        yield Fault(_mqtt(port), {"ca": str(folder / "ca.pem")}, lambda _: unread_bytes("tcp", port))


@contextlib.contextmanager
def tls_stalled(folder: Path) -> Iterator[Fault]:
    """The peer's answer ends in the middle of its certificate."""
    with brokers.secure(folder) as port, Relay(port, answer_bytes=600) as relay:
        yield Fault(_mqtt(relay.port), {"ca": str(folder / "ca.pem")}, lambda _: relay.wait("stalled"))


@contextlib.contextmanager
def reconnect_storm(folder: Path) -> Iterator[Fault]:
    """A tenth of a second after it stands, every connection is reset."""
    with mosquitto() as broker, brokers.bridge(broker.port), Relay(broker.port) as relay:

        def strike() -> None:
            relay.life_s = 0.1

        yield Fault(_mqtt(relay.port), _CALM, lambda _: relay.wait("cut"), strike)


def _mqtt(port: int) -> str:
    return f"mqtt:{LOOPBACK}:{port}"


def unread_bytes(kind: str, port: int) -> int:
    """What lies in this machine's sockets of a port and was never read."""
    lines = [line.split() for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    ours = [words for words in lines if int(words[1].rpartition(":")[2], 16) == port]
    return sum(int(words[4].partition(":")[2], 16) for words in ours if kind == "udp" or words[3] != "0A")


class Relay:
    """Carries connections to a port of this machine, badly.

    `answer_bytes`: so many come back on each, then nothing more. `life_s`: how long each lives, those that stand
    included, before it is reset.
    """

    def __init__(self, target: int, answer_bytes: int | None = None) -> None:
        self._target, self._answer_bytes = target, answer_bytes
        self.life_s: float | None = None
        self.stalled = self.cut = 0
        self._server = socket.create_server((LOOPBACK, 0))
        self.port = int(self._server.getsockname()[1])
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Relay:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in list(self._threads):
            thread.join()
        self._server.close()

    def wait(self, name: str) -> int:
        """`stalled` or `cut`, once that is more than 0: what the device said may still be on its way."""
        deadline_s = time.monotonic() + _SOON_S
        while not getattr(self, name) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
        return int(getattr(self, name))

    def _accept(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._server], [], [], _LOOK_S)[0]:
                thread = threading.Thread(target=self._carry, args=(self._server.accept()[0],), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, device: socket.socket) -> None:
        left, began_s = self._answer_bytes, time.monotonic()
        with (
            device,
            socket.create_connection((LOOPBACK, self._target)) as server,
            contextlib.suppress(OSError),
        ):
            while not self._is_over.is_set():
                if self.life_s is not None and time.monotonic() - began_s > self.life_s:
                    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.cut += 1
                    return
                sources = [device] if left == 0 else [device, server]
                for source in select.select(sources, [], [], _LOOK_S)[0]:
                    piece = source.recv(_PIECE if source is device or left is None else left)
                    if not piece:
                        return
                    (server if source is device else device).sendall(piece)
                    if source is server and left is not None:
                        left -= len(piece)
                        self.stalled += left == 0


# ---- serial lines -------------------------------------------------------------------


class Host:
    """The computer at the other end of a serial line, a pair of pseudo-terminals: says hello, acks what it reads.

    The device has a name of ours for it, which goes when it is unplugged: the system gives the number of a terminal to
    the next program that asks for one, and the device would speak to that.
    """

    def __init__(self, folder: Path) -> None:
        self._far, near = os.openpty()
        tty.setraw(near)
        tty.setraw(self._far)
        self.path = folder / "line"
        self.path.symlink_to(os.ttyname(near))
        self._near = near  # held open until the device has it: a pair without one end tells the other of it
        self.reads = self.greets = True
        self.is_plugged = True
        self._bridge, self._deframer = ModelBridge(judge=False), Deframer()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Host:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self.is_plugged:
            os.close(self._far)
            os.close(self._near)

    def stop_reading(self) -> None:
        """And the line is full from now on, as of an app that prints."""
        self.reads = False
        os.set_blocking(self._near, False)  # ours alone; the device opened the line for itself
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self._near, bytes(_PIECE))

    def freeze(self) -> None:
        self.reads = self.greets = False

    def unplug(self) -> None:
        """Both ends of ours; the device has its own of the near one."""
        self._is_over.set()
        self._thread.join()
        self.is_plugged = False
        self.path.unlink()
        os.close(self._far)
        os.close(self._near)

    def unread_bytes(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self._far, termios.FIONREAD, b"\0" * 4))[0])

    def _run(self) -> None:
        hello, greeted_s = encode_downlink(m.HostHello(BRIDGE, 1, 1)), 0.0
        while not self._is_over.is_set():
            if self.greets and time.monotonic() - greeted_s > _HELLO_S:
                greeted_s = time.monotonic()
                self._say(hello)
            if not self.reads:
                self._is_over.wait(_LOOK_S)
            elif select.select([self._far], [], [], _LOOK_S)[0]:
                for message in self._deframer.feed(os.read(self._far, _PIECE)):
                    if isinstance(message, bytes):
                        for down in self._bridge.receive(message):
                            self._say(down)

    def _say(self, message: bytes) -> None:
        os.write(self._far, frame(message))


@contextlib.contextmanager
def _serial(
    folder: Path, happened: Callable[[Host, Counts], int], strike: Callable[[Host], None]
) -> Iterator[Fault]:
    with Host(folder) as host:
        yield Fault(f"serial:{host.path}", _CALM, lambda counts: happened(host, counts), lambda: strike(host))


def serial_good(folder: Path) -> AbstractContextManager[Fault]:
    return _serial(folder, lambda _, counts: int(counts["acks"]), lambda _: None)


def serial_unread(folder: Path) -> AbstractContextManager[Fault]:
    """The host still says hello, and reads nothing any more of a line that is full."""
    return _serial(folder, lambda host, _: host.unread_bytes(), Host.stop_reading)


def serial_frozen(folder: Path) -> AbstractContextManager[Fault]:
    return _serial(folder, lambda host, _: host.unread_bytes(), Host.freeze)


def serial_unplugged(folder: Path) -> AbstractContextManager[Fault]:
    return _serial(folder, lambda _, counts: int(counts["line_errors"]), Host.unplug)


# ---- flash and heap -----------------------------------------------------------------


@contextlib.contextmanager
def flash_full(folder: Path) -> Iterator[Fault]:
    """Nobody takes what is recorded, it goes to flash (littlefs), and a log of the app fills that."""
    with brokers.nobody() as port:
        options = {"spool": "/flash/spool"}
        yield Fault(
            _mqtt(port), options, lambda counts: int(counts["refusals"] and counts["spooled"]), bare=options
        )


@contextlib.contextmanager
def heap_used_up(folder: Path) -> Iterator[Fault]:
    """Every other half second the app takes all of the heap, and goes on drawing."""
    with mosquitto() as broker, brokers.bridge(broker.port):
        hungry = {"hungry": "1"}
        options = {**_CALM, **hungry}
        yield Fault(_mqtt(broker.port), options, lambda counts: int(counts["meals"]), bare=hungry)


SCENARIOS: dict[str, tuple[Scenario, str]] = {
    "good link": (good_link, "acks"),
    "broker killed": (broker_killed, "connections lost or refused"),
    "broker frozen": (broker_frozen, "bytes in its sockets at the end"),
    "broker that says nothing": (broker_silent, "bytes in its sockets at the end"),
    "connections reset all the time": (reconnect_storm, "resets"),
    "name server that says nothing": (dns_hanging, "bytes in its socket at the end"),
    "TLS peer that says nothing": (tls_unanswered, "bytes in its sockets at the end"),
    "TLS peer that stalls halfway": (tls_stalled, "key exchanges stalled"),
    "serial line, good": (serial_good, "acks"),
    "serial host that reads nothing": (serial_unread, "bytes in the line at the end"),
    "serial host frozen": (serial_frozen, "bytes in the line at the end"),
    "serial host unplugged": (serial_unplugged, "times the line was lost or not there"),
    "flash full": (flash_full, "files of the spool when nothing more fitted"),
    "heap used up by the app": (heap_used_up, "times"),
}
"""What happens, and what is counted of it."""
