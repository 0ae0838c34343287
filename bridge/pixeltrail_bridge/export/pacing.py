"""From the time of a recording to that of an export: the part wanted, idle pauses cut, another speed.

Each is a few lines over pairs of (ms, item) in rising time, and composes with the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")
IDLE_MS: Final = 2_000  # of a pause in which nothing changes, this much is left


def cut_idle(items: Iterable[tuple[int, T]], limit_ms: int = IDLE_MS) -> Iterator[tuple[int, T]]:
    """Every pause between two items lasts at most `limit_ms`; what follows moves with it."""
    before_ms, cut_ms = None, 0
    for at_ms, item in items:
        if before_ms is not None:
            cut_ms += max(0, at_ms - before_ms - limit_ms)
        before_ms = at_ms
        yield at_ms - cut_ms, item


def faster(items: Iterable[tuple[int, T]], speed: float) -> Iterator[tuple[int, T]]:
    for at_ms, item in items:
        yield round(at_ms / speed), item


def merge_close(items: Iterable[tuple[int, T]], apart_ms: int) -> Iterator[tuple[int, T]]:
    """Leave out items so that none follows another by less than `apart_ms`; the rest keep their times.

    Of a cluster the last one stays, so that what rests afterwards is shown. The first item's time stays as well, since
    all others are told from it: an item that takes its place takes its time. Looks ahead by less than `apart_ms`.
    """
    held: tuple[int, T] | None = None  # to be shown, unless the cluster's last one takes its place
    closest: tuple[int, T] | None = None  # the newest item too close to `held`
    is_first = True
    for at_ms, item in items:
        if held is None:
            held = at_ms, item
        elif at_ms - held[0] < apart_ms:
            closest = at_ms, item
        else:
            if closest is not None and at_ms - closest[0] >= apart_ms:
                held = (held[0] if is_first else closest[0]), closest[1]
            yield held
            held, closest, is_first = (at_ms, item), None, False
    if closest is not None and held is not None:
        held = (held[0] if is_first else closest[0]), closest[1]
    if held is not None:
        yield held
