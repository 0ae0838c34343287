"""A whole move: passes while a bridge works on the source, and a last one while nobody may.

    copy()    as often as one likes; the source goes on, the target says that it is not whole
    finish()  holds the source, makes the last pass, compares all tables, and only then says in the source that it
              moved and in the target that it is whole

Whatever is killed whenever: until the source says that it moved, it is as good as before; from then on the target is
whole, and another finish() has nothing left but to say so. bridge ID, numbers and message IDs are rows like others, so
devices and sinks meet the bridge they know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InUseError, LocalError, StoreError
from ..store.moved import COMING_FROM, MOVED_TO
from ..store.objects import Objects
from .copying import Contents, Objected, Tell, contents_of, copy_objects, copy_table
from .ends import End
from .tables import tables

_BRIDGE_ID = "bridge_id"


@dataclass(frozen=True, slots=True)
class Side:
    end: End
    objects: Objects


@dataclass(frozen=True, slots=True)
class Report:
    """`changes`: rows that the last pass wrote or deleted. `contents`: the same on both sides, by table."""

    changes: int
    contents: Mapping[str, Contents]
    objects: Objected


class Move:
    """Raises LocalError where the two ends may not be moved into each other. One at a time for a target."""

    def __init__(self, source: Side, target: Side, tell: Tell = lambda what, size: None) -> None:
        self._source, self._target, self._tell = source, target, tell
        self.old, self.new = source.end.place, target.end.place
        self.is_moved = self._is_moved()
        if not self.is_moved:
            self._check_target()

    def _is_moved(self) -> bool:
        """Whether a finish() was cut off that had said so in the source."""
        source, target = self._source.end, self._target.end
        to = source.meta(MOVED_TO)
        if source.meta(COMING_FROM) is not None:
            raise LocalError(
                f"{source.place} is not whole, another move to there was not finished; finish it first"
            )
        if to is None:
            return False
        if to == target.place.encode() and target.meta(COMING_FROM) == source.place.encode():
            return True
        raise LocalError(
            f"{source.place} has moved to {to.decode()} before; to move from here once more, run "
            "`pixeltrail migrate --take-back` first"
        )

    def _check_target(self) -> None:
        source, target = self._source.end, self._target.end
        if others := target.others():
            raise LocalError(
                f"{others} others work on {target.place}; stop them first, or name another place"
            )
        if target.is_empty() and target.meta(COMING_FROM) is None:
            return
        is_ours = target.meta(_BRIDGE_ID) == source.meta(_BRIDGE_ID)
        coming = target.meta(COMING_FROM)
        if coming is not None and coming != source.place.encode():
            raise LocalError(
                f"{target.place} is being filled from {coming.decode()}; name an empty place, or finish that move"
            )
        if coming is None and not (is_ours and target.meta(MOVED_TO) is not None):
            raise LocalError(
                f"{target.place} holds recordings already, and what is there would be lost; name an empty place"
            )

    def copy(self) -> int:
        """One pass; how many rows and objects it had to change."""
        if self.is_moved:
            return 0
        self._target.end.set_meta({COMING_FROM: self._source.end.place.encode(), MOVED_TO: None})
        objects = self._copy_objects()
        return objects.copied + objects.dropped + sum(changed for changed, _ in self._copy_tables().values())

    def size_bytes(self) -> int:
        """About how much a pass reads."""
        return self._source.end.size_bytes()

    def check_is_free(self) -> None:
        """Raises InUseError while others work on the source, as far as it can tell."""
        if others := self._source.end.others():
            raise InUseError(f"{others} others work on {self._source.end.place}; stop every bridge there")

    def finish(self) -> Report:
        """The caller has seen to it that no bridge works on the source. StoreError: try again, all is as before."""
        source, target = self._source.end, self._target.end
        if self.is_moved:
            target.set_meta({COMING_FROM: None})
            contents = {table.name: contents_of(table, target, self._tell) for table in tables()}
            return Report(0, contents, Objected())
        target.set_meta({COMING_FROM: source.place.encode(), MOVED_TO: None})
        with source.held():
            self.check_is_free()
            objects = self._copy_objects()
            copied = self._copy_tables()
            held = {name: contents for name, (_, contents) in copied.items()}
            self._compare(held)
            target.set_counters(source.counters())
            source.set_meta({MOVED_TO: target.place.encode()})
        target.set_meta({COMING_FROM: None})
        return Report(sum(changed for changed, _ in copied.values()), held, objects)

    def _copy_objects(self) -> Objected:
        source, target = self._source, self._target
        if source.objects.place == target.objects.place:
            return Objected()
        return copy_objects(source.end, source.objects, target.end, target.objects, self._tell)

    def _copy_tables(self) -> dict[str, tuple[int, Contents]]:
        ends = self._source.end, self._target.end
        return {table.name: copy_table(table, *ends, self._tell) for table in tables()}

    def _compare(self, held: Mapping[str, Contents]) -> None:
        """What the source held against what the target gives back."""
        for table in tables():
            found = contents_of(table, self._target.end, self._tell)
            if found != held[table.name]:
                raise StoreError(
                    f"table {table.name}: {self._source.end.place} has {held[table.name].rows} rows, digest "
                    f"{held[table.name].digest}; {self._target.end.place} gives back {found.rows}, digest "
                    f"{found.digest}. Nothing was changed over; run `pixeltrail migrate` again"
                )


def take_back(end: End) -> str:
    """Make a store one to start from again, that had moved; where it had moved to. Raises LocalError."""
    to = end.meta(MOVED_TO)
    if to is None:
        raise LocalError(f"{end.place} has not moved anywhere; nothing was changed")
    end.set_meta({MOVED_TO: None})
    return to.decode()
