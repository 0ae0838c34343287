"""A file with one event per line (JSON Lines), for data loggers and pipelines that read files.

A line is durable (fsync) before its call is settled. After a crash a half line is cut off, and events among the last
ones of the file are not written twice.
"""

from __future__ import annotations

import asyncio
import fcntl
import glob
import gzip
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ..mapping.calls import OutboxRow, Settled
from .base import Clock, backoff_ms, host_clock

TAIL_BYTES = 4 << 20  # more than one lease can hold, so every line that a crash may repeat is in it


_PART = ".rewritten"


class _Id(msgspec.Struct):
    messageId: str = ""


class JsonLinesSink:
    name = "jsonl"

    def __init__(self, path: Path, *, now_ms: Clock = host_clock) -> None:
        self.path = path
        self.alarm: str | None = None
        self.paused_until_ms = 0
        self._now_ms = now_ms
        self._file: int | None = None
        self._appending = threading.Lock()
        self._recent: set[str] = set()  # IDs at the end of the file as it was found

    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        try:
            await asyncio.to_thread(self._append, rows)
        except OSError as error:
            return self._postpone(rows, error)
        self.alarm = None
        return [Settled(row.id, "sent") for row in rows]

    async def close(self) -> None:
        """An append that is still under way keeps the file: its number would be that of the next one opened."""
        if not self._appending.acquire(blocking=False):
            return
        try:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        finally:
            self._appending.release()

    def _append(self, rows: Sequence[OutboxRow]) -> None:
        with self._appending:
            file = self._locked()
            try:
                self._write(file, rows)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _locked(self) -> int:
        """The file, which nobody rewrites until the lock is let go of."""
        while True:
            if self._file is None:
                self._file = self._open()
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if self._is_in_place(self._file):
                return self._file
            os.close(self._file)  # moved away or deleted, as log rotation does: go on in a new one
            self._file = None

    def _write(self, file: int, rows: Sequence[OutboxRow]) -> None:
        lines = b"".join(row.payload + b"\n" for row in rows if row.message_id not in self._recent)
        end = os.lseek(file, 0, os.SEEK_END)
        try:
            if os.write(file, lines) != len(lines):
                raise OSError(f"{self.path} took only part of a line; is the disk full?")
            os.fsync(file)
        except OSError:
            os.ftruncate(file, end)
            raise

    def _is_in_place(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(file).st_size
        start = max(0, size - TAIL_BYTES)
        tail = os.pread(file, size - start, start)
        whole = tail.rfind(b"\n") + 1
        os.ftruncate(file, start + whole)
        self._recent = {_message_id(line) for line in tail[:whole].splitlines()}
        return file

    def _postpone(self, rows: Sequence[OutboxRow], error: OSError) -> list[Settled]:
        self.alarm = f"cannot write {self.path}: {error.strerror or error}; check jsonl.path and the disk"
        self.paused_until_ms = self._now_ms() + backoff_ms(max(row.attempts for row in rows))
        return [Settled(row.id, "retry", None, str(error), self.paused_until_ms) for row in rows]


def remove_lines(path: Path, is_gone: Callable[[bytes], bool]) -> int:
    """Take lines out of the file and of those that were rotated away (also .gz), whether a bridge writes it or not.

    The others stay as they are, to the byte. Returns how many are gone. Raises OSError.
    """
    return sum(_rewrite(one, is_gone) for one in sorted(path.parent.glob(f"{glob.escape(path.name)}*")))


def _rewrite(path: Path, is_gone: Callable[[bytes], bool]) -> int:
    if not path.is_file() or path.name.endswith(_PART):
        return 0
    reader = gzip.open if path.suffix == ".gz" else open
    with path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with reader(path, "rb") as file:
            gone = sum(is_gone(line) for line in file)
        if not gone:
            return 0
        part = path.with_name(path.name + _PART)
        with reader(path, "rb") as file, reader(part, "wb") as kept:
            kept.writelines(line for line in file if not is_gone(line))
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        os.chmod(part, path.stat().st_mode & 0o777)
        part.replace(path)
    return gone


def _message_id(line: bytes) -> str:
    try:
        return msgspec.json.decode(line, type=_Id).messageId
    except msgspec.MsgspecError:
        return ""
