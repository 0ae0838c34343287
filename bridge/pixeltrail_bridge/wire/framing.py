"""Messages on a serial line: COBS(message + CRC-32), a zero byte before and after.

Whatever stands between two zeros and is no valid frame is text of the device (a
print, a REPL), because the line is often the one that people read. A frame that
the line damaged looks like neither; it is counted, and the device sends it again.
"""

from __future__ import annotations

import string
import zlib
from typing import Final

from cobs import cobs

from . import limits

_CRC_BYTES: Final = 4
_MAX_PLAIN: Final = limits.MAX_MESSAGE_BYTES + _CRC_BYTES
MAX_FRAME_BYTES: Final = _MAX_PLAIN + _MAX_PLAIN // 254 + 1  # COBS adds one byte to each 254
_PRINTABLE: Final = string.printable.encode() + b"\x08\x1b"


def frame(message: bytes) -> bytes:
    """`message` as it goes on the line, both zeros included."""
    checked = message + zlib.crc32(message).to_bytes(_CRC_BYTES, "little")
    return b"".join((b"\0", cobs.encode(checked), b"\0"))


class Deframer:
    """Bytes of a line to messages (bytes) and lines of text (str), in the order they came.

    `damaged` counts what was neither: frames that the line broke, or binary noise.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._pending = bytearray()
        self._is_too_long = False  # what came since the last zero is no frame, however it ends

    def feed(self, data: bytes) -> list[bytes | str]:
        """Messages and text lines that `data` completes. Any split of the input gives the same messages."""
        found: list[bytes | str] = []
        pieces = data.split(b"\0")
        for piece in pieces[:-1]:
            self._pending += piece
            self._close(found)
        self._pending += pieces[-1]
        if len(self._pending) > MAX_FRAME_BYTES:  # no frame is that long: a program that prints a lot
            self._close_text(bytes(self._pending), found)
            self._pending.clear()
            self._is_too_long = True
        return found

    def idle(self) -> list[str]:
        """Whole lines of text that no zero has closed yet. For a pause on the line: prints show up without a frame."""
        pending = bytes(self._pending)
        if not pending.endswith((b"\n", b"\r", b">>> ")) or pending.translate(None, _PRINTABLE):
            return []
        self._pending.clear()
        return _lines(pending)

    def _close(self, found: list[bytes | str]) -> None:
        pending, is_too_long = bytes(self._pending), self._is_too_long
        self._pending.clear()
        self._is_too_long = False
        if not pending:
            return
        message = None if is_too_long else _unframe(pending)
        if message is None:
            self._close_text(pending, found)
        else:
            found.append(message)

    def _close_text(self, raw: bytes, found: list[bytes | str]) -> None:
        odd = len(raw.translate(None, _PRINTABLE))
        if odd * 4 > len(raw) and _is_noise(raw):
            self.damaged += 1
        else:
            found.extend(_lines(raw))


def _unframe(raw: bytes) -> bytes | None:
    if len(raw) > MAX_FRAME_BYTES:
        return None
    try:
        checked = cobs.decode(raw)
    except cobs.DecodeError:
        return None
    message, crc = checked[:-_CRC_BYTES], checked[-_CRC_BYTES:]
    return message if message and zlib.crc32(message) == int.from_bytes(crc, "little") else None


def _is_noise(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


def _lines(raw: bytes) -> list[str]:
    text = raw.decode("utf-8", "replace")
    lines = ("".join(c if c.isprintable() else " " for c in line).rstrip() for line in text.splitlines())
    return [line for line in lines if line]
