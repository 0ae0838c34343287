"""Forgetting as a whole, and the report that proves it. Neither the report nor what is printed holds the ID."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store import scanning
from ..store.database import SqlStore
from ..store.erasing import Eraser
from ..store.scanning import Needle
from ..store.tombstones import digest_of, salt_of
from ..wire.recording_file import Head
from . import files, stones
from .erasing import bury, erase, erase_returned, say_again
from .finding import Found, Subject, find, line_is_theirs

_ROUNDS = 3  # a process that was in the middle of a transaction may have written once more
_CLEARED_S = 30.0  # until a running bridge has surely heard of it
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Place:
    """What there is beside the database. `lines`: files of events."""

    folder: Path
    lines: Sequence[Path] = ()
    is_running: bool = False
    full: bool = False  # on PostgreSQL: write tables anew


@dataclass(slots=True)
class Report:
    """`left`: where the ID was found afterwards, and how often; `open`: what could not be done, in words."""

    kind: str
    digest: str
    at_ms: int
    refuses: bool
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    left: dict[str, int] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    vendors: list[dict[str, Any]] = field(default_factory=list)
    earlier_backups: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.left and not self.open

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "hash": self.digest,
            "at_ms": self.at_ms,
            "refused_from_now_on": self.refuses,
            "sessions": self.sessions,
            "rows": {
                table: {
                    "before": self.before[table],
                    "erased": self.erased.get(table, 0),
                    "after": self.after.get(table, 0),
                }
                for table in self.before
            },
            "files": {name: count for name, count in self.erased.items() if name not in self.before},
            "found_afterwards": self.left,
            "not_done": self.open,
            "vendors": self.vendors,
            "earlier_backups": self.earlier_backups,
            "clean": self.is_clean,
        }


def forget(
    store: SqlStore,
    subject: Subject,
    place: Place,
    *,
    now_ms: Callable[[], int],
    refuses: bool = True,
    ask_vendors: Callable[[Subject, bytes], list[dict[str, Any]]] = lambda subject, digest: [],
) -> Report:
    """Do it all. Raises LocalError or StoreError: do it again, what was begun is refused already."""
    salt = store.commit_batch(lambda tx: salt_of(tx.db))
    digest = digest_of(salt, subject.kind, subject.text)
    report = Report(subject.kind, digest.hex(), now_ms(), refuses)
    report.before = scanning.row_counts(store)
    eraser = Eraser(store, now_ms)
    found = find(store, subject)
    for _ in range(_ROUNDS):
        report.sessions = max(report.sessions, len(found.sessions))
        buried = bury(store, subject, found, report.at_ms, refuses)
        stones.append(place.folder, buried)
        erase(store, subject, found, eraser, refuses)
        more = find(store, subject)
        if subject.kind == "session" or not more.adds_to(found):
            break
        found.take(more)
    report.vendors = ask_vendors(subject, digest)
    _clean(store, subject, found, place, eraser)
    say_again(store, buried)
    problem = store.compact(place.full)
    report.open += [problem] if problem else []
    report.erased = {name: count for name, count in sorted(eraser.counts.items()) if count}
    report.sessions = max(report.sessions, report.erased.get("sessions", 0))
    report.after = scanning.row_counts(store)
    report.left = _search_patiently(store, subject, place)
    report.earlier_backups = files.earlier_backups(place.folder)
    return report


def again(store: SqlStore, place: Place, more: Path | None, now_ms: Callable[[], int]) -> Counter[str]:
    """After an older copy of the database was put back: forget once more all that had been forgotten since."""
    stones.merge(store, place.folder, more)
    eraser = Eraser(store, now_ms)
    erase_returned(store, eraser)
    eraser.objects()
    store.compact(place.full)
    return eraser.counts


def search(store: SqlStore, subject: Subject, place: Place) -> dict[str, int]:
    """Everywhere but in the requests that wait to be sent to a vendor: by place, how often the ID is there."""
    if subject.kind == "session":
        return _session_rows(store, subject)
    left: Counter[str] = Counter()
    for name in sorted(subject.names):
        left.update(_search_one(store, name, place))
    return dict(left)


def _search_patiently(store: SqlStore, subject: Subject, place: Place) -> dict[str, int]:
    """A bridge that runs clears its broker's files and its exports itself, a moment after it hears of it."""
    left = search(store, subject, place)
    end_s = time.monotonic() + _CLEARED_S
    while place.is_running and left and all(name.startswith(files.LEFT_TO_BRIDGE) for name in left):
        if time.monotonic() > end_s:
            break
        time.sleep(_LOOK_S)
        left = search(store, subject, place)
    return left


def _search_one(store: SqlStore, name: str, place: Place) -> dict[str, int]:
    needle = Needle(name)
    left = scanning.find_in_tables(store, needle)
    left.pop("deletion_requests.subject", None)
    for _ in scanning.find_in_objects(store, needle, set()):
        left["objects"] = left.get("objects", 0) + 1
    waiting = store._all("SELECT 1 FROM deletion_requests WHERE subject = ?", name)
    for file, count in files.search(place.folder, place.lines, needle).items():
        is_database = file.startswith("pixeltrail.db")
        if not (is_database and waiting) and not (file.startswith("objects") and "objects" in left):
            left[file] = count
    return left


def _session_rows(store: SqlStore, subject: Subject) -> dict[str, int]:
    found: dict[str, int] = {}
    for table in (
        *("sessions", "spans", "gaps", "events", "clips", "stars", "shares", "event_names"),
        *("replay_pieces", "packs"),
    ):
        query = (
            f"SELECT count(*) FROM {table} t JOIN devices d ON d.no = t.device"
            " WHERE d.device_id = ? AND t.session_id = ?"
        )
        (count,) = store._all(query, subject.name, subject.session_id)[0]
        if count:
            found[table] = int(count)
    return found


def _clean(store: SqlStore, subject: Subject, found: Found, place: Place, eraser: Eraser) -> None:
    eraser.objects()
    needles = [] if subject.kind == "session" else [Needle(name) for name in sorted(subject.names)]

    def is_theirs(head: Head) -> bool:
        return head.device_id in found.devices or (head.device_id, head.session_id) in found.sessions

    files.clean_objects(store, is_theirs, is_running=place.is_running, counts=eraser.counts)
    files.clean_folder(place.folder, needles, is_running=place.is_running, counts=eraser.counts)
    files.clean_lines(place.lines, line_is_theirs(subject, found), eraser.counts)
