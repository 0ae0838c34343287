"""Servers for tests: each on free loopback ports, with its own folder, gone at the end of the `with` block.

with mosquitto() as broker:
    client.connect("127.0.0.1", broker.port)
    broker.kill()       # as a power cut would
    broker.restart()    # same ports, same data folder
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from .requirements import require

LOOPBACK = "127.0.0.1"
_READY_S = 100.0  # for faults: a machine with more to do than processors takes 20 s to start a program
_STOP_S = 10.0
# Below those that Linux gives to whoever asks for any port, as every connection does: between the moment when a port is
# found free and the one when a server listens there, which may be seconds, it would give that one as well.
_ALL_PORTS = range(10_000, 32_000)


def _own_ports(worker: str, count: int) -> range:
    """Of a test worker, gw0 to gwN: another must not get the port of a server that is only being started again."""
    size = len(_ALL_PORTS) // count
    return _ALL_PORTS[int(worker.removeprefix("gw")) * size :][:size]


_PORTS = _own_ports(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
)
_numbers = itertools.count(random.SystemRandom().randrange(len(_PORTS)))  # other processes begin elsewhere
# Another process may still have found the same port.
_START_ATTEMPTS = 3
_POSTGRES_USER = "postgres"  # who runs it where we are root, which it refuses to be


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """`count` different ports that were free a moment ago, and that nobody is given who asks for any port."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS[next(_numbers) % len(_PORTS)]
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((LOOPBACK, port))
            found.append(port)
    return found


def wait_for_port(
    port: int, timeout_s: float = _READY_S, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Return once something listens on the port; raise if `process` ends first or time runs out."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before it listened on port {port}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listened on port {port} within {timeout_s} s")
        time.sleep(0.01)


class Service:
    """One server process. `ports` are waited for in order; the first is `port`."""

    def __init__(
        self, command: Sequence[str | Path], ports: Sequence[int], folder: Path, user: str | None = None
    ) -> None:
        self.folder = folder
        self.ports = tuple(ports)
        self._command = [str(word) for word in command]
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def pid(self) -> int:
        """Of the server itself: no launcher stands between."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        assert self._process is None
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **_as_user(self._user),
            )
        try:
            for port in self.ports:
                wait_for_port(port, process=self._process)
        except (RuntimeError, TimeoutError) as error:
            self.kill()
            raise RuntimeError(f"{Path(self._command[0]).name} did not start: {error}\n{self.log}") from error

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait. What it had not written is lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same ports and data; kills the process if it still runs."""
        self.kill()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_S = TypeVar("_S", bound=Service)


class NatsServer(Service):
    """`port` speaks MQTT, `nats_port` NATS."""

    @property
    def nats_port(self) -> int:
        return self.ports[1]

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.nats_port}"


class Postgres(Service):
    """A cluster of its own, on loopback and a socket in `folder`; whoever may reach it is its superuser."""

    @property
    def url(self) -> str:
        return f"postgresql://pixeltrail@{LOOPBACK}:{self.port}/postgres"

    def start(self) -> None:
        """It listens before it answers: wait until it does."""
        super().start()
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                return psycopg.connect(self.url).close()
            except psycopg.OperationalError as error:
                is_coming = "starting up" in str(error) or "not yet accepting" in str(error)
                if not is_coming or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def stop(self) -> None:
        self._end(signal.SIGINT)  # without waiting for clients

    def restart(self) -> None:
        """As Service; after a kill the backends need a moment to notice and let go of their memory."""
        self.kill()
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                return self.start()
            except RuntimeError as error:
                if "shared memory block" not in str(error) or time.monotonic() > deadline:
                    raise


def _as_user(user: str | None) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


@contextlib.contextmanager
def postgres(extra: Sequence[str] = (), preload: Path | None = None) -> Iterator[Postgres]:
    """PostgreSQL with fsync on, as a person would run it. `extra` are more settings, `name=value`.

    `preload` is a library that the server loads before all others.
    """
    user = _POSTGRES_USER if os.geteuid() == 0 else None
    with _folder("postgres") as folder:
        if user is not None:
            shutil.chown(folder, user, user)
        data = folder / "data"
        subprocess.run(
            [require("initdb"), "-D", data, "-U", "pixeltrail", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **_as_user(user),
        )

        def build() -> Postgres:
            port = free_port()
            values = [f"listen_addresses={LOOPBACK}", f"unix_socket_directories={folder}", *extra]
            options = [word for value in values for word in ("-c", value)]
            command = [require("postgres"), "-D", data, "-p", str(port), *options]
            before = ["env", f"LD_PRELOAD={preload}"] if preload else []
            return Postgres([*before, *command], [port], folder, user)

        service = _started(build, retry=True)
        try:
            yield service
        finally:
            service.stop()


@contextlib.contextmanager
def mosquitto(extra: str = "", port: int | None = None) -> Iterator[Service]:
    """Mosquitto with one open listener and nothing kept on disk. `extra` is appended to its configuration."""

    def build(folder: Path, port: int) -> Service:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} {LOOPBACK}\nallow_anonymous true\npersistence false\nlog_dest stdout\n{extra}\n"
        )
        return Service([require("mosquitto"), "-c", config], [port], folder)

    with _folder("mosquitto") as folder:
        service = _started(lambda: build(folder, port or free_port()), retry=port is None)
        try:
            yield service
        finally:
            service.stop()


@contextlib.contextmanager
def nats(extra: str = "", port: int | None = None) -> Iterator[NatsServer]:
    """nats-server with JetStream and its MQTT 3.1.1 listener. `extra` is appended to its configuration."""

    def build(folder: Path, mqtt_port: int, nats_port: int) -> NatsServer:
        config = folder / "nats.conf"
        config.write_text(
            "server_name: pixeltrail-test\n"  # MQTT sessions are stored under it
            f"host: {LOOPBACK}\nport: {nats_port}\n"
            f'jetstream {{ store_dir: "{folder / "jetstream"}" }}\n'  # MQTT needs it
            f"mqtt {{ host: {LOOPBACK}, port: {mqtt_port} }}\n{extra}\n"
        )
        return NatsServer([require("nats-server"), "-c", config], [mqtt_port, nats_port], folder)

    def build_anywhere(folder: Path) -> NatsServer:
        mqtt_port, nats_port = free_ports(2)
        return build(folder, port or mqtt_port, nats_port)

    with _folder("nats") as folder:
        service = _started(lambda: build_anywhere(folder), retry=port is None)
        try:
            yield service
        finally:
            service.stop()


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"pixeltrail-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(build: Callable[[], _S], retry: bool) -> _S:
    attempts = _START_ATTEMPTS if retry else 1
    while True:
        service = build()
        attempts -= 1
        try:
            service.start()
            return service
        except RuntimeError:
            if not attempts:
                raise


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one connection over loopback."""
    with socket.create_server((LOOPBACK, 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far
