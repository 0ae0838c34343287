"""The steps that put MicroPython, the library, settings and an app on a board, and their execution.

MicroPython's image is a file that the person gives: nothing is downloaded. esptool writes it, or it is copied to the
drive of the board's loader (UF2); the rest goes through mpremote. Each step is one command or one copy, is told before
it runs, and is all that `--dry-run` prints. Before anything is written, the chip at the port must be the one of
board.toml: esptool's report, `Board-ID` of the loader's drive, or what a running MicroPython says of itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import library, ports, uf2
from .catalogue import Board, BoardError

_WAIT_S: Final = 30.0
_POLL_S: Final = 0.3
# esptool 4 and 5; "Detecting" only where --chip is not given.
_CHIP: Final = re.compile(r"(?:Detecting chip type\.*|Connected to) *(ESP[0-9A-Z-]+)")
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) ?%")
_ARCHITECTURES: Final = (
    *(
        "",
        "x86",
        "x64",
        "armv6",
        "armv6m",
        "armv7m",
        "armv7em",
        "armv7emsp",
        "armv7emdp",
        "xtensa",
        "xtensawin",
    ),
    "rv32imc",
)
ASK: Final = (
    "import sys; i = sys.implementation; "
    "print('is', i.version[0], i.version[1], getattr(i, '_mpy', 0), getattr(i, '_machine', sys.platform))"
)
MAKE_LIB: Final = "import os; 'lib' in os.listdir() or os.mkdir('lib')"
_LEAST: Final = (1, 23)
SECRETS: Final = ("password", "key")
"""Settings that nothing prints."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a person asked for."""

    board: Board
    port: str | None
    firmware: Path | None
    settings: Mapping[str, Any]
    drive: Path | None = None
    extra: tuple[Path, ...] = ()
    """More files that the app reads, such as a certificate."""


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    command: tuple[str, ...] = ()
    """A tool and its arguments; `{port}` is the port. Empty for what we do ourselves."""
    action: Callable[[Flasher], None] | None = None
    check: Callable[[Board, str], None] | None = None
    """Given what the tool printed; raises BoardError."""

    def shown(self, port: str) -> str:
        import shlex

        return shlex.join(word.replace("{port}", port) for word in self.command) if self.command else ""


@dataclass(slots=True)
class Flasher:
    """Runs the steps of a job. `say` gets lines for a person, `progress` a title and per cent."""

    job: Job
    folder: Path
    say: Callable[[str], None]
    progress: Callable[[str, float], None]
    tools: str | None = None
    """Where the tools are looked up; None for this environment and PATH."""
    list_ports: ports.List = ports.serial_ports
    drives: Callable[[], list[Path]] = uf2.mounted
    wait_s: float = _WAIT_S
    _port: str | None = field(default=None, init=False)

    def run(self) -> None:
        board = self.job.board
        steps = plan(self.job, self.folder)
        self._port = self.job.port or ports.find_port(board, self.list_ports())
        if self._port is not None:
            ports.check_port(self._port)
        elif board.flash.method != "uf2" or self.job.firmware is None:
            raise BoardError(
                f"no port with a USB ID of {board.id} ({', '.join((*board.usb_running, *board.usb_loader))}): found "
                f"{ports.name_ports(self.list_ports())}; plug the board in, or choose one with --port"
            )
        self.prepare()
        for number, step in enumerate(steps, 1):
            self.say(f"[{number}/{len(steps)}] {step.title}")
            if step.action is not None:
                step.action(self)
            if step.command:
                self._tool(step)

    def prepare(self) -> None:
        """Make what is copied, before anything is touched."""
        board = self.job.board
        if board.flash.method == "uf2" and self.job.firmware is not None:
            uf2.check_image(board, self.job.firmware)
        if not board.recorder.get("frozen"):
            library.compile_library(board, self.folder)
        library.compile_files(board, self.folder / "app")
        path = self.folder / "app" / "settings.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(dict(self.job.settings)))

    @property
    def port(self) -> str:
        assert self._port is not None, "a step needs the port, and a step before it finds it"
        return self._port

    def wait_for_port(self) -> None:
        """Until the board is there again; it may have another port than before."""
        deadline = time.monotonic() + self.wait_s
        board = self.job.board
        while True:
            found = self.job.port
            if found is None or not Path(found).exists():
                found = ports.find_port(board, self.list_ports(), board.usb_running)
            if found is not None and Path(found).exists():
                self._port = found
                return
            if time.monotonic() > deadline:
                raise BoardError(
                    f"{board.id} did not come back as {', '.join(board.usb_running)} within {self.wait_s:g} s: "
                    "unplug it, plug it in again, and repeat without --firmware"
                )
            time.sleep(_POLL_S)

    def copy_image(self) -> None:
        drive = self.job.drive or uf2.wait_for_drive(self.job.board, self.drives)
        if self.job.drive is not None and uf2.find_drive(self.job.board, [drive]) is None:
            raise BoardError(f"--drive {drive}: there is no INFO_UF2.TXT, so it is no drive of a loader")
        assert self.job.firmware is not None
        uf2.copy(self.job.firmware, drive, lambda done, total: self.progress("copied", 100 * done / total))

    def _tool(self, step: Step) -> None:
        name, *words = step.command
        command = [find_tool(name, self.tools), *(word.replace("{port}", self._port or "") for word in words)]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                found = _PERCENT.search(line)
                if found:
                    self.progress(step.title, float(found.group(1)))
        printed = "".join(lines)
        if step.check is not None:
            step.check(self.job.board, printed)
        if process.returncode:
            last = [line.strip() for line in lines if line.strip()][-3:]
            raise BoardError(
                f"{name} ended with {process.returncode}: {' / '.join(last) or 'it said nothing'}. "
                f"The command was: {step.shown(self._port or '')}"
            )


def find_tool(name: str, where: str | None = None) -> str:
    """esptool or mpremote, from the environment that runs us or from PATH."""
    found = shutil.which(name, path=where if where is not None else sysconfig.get_path("scripts"))
    found = found or (shutil.which(name) if where is None else None)
    if found is None:
        raise BoardError(f"there is no {name}; install it with: pip install 'pixeltrail[flash]'")
    return found


def plan(job: Job, folder: Path) -> list[Step]:
    """Every step, in order. `folder` is where compiled files will lie."""
    board = job.board
    if board.is_simulated or board.flash.method == "none":
        raise BoardError(f"board {board.id!r} is not flashed; {_instead(board)}")
    steps = [*_firmware(job)] if job.firmware is not None else []
    mpremote = ("mpremote", "connect", "{port}")
    steps.append(Step("ask MicroPython what it runs on", (*mpremote, "exec", ASK), check=check_running))
    if not board.recorder.get("frozen"):
        steps.append(Step("make the folder lib", (*mpremote, "exec", MAKE_LIB)))
        steps.append(Step("copy the library", (*mpremote, "cp", "-r", str(folder / "pixeltrail"), ":lib/")))
    names = [path.name if path.name == "main.py" else f"{path.stem}.mpy" for path in board.files()]
    copies: list[str] = []
    for name in (*(name for name in names if name != "main.py"), "settings.json"):
        copies += ["+", "cp", str(folder / "app" / name), f":{name}"]
    for path in job.extra:
        copies += ["+", "cp", str(path), f":{path.name}"]
    steps.append(Step("copy drivers and settings", (*mpremote, *copies[1:])))
    steps.append(Step("copy the app", (*mpremote, "cp", str(folder / "app" / "main.py"), ":main.py")))
    steps.append(Step("restart the board", (*mpremote, "reset")))
    return steps


def _firmware(job: Job) -> list[Step]:
    board, image = job.board, str(job.firmware)
    back = Step("wait for MicroPython", action=Flasher.wait_for_port)
    if board.flash.method == "esptool":
        esptool = ("esptool", "--port", "{port}")
        return [
            Step("ask the chip what it is", (*esptool, "chip-id"), check=check_chip),
            Step("erase its flash", (*esptool, "erase-flash")),
            Step("write MicroPython", (*esptool, "write-flash", f"0x{board.flash.offset:x}", image)),
            back,
        ]
    steps = [
        Step(f"copy MicroPython to the drive {board.flash.drive}: {image}", action=Flasher.copy_image),
        back,
    ]
    if job.port is not None:  # it runs MicroPython already, which can go to the loader by itself
        steps.insert(0, Step("restart into the loader", ("mpremote", "connect", "{port}", "bootloader")))
    return steps


def check_chip(board: Board, printed: str) -> None:
    """esptool's report must name the chip of board.toml."""
    found = _CHIP.search(printed)
    if found is None:
        if "permission" in printed.lower() or "busy" in printed.lower():
            return  # esptool failed, and its own words are told
        if "Failed to connect" in printed or "No serial data received" in printed:
            raise BoardError(
                "the chip did not answer esptool: hold BOOT, press and release RESET, release BOOT, and try again"
            )
        return
    if found.group(1) != board.flash.chip:
        raise BoardError(
            f"the chip is another one: esptool found {found.group(1)}, {board.id} has {board.flash.chip}"
        )


def check_running(board: Board, printed: str) -> None:
    """A running MicroPython must be new enough, and take code for the board's processor."""
    found = re.search(r"^is (\d+) (\d+) (\d+) (.*?)\s*$", printed, re.M)
    if found is None:
        return  # mpremote failed, and its own words are told
    version, mpy = (int(found.group(1)), int(found.group(2))), int(found.group(3))
    machine = found.group(4)
    if version < _LEAST:
        raise BoardError(
            f"the board runs MicroPython {version[0]}.{version[1]}, and the library needs 1.23; get a newer one from "
            f"{board.flash.firmware} and give it with --firmware"
        )
    number = mpy >> 10 & 0x3F
    architecture = _ARCHITECTURES[number] if number < len(_ARCHITECTURES) else f"number {number}"
    is_thumb = architecture.startswith("armv") and board.architecture.startswith("armv")
    fits = architecture == board.architecture or (is_thumb and architecture > board.architecture)
    if not fits:
        raise BoardError(
            f"the chip is another one: the board at the port is {machine!r} ({architecture or 'without native code'}), "
            f"{board.id} has {board.chip} ({board.architecture})"
        )


def _instead(board: Board) -> str:
    if board.is_simulated:
        return f"it is no hardware: `pixeltrail demo` or `pixeltrail sim {board.id}` runs it"
    return f"it runs Python itself: {board.folder}/README.md says how"


def dry_run(job: Job, list_ports: ports.List = ports.serial_ports) -> list[str]:
    """What would be done, a line each."""
    board = job.board
    folder = Path("BUILD")
    port = job.port or ports.find_port(board, list_ports()) or "PORT"
    hidden = {name: "..." if name in SECRETS and value else value for name, value in job.settings.items()}
    lines = [f"{board.id}: {board.name}, at {port if port != 'PORT' else 'a port found by USB ID'}"]
    if job.firmware is None:
        lines.append(f"MicroPython stays as it is; to install it, get the image from {board.flash.firmware}")
        lines.append("and give it with --firmware FILE")
    if board.recorder.get("frozen"):
        lines.append('the image must have the library frozen in (docs/boards.md, "Frozen"): none is copied')
    else:
        lines.append(f"compile the library for {board.architecture} into BUILD/pixeltrail")
    lines.append(f"compile {', '.join(board.flash.files)} into BUILD/app")
    lines.append(f"write BUILD/app/settings.json: {json.dumps(hidden)}")
    for step in plan(job, folder):
        shown = step.shown(port)
        lines.append(f"{step.title}:\n    {shown}" if shown else step.title)
    return lines
