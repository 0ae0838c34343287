"""A file system in memory whose power can fail after any byte: what `Spool` asks of the module os, and `open_file`.

`keeps` says what is left of a file that was open when the power failed: "nothing" (littlefs: a close makes it durable),
"part" (FAT: all that was written), or "noise" (the rest of the block was never erased).
"""

from __future__ import annotations

import random
from collections.abc import Callable


class PowerCut(BaseException):
    """Not an Exception: nothing of the device may go on."""


class Flash:
    def __init__(self, keeps: str = "nothing") -> None:
        self.files: dict[str, bytes] = {}
        self.keeps = keeps
        self.budget = 1 << 40  # bytes and operations until the power fails
        self.room = 1 << 40  # bytes until the storage is full
        self.open_count = 0
        self.writes = 0

    def _spend(self, count: int = 1) -> None:
        self.budget -= count
        if self.budget < 0:
            raise PowerCut

    def listdir(self, folder: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.files]

    def mkdir(self, folder: str) -> None:
        pass

    def remove(self, path: str) -> None:
        self._spend()
        if path not in self.files:
            raise FileNotFoundError(path)
        del self.files[path]

    def rename(self, old: str, new: str) -> None:
        self._spend()
        if new in self.files:
            raise FileExistsError(new)  # as FAT does
        self.files[new] = self.files.pop(old)

    def open_file(self, path: str, mode: str) -> _File:
        if mode == "rb" and path not in self.files:
            raise FileNotFoundError(path)
        self._spend()
        return _File(self, path, mode == "wb")


class _File:
    def __init__(self, flash: Flash, path: str, is_new: bool) -> None:
        self._flash, self._path, self._is_new = flash, path, is_new
        self._data = bytearray(b"" if is_new else flash.files[path])
        self._at = 0
        flash.open_count += 1
        if is_new:
            self._leave(b"")

    def __enter__(self) -> _File:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def seek(self, at: int) -> int:
        self._at = at
        return at

    def readinto(self, buffer: bytearray) -> int:
        data = self._data[self._at : self._at + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def write(self, data: bytes) -> int:
        assert self._is_new
        taken = bytes(data[: max(0, self._flash.room)])
        self._flash.room -= len(taken)
        self._flash.writes += 1
        if len(taken) > self._flash.budget:
            self._data += taken[: self._flash.budget]
            self._leave(bytes(self._data))
        self._flash._spend(len(taken))
        self._data += taken
        self._leave(bytes(self._data))
        return len(taken)

    def _leave(self, data: bytes) -> None:
        """What a power cut from here on finds."""
        if self._flash.keeps == "part":
            self._flash.files[self._path] = data
        elif self._flash.keeps == "noise":
            noise = random.Random(len(data)).randbytes(-len(data) % 256)
            self._flash.files[self._path] = data + noise
        else:
            self._flash.files[self._path] = b""

    def close(self) -> None:
        self._flash.open_count -= 1
        if self._is_new:
            self._flash._spend()
            self._flash.files[self._path] = bytes(self._data)


def until_cut(flash: Flash, budget: int, work: Callable[[], object]) -> bool:
    """Do the work with power for `budget`; True when it failed. Afterwards there is power again."""
    flash.budget = budget
    try:
        work()
        return False
    except PowerCut:
        return True
    finally:
        flash.budget = 1 << 40
