"""Boards without hardware: a process of MicroPython's unix port each, and serial lines between pseudo-terminals.

A simulated board is a folder of `boards/` whose board.toml has a table [sim]. Its main.py gets the link as a URL,
`mqtt://host:port` or `serial:///path`, and everything else as options; `spawn_board` starts it with the heap of the
board. No process stays behind: a board dies with its handle, with its parent, and with all it started itself.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import tomllib
import tty
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from .errors import LocalError

_PACKAGE: Final = Path(__file__).resolve().parent
_STOP_S: Final = 3.0
_READ_BYTES: Final = 4096

# Asks the kernel to end this process with its parent (PR_SET_PDEATHSIG is 1), unless that is gone already, and becomes
# the command. The order survives exec. A system without prctl relies on the handle alone. A terminal becomes that of
# the session, so that Ctrl-C on it interrupts.
_LAUNCH: Final = """
import ctypes, fcntl, os, signal, sys, termios
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except (AttributeError, OSError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

# The kernel counts the thread that started a process as its parent, so that thread must live as long as we do.
_spawner: Final = ThreadPoolExecutor(1, thread_name_prefix="boards")


class SimulationError(LocalError):
    """A simulated board cannot be started here."""


def boards_folder() -> Path:
    """`boards/` of the checkout, or the copy in the wheel."""
    for folder in (_PACKAGE / "_boards", _PACKAGE.parents[1] / "boards"):
        if folder.is_dir():
            return folder
    raise SimulationError(f"no folder of boards beside {_PACKAGE}; reinstall pixeltrail")


def board_names() -> list[str]:
    """The boards that can be simulated."""
    return [path.parent.name for path in sorted(boards_folder().glob("*/board.toml")) if "sim" in _read(path)]


def micropython_path(where: str | None = None) -> Path:
    """The unix port's binary, from the environment that runs us or from PATH; `where` replaces both."""
    ours = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("micropython", path=ours if where is None else where)
    if found is None:
        raise SimulationError(
            "no `micropython` to simulate a board with; install it with: pip install 'pixeltrail[sim]'"
        )
    return Path(found)


def library_path() -> Path:
    """The folder that holds the device library, the package `pixeltrail`."""
    spec = importlib.util.find_spec("pixeltrail")
    if spec is None or spec.origin is None:
        raise SimulationError("the device library `pixeltrail` is not installed; reinstall pixeltrail")
    return Path(spec.origin).parents[1]


class SimulatedBoard:
    """A running board. Leaving the `with` block, or stop(), ends it."""

    def __init__(self, name: str, device_id: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.device_id = device_id
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for a board that ends by itself; returns its exit status, 0 when all was well."""
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """As a power cut would."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def spawn_board(
    name: str,
    url: str,
    device_id: str,
    *,
    sample_rate: float = 1.0,
    duration_s: float | None = None,
    play: Path | None = None,
    pace: bool = False,
    loop: bool = False,
    settings: Mapping[str, str] | None = None,
    heap: str | None = None,
    output: Path | None = None,
) -> SimulatedBoard:
    """Start a simulated board, given by name or by the path of its folder.

    What it prints goes to the file `output`, or to our own standard error. With `play` it shows a recorded sequence,
    given by its description's .json, instead of its app: a frame when the recorder has taken the one before it, or
    with `pace` at the recorded times. `settings` are more options of its main.py, by name.
    """
    folder = boards_folder() / name
    if not (folder / "board.toml").is_file():
        raise SimulationError(
            f"there is no board {name!r} in {folder.parent}; there are {', '.join(board_names())}"
        )
    board = _read(folder / "board.toml").get("sim")
    if board is None:
        raise SimulationError(
            f"board {name!r} is hardware; these can be simulated: {', '.join(board_names())}"
        )

    options: dict[str, str] = {"device-id": device_id, "sample-rate": str(sample_rate), **(settings or {})}
    if duration_s is not None:
        options["duration"] = str(duration_s)
    if play is not None:
        options["play"] = str(play)
    flags = [f"--{flag}" for flag, wanted in (("pace", pace), ("loop", loop)) if wanted]
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    command = [
        *(str(micropython_path()), "-X", f"heapsize={heap or board['heap']}"),
        *(str(folder / "main.py"), url, *words, *flags),
    ]
    search = [
        ".frozen",
        str(library_path()),
        *(str((folder / more).resolve()) for more in board.get("path", [])),
    ]
    environment = {**os.environ, "MICROPYPATH": os.pathsep.join(search)}
    return SimulatedBoard(name, device_id, launch(command, environment, output))


def launch(
    command: list[str],
    environment: Mapping[str, str],
    output: Path | None = None,
    *,
    terminal: str | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that ends with ours, and leads a group of its own.

    It prints to the file `output` or to our standard error; with `terminal` it reads and prints on that device instead.
    """
    bound = [sys.executable, "-I", "-c", _LAUNCH, str(os.getpid()), *command]
    return _spawner.submit(_start, bound, environment, output, terminal, cwd).result()


def _start(
    command: list[str],
    environment: Mapping[str, str],
    output: Path | None,
    terminal: str | None,
    cwd: Path | None,
) -> subprocess.Popen[bytes]:
    with contextlib.ExitStack() as stack:
        sink: Any
        source: Any = subprocess.DEVNULL
        if terminal is not None:
            source = sink = stack.enter_context(open(terminal, "r+b", buffering=0, opener=_not_as_ours))
        else:  # the port prints errors to its standard output
            sink = stack.enter_context(output.open("ab")) if output is not None else sys.stderr.fileno()
        return subprocess.Popen(
            command,
            stdin=source,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )


def _not_as_ours(path: str, flags: int) -> int:
    """Else it becomes the terminal of a process that leads its session and has none, and its end ends that process."""
    return os.open(path, flags | os.O_NOCTTY)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


Fault = Callable[[bytes], bytes]
"""What a line does to the bytes that pass: given a piece, it returns what comes out."""


class PtyPair:
    """A serial line: two pseudo-terminals, and a thread that carries bytes between them.

    Both ends are raw, can be opened, closed and opened again, and stay what they are until close(). Like a UART, the
    line itself tells neither end whether the other is open; what nobody reads stays in the line until it is full.
    """

    def __init__(self, to_host: Fault | None = None, to_device: Fault | None = None) -> None:
        self._fds: list[int] = []
        device, self.device_path = self._open()
        host, self.host_path = self._open()
        self._wake_read, self._wake_write = os.pipe()
        self._fds += [self._wake_read, self._wake_write]
        self._lanes = [_Lane(device, host, to_host), _Lane(host, device, to_device)]
        self._thread = threading.Thread(target=self._pump, name="pty-pair", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._fds:
            os.write(self._wake_write, b"x")
            self._thread.join()
            for fd in self._fds:
                os.close(fd)
            self._fds.clear()

    def __enter__(self) -> PtyPair:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> tuple[int, str]:
        ours, theirs = os.openpty()
        # `theirs` stays open here too, so that an end which its program closes does not hang up
        self._fds += [ours, theirs]
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        return ours, os.ttyname(theirs)

    def _pump(self) -> None:
        while True:
            readable = [lane.source for lane in self._lanes if not lane.waiting]
            writable = [lane.target for lane in self._lanes if lane.waiting]
            can_read, can_write, _ = select.select([self._wake_read, *readable], writable, [])
            if self._wake_read in can_read:
                return
            for lane in self._lanes:
                if lane.source in can_read:
                    lane.read()
                if lane.waiting and (lane.source in can_read or lane.target in can_write):
                    lane.write()


class _Lane:
    """One direction of a line. It reads on only when all it read has been written."""

    def __init__(self, source: int, target: int, fault: Fault | None) -> None:
        self.source = source
        self.target = target
        self.waiting = b""
        self._fault = fault

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.source, _READ_BYTES)
            self.waiting = self._fault(data) if self._fault else data

    def write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            count = os.write(self.target, self.waiting)
            self.waiting = self.waiting[count:]


@contextlib.contextmanager
def serial_board(name: str, device_id: str, **options: Any) -> Iterator[tuple[SimulatedBoard, str]]:
    """A simulated board on a serial line of its own; gives the board and the path of the host's end."""
    with PtyPair() as line, spawn_board(name, f"serial://{line.device_path}", device_id, **options) as board:
        yield board, line.host_path
