"""Frames of a serial line, at both ends. The first byte says whether the rest is the line itself, or messages of it.

Whole or in pieces the bridge finds the same messages, and the device the same as the bridge; little is ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from pixeltrail.transport.serial import POLLIN, POLLOUT, Serial
from pixeltrail_bridge.wire.framing import MAX_FRAME_BYTES, Deframer, frame
from pixeltrail_bridge.wire.limits import MAX_MESSAGE_BYTES

from tests.support import vectors

MAX_BYTES = 6_000
MODULES = (
    "pixeltrail_bridge.wire.framing",
    *(f"pixeltrail.transport.framing_plain:{name}" for name in ("find_zero", "decode_frame")),
    *(f"pixeltrail.transport.serial:Serial.{name}" for name in ("_deframe", "_end_frame", "receive")),
)
_AS_IT_IS, _FRAMED = 0, 1
_HEARD_BYTES = 1_000  # a device written in Python takes its time for more


class Line:
    """A stream that has its bytes ready, as the transport wants one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.readiness = self

    def events(self) -> int:
        return POLLOUT | (POLLIN if self._data else 0)

    def readinto(self, buffer: bytearray, most: int = 1 << 20) -> int | None:
        piece = self._data[: min(most, len(buffer))]
        self._data = self._data[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece) or None

    def write(self, _buffer: bytes, _at: int, size: int) -> int:
        return size

    @property
    def is_empty(self) -> bool:
        return not self._data


def seeds() -> Iterator[bytes]:
    messages = [bytes.fromhex(one["hex"]) for one in vectors.load("up") + vectors.load("down")]
    for message in messages[::3]:
        yield bytes((_AS_IT_IS,)) + frame(message)
        yield bytes((_FRAMED, len(message) & 255, len(message) >> 8)) + message
    yield (
        bytes((_AS_IT_IS,))
        + b"boot: ok\r\nh\xc3\xa9llo\n>>> "
        + frame(b"one")
        + b"Traceback\n"
        + frame(b"two")
    )
    yield bytes((_AS_IT_IS,)) + b"\xff\x80" * 40 + b"\0" + frame(b"after")
    yield bytes((_AS_IT_IS,)) + b"all work and no play\n" * 240 + frame(b"x")


def one(data: bytes) -> None:
    line = data[1:] if data[:1] != bytes((_FRAMED,)) else _framed(data[1:])
    line += b"\0"
    whole = _messages([line])
    pieces = [line[at : at + 1 + len(data) % 97] for at in range(0, len(line), 1 + len(data) % 97)]
    assert _messages(pieces) == whole, "pieces give other messages than the whole"
    assert all(0 < len(message) <= MAX_MESSAGE_BYTES for message in whole)
    assert len(line) > _HEARD_BYTES or _heard_by_a_device(line) == whole, (
        "the device reads other messages than the bridge"
    )
    _pause_within(line)
    for message in whole:
        assert _messages([frame(message)]) == [message], "a message is another one after it was framed"


def _framed(data: bytes) -> bytes:
    """Each message with its length before it."""
    parts = []
    while len(data) >= 2 and len(parts) < 20:
        size = 2 + (data[0] | data[1] << 8) % (MAX_MESSAGE_BYTES + 1)
        parts.append(frame(data[2:size]))
        data = data[size:]
    return b"".join(parts)


def _messages(pieces: list[bytes]) -> list[bytes]:
    deframer, found = Deframer(), []
    for piece in pieces:
        found += deframer.feed(piece)
        assert len(deframer._pending) <= MAX_FRAME_BYTES, "it keeps more than a frame"
    assert all(text.isprintable() for text in found if isinstance(text, str))
    return [message for message in found if isinstance(message, bytes)]


def _pause_within(line: bytes) -> None:
    """A pause shows text early. Messages of ours begin with a byte that no text has, so that costs none of them."""
    deframer = Deframer()
    for at in range(0, len(line), 64):
        deframer.feed(line[at : at + 64])
        assert all(text.isprintable() for text in deframer.idle())


def _heard_by_a_device(line: bytes) -> list[bytes]:
    stream, found, now = Line(line), [], 0
    serial = Serial(stream, rx_bytes=MAX_MESSAGE_BYTES)
    while not stream.is_empty or serial.receive():
        serial.poll(now)
        while size := serial.receive():
            found.append(bytes(serial.rx[:size]))
        now += 1
    return found
