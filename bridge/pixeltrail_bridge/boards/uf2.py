"""UF2: images of firmware, and the drive that a board's loader shows. Format: github.com/microsoft/uf2."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from .catalogue import Board, BoardError

_BLOCK: Final = 512
_MAGIC: Final = (0x0A324655, 0x9E5D5157)
_FAMILY_PRESENT: Final = 0x2000
_HAS_FAMILY_AT: Final = 28
_INFO: Final = "INFO_UF2.TXT"
_PIECE: Final = 64 * 1024
_WAIT_S: Final = 60.0
_POLL_S: Final = 0.3
# Blocks of this family mark a place in flash and are for any chip (RP2350 datasheet, 5.5).
_ABSOLUTE: Final = 0xE48BFF57

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def families(image: Path) -> set[int]:
    """The family IDs in an image. Raises BoardError when it is no UF2 file."""
    data = image.read_bytes()
    if not data or len(data) % _BLOCK:
        raise BoardError(f"{image} is no UF2 image: {len(data)} bytes are no whole blocks of {_BLOCK}")
    found = set()
    for at in range(0, len(data), _BLOCK):
        first, second, flags = struct.unpack_from("<III", data, at)
        if (first, second) != _MAGIC:
            raise BoardError(
                f"{image} is no UF2 image: block {at // _BLOCK} does not begin with its magic numbers"
            )
        if flags & _FAMILY_PRESENT:
            found.add(struct.unpack_from("<I", data, at + _HAS_FAMILY_AT)[0])
    return found - {_ABSOLUTE}


def check_image(board: Board, image: Path) -> None:
    found = families(image)
    if board.flash.family and found != {board.flash.family}:
        got = ", ".join(f"0x{family:08x}" for family in sorted(found)) or "none"
        raise BoardError(
            f"{image} is for another chip than {board.chip} of {board.id}: family {got}, wanted "
            f"0x{board.flash.family:08x}; take the one from {board.flash.firmware}"
        )


def mounted() -> list[Path]:
    """Where desktop systems mount a drive that appears."""
    user = os.environ.get("USER", "")
    roots = [Path("/media") / user, Path("/run/media") / user, Path("/media"), Path("/Volumes"), Path("/mnt")]
    return [drive for root in roots if root.is_dir() for drive in sorted(root.iterdir())]


def loader_of(drive: Path) -> str | None:
    """`Board-ID` of a loader's drive, None when it is no such drive."""
    try:
        text = (drive / _INFO).read_text(errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Board-ID":
            return value.strip()
    return ""


def find_drive(board: Board, drives: Iterable[Path]) -> Path | None:
    """The drive of the board's loader; BoardError when only another chip's is there."""
    others = []
    for drive in drives:
        found = loader_of(drive)
        if found == board.flash.drive:
            return drive
        if found is not None:
            others.append(f"{drive} is {found or 'of an unknown board'}")
    if others:
        told = "; ".join(others)
        raise BoardError(
            f"the board in its loader is another one than {board.id}: {told}, wanted {board.flash.drive}"
        )
    return None


def wait_for_drive(
    board: Board, drives: Callable[[], Iterable[Path]] = mounted, wait_s: float = _WAIT_S
) -> Path:
    deadline = time.monotonic() + wait_s
    while True:
        drive = find_drive(board, drives())
        if drive is not None:
            return drive
        if time.monotonic() > deadline:
            raise BoardError(
                f"no drive {board.flash.drive} appeared within {wait_s:g} s: hold BOOTSEL while you plug "
                "the board in, and mount its drive, or name where it is mounted with --drive"
            )
        time.sleep(_POLL_S)


def copy(image: Path, drive: Path, progress: Progress) -> None:
    """Write the image; the board restarts by itself, and the drive may go before the file is closed."""
    total = image.stat().st_size
    done = 0
    with image.open("rb") as source:
        try:
            with (drive / image.name).open("wb") as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    done += len(piece)
                    progress(done, total)
                target.flush()
                os.fsync(target.fileno())
        except OSError as error:
            if done < total:
                raise BoardError(f"the drive {drive} took {done:,} of {total:,} bytes: {error}") from None
