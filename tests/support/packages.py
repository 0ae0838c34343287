"""Packages of the device library, served from loopback and installed by MicroPython's own mip."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

from . import micropython


@functools.cache
def packager() -> ModuleType:
    """firmware/package.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("package", micropython.FIRMWARE / "package.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Served:
    """A folder behind an address. `asked`: the paths of all requests, in order."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args, **named):
                super().__init__(*args, directory=str(folder), **named)

            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    server = Served(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def mip_install(package: str, target: Path, index: str | None = None) -> str:
    """Have mip, which is frozen into the unix port, install into the folder `target`; returns what it printed."""
    where = f", index={index!r}" if index else ""
    script = f"import mip; mip.install({package!r}, target={str(target)!r}{where})"
    return micropython.run(script, search=(), timeout_s=100)
