"""Reading what a setting names: a file of bounded size, or a pipe that somebody is writing into.

What is named may be a pipe that nobody writes into, a folder, /dev/zero, or a disk's image: none may hold up a start or
a SIGHUP, or take the memory of a bridge that runs. OSError says what it is, in `strerror`.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 20  # of settings, and of certificates: tens of thousands of lines
MOST_RING_BYTES: Final = 64 << 20  # of the keys of devices: 200,000 of them
_WAIT_MS: Final = 5_000  # for whoever writes into a pipe: `-c <(sops -d settings)`
_PIECE: Final = 1 << 16


def read_file(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """All of it."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        pieces: list[bytes] = []
        size, is_pipe = 0, stat.S_ISFIFO(os.fstat(handle).st_mode)
        while piece := _read_piece(handle):
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes, so some other file")
        if is_pipe and not pieces:
            raise OSError(errno.EPIPE, "a pipe that nobody writes into")
    finally:
        os.close(handle)
    return b"".join(pieces)


def _read_piece(handle: int) -> bytes:
    while True:
        try:
            return os.read(handle, _PIECE)
        except BlockingIOError:
            line = select.poll()
            line.register(handle, select.POLLIN)
            if not line.poll(_WAIT_MS):
                raise OSError(errno.ETIMEDOUT, "nothing comes out of it") from None


def check_file(path: Path, most_bytes: int = MOST_BYTES) -> None:
    """For what a library reads by its name. OSError: no file, or too large to be meant."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "no file, but a folder, a pipe or a device")
    if state.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes, so some other file")
