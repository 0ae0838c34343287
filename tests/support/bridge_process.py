"""The bridge as a process of its own, to be killed and started again on the same data.

with bridge_process(folder, {"mqtt": {"url": broker_url}}) as bridge:
    bridge.wait_until(lambda: bridge.count("chunks") > 10, "chunks came")
    bridge.kill()       # SIGKILL, of the bridge alone
    bridge.start()      # same settings, same data folder

What it prints goes to `log`. The `with` block leaves no process behind, neither the bridge nor what it started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pixeltrail_bridge.config.table import BridgeSettings, as_toml
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.opening import open_store

Settings = Mapping[str, Mapping[str, Any]]

COMMAND = ("-c", "from pixeltrail_bridge.cli import main; main()")
_DATA = "data"
_POLL_S = 0.02
_STOP_S = 60.0  # for faults: a busy machine takes its time
_TAIL_LINES = 30


class BridgeProcess:
    """`entry` are the words after the interpreter: the command line, or a script that breaks it on purpose."""

    def __init__(self, folder: Path, settings: Settings, entry: Sequence[str] = COMMAND) -> None:
        self.folder = folder
        self.config = folder / "pixeltrail.toml"
        self.data = folder / _DATA
        self.store_url = str(settings.get("store", {}).get("url", ""))
        self._entry = [str(word) for word in entry]
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[Process] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Write the settings file; it counts from the next start on."""
        sections = {"bridge": {"data_dir": _DATA}, "web": {"enabled": False}}
        for section, values in settings.items():
            sections[section] = {**sections.get(section, {}), **values}
        lines = []
        for section, values in sections.items():
            lines += [f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in values.items()), ""]
        self.config.write_text("\n".join(lines))

    # --- life -----------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *arguments: str) -> None:
        assert not self.running
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIXELTRAIL_")}
        words = arguments or ("up", "--config", str(self.config))
        command = [sys.executable, "-X", "faulthandler", *self._entry, *words]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def kill(self) -> None:
        """As the kernel's out-of-memory killer would; what the bridge had started is not touched."""
        if self._process is not None:
            self._seen |= set(descendants(self._process.pid))
            self._process.kill()
            self._process.wait()
            self._process = None

    def abort(self) -> None:
        """End it in a way that makes its log tell where each of its threads stands."""
        assert self._process is not None
        self._seen |= set(descendants(self._process.pid))
        self._process.send_signal(signal.SIGABRT)
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """Ask it to end; returns its exit status."""
        assert self._process is not None
        self._seen |= set(descendants(self._process.pid))
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = _STOP_S) -> int:
        """Until it has ended by itself; returns its exit status."""
        assert self._process is not None
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the bridge did not end within {timeout_s} s\n{self.tail}") from None
        self._process = None
        return status

    def close(self) -> None:
        if self.running:
            with contextlib.suppress(AssertionError):
                self.stop()
        self.kill()
        for process in self._seen:
            process.kill()

    # --- what it says -----------------------------------------------------------

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def tail(self) -> str:
        lines = self.log.splitlines()[-_TAIL_LINES:]
        return "\n".join(["--- end of the bridge's log:", *lines])

    def wait_until(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
        """Until `condition()` is true, which it returns; fails with the log when time runs out or the bridge died."""

        def check() -> Any:
            status = None if self._process is None else self._process.poll()
            assert status is None, f"the bridge ended with {status} before {what}"
            return condition()

        try:
            return wait_until(check, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from None

    # --- what it keeps ------------------------------------------------------------

    @property
    def database(self) -> Path | None:
        path = database_of(self.data)
        return path if path.exists() else None

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Rows of its database, also while it runs; none while there is no database."""
        if self.store_url:
            return self._query_postgres(sql, *values)
        path = self.database
        if path is None:
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            try:
                return db.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if (
                    "no such table" in str(error)
                    or "readonly" in str(error)
                    or "unable to open" in str(error)
                ):
                    return []  # it is only just being made
                raise

    def _query_postgres(self, sql: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.store_url) as db:
            try:
                return db.execute(sql.replace("?", "%s"), values).fetchall()
            except psycopg.errors.UndefinedTable:
                return []  # it is only just being made

    def count(self, table: str, where: str = "1 = 1", *values: Any) -> int:
        rows = self.query(f"SELECT count(*) FROM {table} WHERE {where}", *values)
        return int(rows[0][0]) if rows else 0

    @contextlib.contextmanager
    def store(self) -> Iterator[SqlStore]:
        """Its store, opened by us."""
        path = database_of(self.data)
        assert self.store_url or path.exists(), f"the bridge made no database in {self.data}\n{self.tail}"
        store = open_store(path, self.store_url)
        try:
            yield store
        finally:
            store.close()

    def copy_data(self, name: str) -> Path:
        """A copy of the data folder, as a backup while the bridge is stopped makes it."""
        assert not self.running
        target = self.folder / name
        shutil.copytree(self.data, target)
        return target

    def put_back(self, copy: Path) -> Path:
        """Put a copy in place of the data folder; returns where that is now."""
        assert not self.running
        newer = self.folder / "newer"
        self.data.rename(newer)
        shutil.copytree(copy, self.data)
        return newer


@contextlib.contextmanager
def bridge_process(
    folder: Path, settings: Settings, entry: Sequence[str] = COMMAND, *, started: bool = True
) -> Iterator[BridgeProcess]:
    bridge = BridgeProcess(folder, settings, entry)
    try:
        if started:
            bridge.start()
        yield bridge
    finally:
        bridge.close()


# --- processes ------------------------------------------------------------------


def database_of(data: Path) -> Path:
    return BridgeSettings(data_dir=data).database


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
    """Until `condition()` is true, which it returns. The deadline is for faults: nothing is measured by it."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain until {what}")
        time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told by its start from a later one that got the same number."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and int(stat[19]) == self.started and stat[0] not in "ZX"

    @property
    def command(self) -> str:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
            return b" ".join(words).decode(errors="replace").strip()
        return ""

    def kill(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def descendants(pid: int) -> list[Process]:
    """Processes that a process started, and those that they started."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").iterdir():
        stat = _stat(int(entry.name)) if entry.name.isdigit() else None
        if stat is not None:
            children.setdefault(int(stat[1]), []).append(Process(int(entry.name), int(stat[19])))
    found, waiting = [], [pid]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += [process.pid for process in more]
    return found


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on; its name may hold anything, also spaces and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _toml(value: Any) -> str:
    return as_toml(str(value) if isinstance(value, Path) else value)
