"""Events and their deliveries: one row for each event and configured sink, leased to senders, settled by their answers.

Order is kept per device: a device's oldest waiting event goes first, and while
it is leased or waits for a retry nothing later of that device is given out.
Functions that change how much waits return by how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from ..mapping.calls import Call, OutboxRow, Settled, Shaped
from .base import Fill
from .sql import Connection, insert_rows, marks

FILL = (
    "SELECT v.sink, count(*), sum(length(e.payload)) FROM deliveries v JOIN events e ON e.id = v.event"
    " WHERE v.state = 'waiting' GROUP BY v.sink"
)
encode_json = msgspec.json.Encoder().encode
_ADD_EVENTS = "INSERT INTO events (message_id, device, session_id, type, event, time_ms, payload)"
_ADD_DELIVERIES = "INSERT INTO deliveries (event, sink, device) SELECT id, ?, device FROM events WHERE id > ?"
_LAST_EVENT = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
_ADDED = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events WHERE id > ?"
# A condition that no index is for: a planner that knows nothing of the table yet would walk through all that waits, in
# place of the one row that the key names.
_WAITS = "state || '' = 'waiting'"


class Shaping(Protocol):
    """Rules that a person wrote, between what made an event and what is written down of it. Both never raise."""

    def shape(self, call: Call) -> Shaped | None:
        """None: nothing is written down."""

    def redact(self, event: Any, device_id: str = "") -> Any:
        """What a dead letter may hold of an event."""


def enqueue_calls(
    db: Connection, calls: Iterable[Call], sinks: Sequence[str], numbers: dict[str, int]
) -> Fill:
    """Add events that are not known yet, with a delivery to each sink; returns what each sink got to do. For SQLite."""
    rows = [
        (
            *(call.message_id, number, call.session_id, call.type),
            *(call.event, call.time_ms, encode_json(call.payload)),
        )
        for call in calls
        if (number := _device_number(db, call.device_id, numbers)) is not None
    ]
    if not rows:
        return Fill()
    (last,) = db.execute(_LAST_EVENT).fetchone()  # nobody else writes until the commit, and IDs only go up
    insert_rows(db, _ADD_EVENTS, rows, " ON CONFLICT (message_id) DO NOTHING")
    for sink in sinks:
        db.execute(_ADD_DELIVERIES, (sink, last))
    count, size_bytes = db.execute(_ADDED, (last,)).fetchone()
    return Fill(int(count), int(size_bytes))


def _device_number(db: Connection, device_id: str, numbers: dict[str, int]) -> int | None:
    """None for a device that was forgotten since."""
    number = numbers.get(device_id)
    if number is None:
        row = db.execute("SELECT no FROM devices WHERE device_id = ?", (device_id,)).fetchone()
        if row is None:
            return None
        number = numbers[device_id] = int(row[0])
    return number


def known_ids(db: Connection, message_ids: Sequence[str]) -> set[str]:
    """Those that are written down already."""
    query = f"SELECT message_id FROM events WHERE message_id IN {marks(message_ids)}"
    return {message_id for (message_id,) in db.execute(query, tuple(message_ids))} if message_ids else set()


def shape_deliveries(db: Connection, one: Shaped, sinks: Sequence[str]) -> list[tuple[str, Fill]]:
    """Take a new event's deliveries away where it does not go, and note what sinks get in its place."""
    found = db.execute(
        "SELECT id, length(payload) FROM events WHERE message_id = ?", (one.call.message_id,)
    ).fetchone()
    if found is None:
        return []
    event, size = found
    left_out = [sink for sink in sinks if one.sinks is not None and sink not in one.sinks]
    db.executemany(
        "DELETE FROM deliveries WHERE event = ? AND sink = ?", [(event, sink) for sink in left_out]
    )
    db.executemany(
        "UPDATE deliveries SET payload = ? WHERE event = ? AND sink = ?",
        [(encode_json(payload), event, sink) for sink, payload in one.own.items()],
    )
    return [(sink, Fill(-1, -int(size))) for sink in left_out]


def lease(
    db: Connection,
    sink: str,
    limit: int,
    now_ms: int,
    until_ms: int,
    after_device: int,
    worker: int,
) -> tuple[list[OutboxRow], int]:
    """Up to `limit` rows, device by device from the one after `after_device`; and the device to go on after.

    For SQLite, where nobody else leases; leases.py is for PostgreSQL.
    """
    rows: list[OutboxRow] = []
    device, wrapped = after_device, False
    seen: set[int] = set()
    while len(rows) < limit:
        head = db.execute(
            "SELECT device, event, next_try_ms, lease_until_ms FROM deliveries"
            " WHERE sink = ? AND state = 'waiting' AND device > ? ORDER BY device, event LIMIT 1",
            (sink, device),
        ).fetchone()
        if head is None or head[0] in seen:
            if wrapped:
                break
            device, wrapped = 0, True
            continue
        device = head[0]
        seen.add(device)
        if head[2] <= now_ms and head[3] <= now_ms:
            rows += _take(db, sink, device, limit - len(rows), now_ms)
    db.executemany(
        "UPDATE deliveries SET lease_until_ms = ?, lease_by = ? WHERE event = ? AND sink = ?",
        [(until_ms, worker, row.id, sink) for row in rows],
    )
    return rows, device


def _take(db: Connection, sink: str, device: int, limit: int, now_ms: int) -> list[OutboxRow]:
    found = db.execute(
        "SELECT e.id, d.device_id, e.message_id, e.type, coalesce(v.payload, e.payload), v.attempts, v.next_try_ms,"
        " v.lease_until_ms"
        " FROM deliveries v JOIN events e ON e.id = v.event JOIN devices d ON d.no = v.device"
        " WHERE v.sink = ? AND v.state = 'waiting' AND v.device = ? ORDER BY v.event LIMIT ?",
        (sink, device, limit),
    )
    rows = []
    for *values, next_try_ms, lease_until_ms in found:
        if next_try_ms > now_ms or lease_until_ms > now_ms:
            break
        rows.append(OutboxRow(*values))
    return rows


def settle(db: Connection, sink: str, results: Sequence[Settled], now_ms: int) -> Fill:
    ended = [r.id for r in results if r.state != "retry"]
    freed = _fill_of(db, sink, ended) if ended else Fill()
    db.executemany(
        "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_try_ms = ?, lease_until_ms = 0,"
        f" status = ?, answer = ?, settled_ms = ? WHERE event = ? AND sink = ? AND {_WAITS}",
        [
            (
                *("waiting" if r.state == "retry" else r.state, r.next_try_ms, r.status, r.answer),
                *(None if r.state == "retry" else now_ms, r.id, sink),
            )
            for r in results
        ],
    )
    return Fill(-freed.events, -freed.size_bytes)


def _fill_of(db: Connection, sink: str, events: Sequence[int]) -> Fill:
    query = (
        "SELECT count(*), coalesce(sum(length(e.payload)), 0) FROM deliveries v JOIN events e ON e.id = v.event"
        f" WHERE v.sink = ? AND v.{_WAITS} AND v.event IN {marks(events)}"
    )
    count, size = db.execute(query, (sink, *events)).fetchone()
    return Fill(int(count), int(size))


def requeue_dead(db: Connection, sink: str, event_ids: Iterable[int] | None) -> int:
    again = (
        "UPDATE deliveries SET state = 'waiting', next_try_ms = 0, settled_ms = NULL"
        " WHERE sink = ? AND state = 'dead'"
    )
    if event_ids is None:
        return db.execute(again, (sink,)).rowcount
    return sum(db.execute(again + " AND event = ?", (sink, event_id)).rowcount for event_id in event_ids)
