"""A device coder and a host painter of one display side by side, without the encoder between them."""

from __future__ import annotations

from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.operations import Painter
from pixeltrail_bridge.wire.messages import Display, PixelFormat

from tests.firmware.codec.one_by_one import Operations


class Pair:
    """`buffer` is the device's, with `gap` bytes between rows; `picture` the host's."""

    def __init__(
        self,
        width: int,
        height: int,
        format: PixelFormat,
        gap: int = 0,
        strip_width: int = 16,
        references: int = 8,
        use_numba: bool = False,
    ) -> None:
        self.width, self.height, self.format = width, height, format
        self.row_bytes = formats.bytes_per_row(format, width)
        self.rows = formats.rows(format, height)
        self.pitch = self.row_bytes + gap
        self.columns = -(-width // strip_width)
        self.buffer = bytearray(b"\xa5" * (self.pitch * self.rows))
        strip_rows = 8 if formats.has_pages(format) else 1
        self.coder = Operations(self.buffer, width, height, int(format), self.pitch, strip_width, strip_rows)
        display = Display(width, height, format, strip_width, strip_rows, references, None, 0)
        self.painter = Painter(display, use_numba)
        self.painter.reset()
        self.picture = bytearray(self.row_bytes * self.rows)
        self.out = bytearray(1 << 16)

    def draw(self, picture: bytes) -> None:
        for row in range(self.rows):
            start = row * self.row_bytes
            self.buffer[row * self.pitch : row * self.pitch + self.row_bytes] = picture[
                start : start + self.row_bytes
            ]

    def open(self, room: int = 1000) -> None:
        self.out[:] = b"\xee" * len(self.out)
        self.room = room
        self.coder.open(self.out, 16, 16 + room)

    def close(self) -> bytes:
        """End the part, paint it, return it."""
        size = self.coder.close()
        assert size <= self.room
        assert self.out[:16] == b"\xee" * 16 and not self.out[16 + self.room :].strip(b"\xee")
        payload = bytes(self.out[16 : 16 + size])
        before = bytes(self.picture)
        self.painter.paint(payload, self.picture, before)
        return payload

    def send(
        self, column: int, columns: int, row: int, rows: int, room: int = 1000, above: bool = True
    ) -> list[bytes]:
        """A rectangle, in as many parts as it takes."""
        parts = []
        while rows:
            self.open(room)
            begun = rows
            while rows:
                done = self.coder.rectangle(column, columns, row, rows, above)
                if not done:
                    break
                row += done
                rows -= done
            parts.append(self.close())
            if rows == begun:
                raise ValueError("no row fits")
        return parts
