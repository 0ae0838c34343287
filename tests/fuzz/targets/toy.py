"""Shows that guidance works: a fault behind four bytes, each found only by who sees that the one before was right."""

from __future__ import annotations

from collections.abc import Iterator

MAX_BYTES = 4
MODULES = (__name__,)


class Planted(Exception):
    """The fault."""


def seeds() -> Iterator[bytes]:
    yield bytes(4)


def one(data: bytes) -> None:
    if len(data) < 4:
        return
    # sums, so that no comparison shows the byte that would be right
    if (
        (data[0] * 7 + 3) & 255 == 0x79
        and (data[1] * 5 ^ data[0]) & 255 == 0x95
        and (data[2] * 3 + data[1]) & 255 == 0x08
        and (data[3] * 9 - data[2]) & 255 == 0x4A
    ):
        raise Planted
