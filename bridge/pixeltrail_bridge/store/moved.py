"""Two marks in `meta` that keep a bridge from a store: it moved elsewhere, or it is being made and not whole yet.

Whoever goes on from a store that has moved sends again what the other one has sent, and what devices have freed since
is not in it.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from ..errors import LocalError

MOVED_TO: Final = "moved_to"  # value: where to, as Store.place
COMING_FROM: Final = "coming_from"
MARKS: Final = (MOVED_TO, COMING_FROM)


class Readable(Protocol):
    place: str

    def _all(self, query: str, *values: Any) -> list[Any]: ...


def check_is_here(store: Readable) -> None:
    """Raises LocalError, which says what to do."""
    found = store._all("SELECT key, value FROM meta WHERE key IN (?, ?)", *MARKS)
    marks = {key: bytes(value).decode() for key, value in found}
    if COMING_FROM in marks:
        raise LocalError(
            f"{store.place} is being moved here from {marks[COMING_FROM]} and is not whole; run `pixeltrail migrate` "
            "again until it says so, or go on with the settings from before: nothing was taken from there"
        )
    if MOVED_TO in marks:
        raise LocalError(
            f"{store.place} has moved to {marks[MOVED_TO]}; set store.url and packing.url as `pixeltrail migrate` "
            "said. To come back with what was accepted since, migrate from there to here; to come back without, stop "
            "that bridge for good and run `pixeltrail migrate --take-back`"
        )
