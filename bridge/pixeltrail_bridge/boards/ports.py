"""Serial ports: which one a board is at, and whether we may have it.

A port is found by the USB IDs of board.toml, as `2e8a:0005`. Before a tool gets it, it is opened once, so that a
refusal says what is in the way: no such port, no permission, or another program, by name where the system tells.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .catalogue import Board, BoardError


@dataclass(frozen=True, slots=True)
class Port:
    path: str
    usb_id: str = ""
    what: str = ""


List = Callable[[], Iterable[Port]]


def serial_ports() -> list[Port]:
    """The machine's serial ports; those at USB with their ID."""
    from serial.tools.list_ports import comports

    return [
        Port(
            found.device,
            f"{found.vid:04x}:{found.pid:04x}" if found.vid is not None else "",
            found.description or "",
        )
        for found in comports()
    ]


def find_port(board: Board, ports: Iterable[Port], ids: tuple[str, ...] = ()) -> str | None:
    """The one port with an ID of the board, None when there is none; BoardError when there are several."""
    wanted = ids or (*board.usb_running, *board.usb_loader)
    found = [port for port in ports if port.usb_id in wanted]
    if len(found) > 1:
        several = ", ".join(port.path for port in found)
        raise BoardError(
            f"{board.id}: several ports have a USB ID of this board: {several}; choose one with --port"
        )
    return found[0].path if found else None


def name_ports(ports: Iterable[Port]) -> str:
    told = [" ".join(word for word in (port.path, port.usb_id, port.what) if word) for port in ports]
    return "; ".join(told) if told else "no serial port at all"


def check_port(path: str) -> None:
    """Raise BoardError when the port cannot be had, with the reason and what to do."""
    import serial

    try:
        with serial.Serial(path, exclusive=True):
            pass
    except serial.SerialException as error:
        raise BoardError(explain(path, error.errno, str(error))) from None
    others = holders(path)
    if others:  # it did not ask for the port alone, and would read what the board answers
        raise BoardError(f"port {path} is busy: {_named(others)} has it open; end that first")


def explain(path: str, number: int | None, text: str) -> str:
    """Why a port could not be opened, and what to do."""
    if number == errno.ENOENT:
        return f"there is no port {path}; is the board plugged in, by a cable that carries data?"
    if number in (errno.EACCES, errno.EPERM):
        return f"no permission for {path}: {_permission(path)}"
    if number in (errno.EBUSY, errno.EAGAIN):
        others = holders(path)
        return f"port {path} is busy: {_named(others) if others else 'another program'} has it open; end that first"
    return f"port {path} cannot be opened: {text}"


def _permission(path: str) -> str:
    import grp

    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    return f"run `sudo usermod -aG {group} $USER`, log out and in again"


def _named(others: list[tuple[int, str]]) -> str:
    return ", ".join(f"{name} (process {pid})" for pid, name in others)


def holders(path: str) -> list[tuple[int, str]]:
    """Other processes that have the port open, where the system shows them: process ID and name."""
    target = os.path.realpath(path)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):
            if pid != os.getpid() and any(os.path.realpath(fd) == target for fd in (folder / "fd").iterdir()):
                found.append((pid, (folder / "comm").read_text().strip()))
    return sorted(found)
