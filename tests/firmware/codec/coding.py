"""An encoder with its buffer, giving frame parts as the bridge's own messages."""

from __future__ import annotations

from collections.abc import Iterator

from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.wire.messages import Display, Frame, FrameFlag, PixelFormat

PAD = 0xA5  # what lies between rows; it must never get out

CORPUS_FORMATS = {
    "MONO_VLSB": PixelFormat.MONO_VLSB,
    "MONO_HLSB": PixelFormat.MONO_HLSB,
    "GS4": PixelFormat.GS4_HMSB,
    "GS8": PixelFormat.GS8,
    "RGB565": PixelFormat.RGB565,
    "RGB565S": PixelFormat.RGB565S,
}


class Device:
    """A display of any format, with `gap` bytes between its rows."""

    def __init__(
        self,
        width: int,
        height: int,
        format: PixelFormat,
        gap: int = 0,
        strip_width: int = 0,
        references: int = 128,
    ) -> None:
        self.width, self.height, self.format = width, height, format
        self.references = references
        self.row_bytes = formats.bytes_per_row(format, width)
        self.rows = formats.rows(format, height)
        self.pitch = self.row_bytes + gap
        self.buffer = bytearray([PAD]) * (self.pitch * self.rows)
        self.encoder = Encoder(self.buffer, width, height, int(format), self.pitch, strip_width, references)

    @property
    def display(self) -> Display:
        encoder = self.encoder
        return Display(
            self.width,
            self.height,
            self.format,
            encoder.strip_width,
            encoder.strip_rows,
            self.references,
            None,
            0,
        )

    def draw(self, picture: bytes) -> None:
        for row in range(self.rows):
            start = row * self.row_bytes
            self.buffer[row * self.pitch : row * self.pitch + self.row_bytes] = picture[
                start : start + self.row_bytes
            ]

    def frame(self, is_key: bool = False, room: int = 1000, budget_px: int = 1 << 20) -> Iterator[Frame]:
        """All parts of a frame of what is dirty."""
        self.encoder.begin(is_key)
        flags = FrameFlag.FIRST | (FrameFlag.RESET if is_key else 0)
        yield from self.rest(is_key, room, budget_px, flags)

    def rest(self, is_key: bool, room: int, budget_px: int = 1 << 20, flag: int = 0) -> Iterator[Frame]:
        encoder = self.encoder
        out = bytearray(b"\xee") * (room + 32)
        while True:
            size = encoder.encode_into(out, 16, 16 + room, budget_px)
            assert size <= room and out[:16] == out[16 + room :] == b"\xee" * 16
            payload = bytes(out[16 : 16 + size])
            flags = flag | (FrameFlag.KEY if is_key else 0) | encoder.payload_type << 5
            if encoder.finished:
                flags |= FrameFlag.LAST | (0 if encoder.exact else FrameFlag.MIXED)
                if is_key:
                    encoder.checksum_into(out, 0)
                    payload += bytes(out[:4])
                yield Frame(flags, payload)
                return
            assert size, "an encoder that was asked twice makes progress"
            yield Frame(flags, payload)
            flag = 0


def without_unused_bits(picture: bytes, width: int, height: int, format: PixelFormat) -> bytes:
    masks = formats.masks(format, width, height)
    row_bytes = formats.bytes_per_row(format, width)
    result = bytearray(picture)
    for i in range(row_bytes - 1, len(result), row_bytes):
        result[i] &= masks.edge
    for i in range(len(result) - row_bytes, len(result)):
        result[i] &= masks.foot
    return bytes(result)
