"""Files that hold secrets: never readable by others, not even for a moment, and never half written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..errors import LocalError

CA_CERT: Final = "ca.pem"
CA_KEY: Final = "ca.key"
SERVER_CERT: Final = "server.pem"
SERVER_KEY: Final = "server.key"
BRIDGE_CERT: Final = "bridge.pem"
BRIDGE_KEY: Final = "bridge.key"

OTHERS: Final = 0o077  # bits of a mode that let anybody but the owner in


def make_private_folder(folder: Path) -> None:
    """LocalError: it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"{folder}: {error.strerror}; name a folder that can be written") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Change files of the folder alone. LocalError: it cannot be made."""
    make_private_folder(folder)
    with open(folder / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file as a whole. LocalError: it cannot be written."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)  # left behind by a process that was killed
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise LocalError(f"{path}: {error.strerror}; check the folder's owner and the disk") from None


def is_open_to_others(path: Path) -> bool:
    """False also when there is no such file."""
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False
