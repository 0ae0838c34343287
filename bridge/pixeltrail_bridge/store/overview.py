"""Reads for people: the newest of a list, and how many of what there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .base import SEQ_SPAN, DeadLetter, EventRow
from .readers import Readers
from .sql import marks

_LETTERS = """
SELECT * FROM (
    SELECT id, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count FROM dead_letters
    WHERE device_id = ? ORDER BY id DESC LIMIT ?
) newest ORDER BY id
"""
_DEAD = """
SELECT d.device_id, count(*) FROM deliveries v JOIN devices d ON d.no = v.device
WHERE v.state = 'dead' GROUP BY d.device_id
"""
_ALL = 1 << 62  # rows: no limit, for both databases
_DEAD_PIECES = """
SELECT d.device_id, count(*) FROM replay_pieces r JOIN devices d ON d.no = r.device
WHERE r.state = 'dead' GROUP BY d.device_id
"""
_GAPS = "SELECT d.device_id, count(*) FROM gaps g JOIN devices d ON d.no = g.device GROUP BY d.device_id"
_DELIVERIES = """
SELECT d.device_id, v.state, count(*) FROM deliveries v JOIN devices d ON d.no = v.device
GROUP BY d.device_id, v.state
"""

_NEWEST = (
    "SELECT d.device_id, s.stream, s.watermark FROM devices d JOIN streams s ON s.no ="
    " (SELECT no FROM streams WHERE device = d.no AND imported_ms IS NULL ORDER BY no DESC LIMIT 1)"
)


def newest_events(store: Readers, device_id: str | None, limit: int) -> list[EventRow]:
    """The last `limit` events of a device or of all, oldest first."""
    if device_id is None:
        ids = store._all("SELECT id FROM events ORDER BY id DESC LIMIT ?", limit)
    else:
        ids = store._all(
            "SELECT id FROM events WHERE device = (SELECT no FROM devices WHERE device_id = ?)"
            " ORDER BY id DESC LIMIT ?",
            device_id,
            limit,
        )
    return store.events(device_id, after_id=ids[-1][0] - 1, limit=limit) if ids else []


def newest_dead_letters(store: Readers, device_id: str, limit: int) -> list[DeadLetter]:
    """What a device sent and nobody could read: the last `limit`, oldest first."""
    return [DeadLetter(*row) for row in store._all(_LETTERS, device_id, limit)]


def dead_letter_counts(store: Readers) -> dict[str, int]:
    """By device: messages nobody could read, events and pieces of recordings that a sink refused for good."""
    counts: dict[str, int] = {}
    letters = store._all("SELECT device_id, count(*) FROM dead_letters GROUP BY device_id")
    for device_id, count in (*letters, *store._all(_DEAD), *store._all(_DEAD_PIECES)):
        counts[device_id] = counts.get(device_id, 0) + count
    return counts


def find_letters(
    store: Readers,
    device_id: str | None = None,
    kind: str | None = None,
    reason: str | None = None,
    limit: int = -1,
) -> list[DeadLetter]:
    """Messages, records and calls given up on, newest first; `reason` is a part of it. -1: all of them."""
    where, values = _matching({"device_id": device_id, "kind": kind}, "reason", reason)
    query = (
        "SELECT id, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count FROM dead_letters"
        f" WHERE {where} ORDER BY id DESC LIMIT ?"
    )
    return [DeadLetter(*row) for row in store._all(query, *values, limit if limit >= 0 else _ALL)]


def find_dead_deliveries(
    store: Readers,
    device_id: str | None = None,
    sink: str | None = None,
    reason: str | None = None,
    limit: int = -1,
) -> list[DeadLetter]:
    """Events that a sink (`kind`) refused for good, newest first, as above; `id` is the event's."""
    where, values = _matching({"d.device_id": device_id, "v.sink": sink}, "v.answer", reason)
    query = (
        "SELECT e.id, d.device_id, v.sink, v.answer, coalesce(v.payload, e.payload), v.settled_ms, v.settled_ms,"
        " v.attempts"
        " FROM deliveries v JOIN events e ON e.id = v.event JOIN devices d ON d.no = v.device"
        f" WHERE v.state = 'dead' AND {where} ORDER BY e.id DESC LIMIT ?"
    )
    rows = store._all(query, *values, limit if limit >= 0 else _ALL)
    return [DeadLetter(row[0], row[1], row[2], None, None, *row[3:]) for row in rows]


def letters_by_id(store: Readers, ids: Sequence[int]) -> list[DeadLetter]:
    """Messages, records and calls given up on, of those that are still there."""
    query = (
        "SELECT id, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count FROM dead_letters"
        f" WHERE id IN {marks(ids)} ORDER BY id"
    )
    return [DeadLetter(*row) for row in store._all(query, *ids)] if ids else []


def dead_deliveries_of(store: Readers, events: Sequence[int]) -> dict[str, list[int]]:
    """By sink, those of the events that it refused for good, in order."""
    found: dict[str, list[int]] = {}
    query = (
        f"SELECT sink, event FROM deliveries WHERE state = 'dead' AND event IN {marks(events)} ORDER BY event"
    )
    for sink, event in store._all(query, *events) if events else ():
        found.setdefault(sink, []).append(event)
    return found


def _matching(equal: dict[str, str | None], text: str, part: str | None) -> tuple[str, list[str]]:
    """A condition for the columns that are asked for, and a part of the column `text`, in whatever case."""
    where = ["true", *(f"{column} = ?" for column, value in equal.items() if value is not None)]
    values = [value for value in equal.values() if value is not None]
    if part is not None:
        for letter in "\\%_":
            part = part.replace(letter, "\\" + letter)
        where.append(f"lower({text}) LIKE ? ESCAPE '\\'")
        values.append(f"%{part.lower()}%")
    return " AND ".join(where), values


def gap_counts(store: Readers) -> dict[str, int]:
    return dict(store._all(_GAPS))


def losses(store: Readers) -> dict[str, tuple[int, int, int]]:
    """By device: frames, inputs and calls that gap records tell of."""
    query = (
        "SELECT d.device_id, sum(g.frames), sum(g.inputs), sum(g.calls) FROM gaps g JOIN devices d ON d.no = g.device"
        " GROUP BY d.device_id"
    )
    return {
        device: (int(frames), int(inputs), int(calls)) for device, frames, inputs, calls in store._all(query)
    }


def waiting_counts(store: Readers) -> dict[str, int]:
    """By device: deliveries that wait for their sink."""
    query = (
        "SELECT d.device_id, count(*) FROM deliveries v JOIN devices d ON d.no = v.device"
        " WHERE v.state = 'waiting' GROUP BY d.device_id"
    )
    return {device: int(count) for device, count in store._all(query)}


def delivery_counts(store: Readers) -> dict[str, dict[str, int]]:
    """By device: how many deliveries wait, were sent, are dead. Looks at every delivery there is."""
    counts: dict[str, dict[str, int]] = {}
    for device_id, state, count in store._all(_DELIVERIES):
        counts.setdefault(device_id, {})[state] = count
    return counts


def stored_bytes(store: Readers, streams: Iterable[int]) -> int:
    """Bytes of the chunks of some streams, given by number."""
    query = "SELECT coalesce(sum(length(data)), 0) FROM chunks WHERE key >= ? AND key < ?"
    return sum(int(store._all(query, no * SEQ_SPAN, (no + 1) * SEQ_SPAN)[0][0]) for no in streams)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a sink. `status`, `answer` and `next_try_ms` are of the last failure, if there was one."""

    sink: str
    waiting: int
    oldest_ms: int
    attempts: int = 0
    status: int | None = None
    answer: str = ""
    next_try_ms: int = 0


def backlogs(store: Readers) -> list[Backlog]:
    """By sink, those that nothing waits for left out."""
    waiting = store._all(
        "SELECT sink, count(*), min(event) FROM deliveries WHERE state = 'waiting' GROUP BY sink"
    )
    found = []
    for sink, count, first in waiting:
        times = store._all("SELECT time_ms FROM events WHERE id = ?", first)
        failures = store._all(
            "SELECT attempts, status, answer, next_try_ms FROM deliveries WHERE sink = ? AND state = 'waiting'"
            " AND attempts > 0 ORDER BY next_try_ms DESC LIMIT 1",
            sink,
        )
        found.append(Backlog(sink, count, times[0][0] if times else 0, *(failures[0] if failures else ())))
    return found


def dead_letter_reasons(store: Readers, limit: int = 10) -> list[tuple[str, str, int]]:
    """Kind or sink, beginning of the reason, and how many, the most frequent first."""
    query = (
        "SELECT kind, substr(reason, 1, 60) AS why, count(*) AS many FROM dead_letters GROUP BY kind, why"
        " UNION ALL SELECT sink, substr(answer, 1, 60) AS why, count(*) AS many FROM deliveries"
        " WHERE state = 'dead' GROUP BY sink, why"
        " UNION ALL SELECT sink, substr(answer, 1, 60) AS why, count(*) AS many FROM replay_pieces"
        " WHERE state = 'dead' GROUP BY sink, why ORDER BY many DESC LIMIT ?"
    )
    return [(kind, why, many) for kind, why, many in store._all(query, limit)]


def gap_reasons(store: Readers) -> list[tuple[int, int]]:
    """Reason of gaps, and how many."""
    return [
        (row[0], row[1])
        for row in store._all("SELECT reason, count(*) FROM gaps GROUP BY reason ORDER BY 2 DESC")
    ]


def clock_ms(store: Readers) -> int:
    """What PostgreSQL takes for the time."""
    ((at_ms,),) = store._all("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    return int(at_ms)


def newest_streams(store: Readers, device_ids: Iterable[str]) -> list[tuple[str, bytes, int]]:
    """(device, its newest stream, the watermark) of those that have one; none that was imported."""
    query = f"{_NEWEST} WHERE d.device_id = ?"
    return [
        (one, bytes(stream), mark) for name in device_ids for one, stream, mark in store._all(query, name)
    ]


def latest_streams(store: Readers, limit: int) -> list[tuple[str, bytes, int]]:
    """The same of the devices that were heard of last."""
    rows = store._all(f"{_NEWEST} ORDER BY d.last_seen_ms DESC LIMIT ?", limit)
    return [(device_id, bytes(stream), watermark) for device_id, stream, watermark in rows]
