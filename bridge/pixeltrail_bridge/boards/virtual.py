"""A board without hardware that tools cannot tell from one: a serial port with MicroPython's REPL behind it.

    with VirtualBoard(folder, heap="2m") as board:
        subprocess.run(["mpremote", "connect", board.port, "ls"])

`folder` is its flash, with emulation.json in it. The process that stands for the chip starts again after each reset,
and main.py with it; the folder is what survives. pull_plug() ends it at once, as a power cut would, until plug_in().
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..simulate import PtyPair, boards_folder, launch, micropython_path
from .imitation import HARDWARE

_RAW_SOFT_RESET: Final = 5
_STOP_S: Final = 5.0


class VirtualBoard:
    """`search` are more folders that hold modules, behind the board's own `lib`."""

    def __init__(self, folder: Path, heap: str, search: Sequence[Path] = ()) -> None:
        self._folder = folder
        hardware = boards_folder() / HARDWARE
        self._command = [str(micropython_path()), "-X", f"heapsize={heap}", str(hardware / "repl.py")]
        self._path = os.pathsep.join([".frozen", "lib", str(hardware), *map(str, search)])
        self._line = PtyPair()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._is_powered = False
        self.starts = 0

    @property
    def port(self) -> str:
        return self._line.host_path

    def plug_in(self) -> None:
        self._is_powered = True
        self._start("")
        self._keeper = threading.Thread(target=self._keep, name="virtual-board", daemon=True)
        self._keeper.start()

    def pull_plug(self) -> None:
        self._is_powered = False
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._keeper is not None:
            self._keeper.join(_STOP_S)
            self._keeper = None

    def close(self) -> None:
        self.pull_plug()
        self._line.close()

    def __enter__(self) -> VirtualBoard:
        self.plug_in()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, mode: str) -> None:
        environment = {**os.environ, "MICROPYPATH": self._path}
        words = [*self._command, mode] if mode else self._command
        self.starts += 1
        self._process = launch(words, environment, terminal=self._line.device_path, cwd=self._folder)

    def _keep(self) -> None:
        """Start the chip again after each reset."""
        while self._is_powered:
            assert self._process is not None
            status = self._process.wait()
            if self._is_powered:
                self._start("raw" if status == _RAW_SOFT_RESET else "")
