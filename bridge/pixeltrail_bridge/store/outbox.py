"""Events and their deliveries: one row for each event and configured sink, leased to senders, settled by their answers.

Order is kept per device: a device's oldest waiting event goes first, and while
it is leased or waits for a retry nothing later of that device is given out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from ..mapping.calls import Call, OutboxRow, Settled

_encode_json = msgspec.json.Encoder().encode
_ADD_EVENT = (
    "INSERT INTO events (message_id, device, session_id, type, event, time_ms, payload)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING"
)
_ADD_DELIVERIES = "INSERT INTO deliveries (event, sink, device) SELECT id, ?, device FROM events WHERE id > ?"


def enqueue_calls(
    db: sqlite3.Connection, calls: Iterable[Call], sinks: Sequence[str], numbers: dict[str, int]
) -> int:
    """Add events that are not known yet, with a delivery to each sink; returns how many were new."""
    rows = [
        (
            *(call.message_id, _device_number(db, call.device_id, numbers), call.session_id, call.type),
            *(call.event, call.time_ms, _encode_json(call.payload)),
        )
        for call in calls
    ]
    if not rows:
        return 0
    # AUTOINCREMENT: an ID is never used twice, so the new events are those above the highest one so far.
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    last_id = row[0] if row else 0
    added = db.executemany(_ADD_EVENT, rows).rowcount
    for sink in sinks:
        db.execute(_ADD_DELIVERIES, (sink, last_id))
    return added


def _device_number(db: sqlite3.Connection, device_id: str, numbers: dict[str, int]) -> int:
    number = numbers.get(device_id)
    if number is None:
        (number,) = db.execute("SELECT no FROM devices WHERE device_id = ?", (device_id,)).fetchone()
        numbers[device_id] = number
    return number


def lease(
    db: sqlite3.Connection, sink: str, limit: int, now_ms: int, until_ms: int, after_device: int
) -> tuple[list[OutboxRow], int]:
    """Up to `limit` rows, device by device from the one after `after_device`; and the device to go on after."""
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
        "UPDATE deliveries SET lease_until_ms = ? WHERE event = ? AND sink = ?",
        [(until_ms, row.id, sink) for row in rows],
    )
    return rows, device


def _take(db: sqlite3.Connection, sink: str, device: int, limit: int, now_ms: int) -> list[OutboxRow]:
    found = db.execute(
        "SELECT e.id, d.device_id, e.message_id, e.type, e.payload, v.attempts, v.next_try_ms, v.lease_until_ms"
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


def settle(db: sqlite3.Connection, sink: str, results: Iterable[Settled], now_ms: int) -> None:
    db.executemany(
        "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_try_ms = ?, lease_until_ms = 0,"
        " status = ?, answer = ?, settled_ms = ? WHERE event = ? AND sink = ? AND state = 'waiting'",
        [
            (
                *("waiting" if r.state == "retry" else r.state, r.next_try_ms, r.status, r.answer),
                *(None if r.state == "retry" else now_ms, r.id, sink),
            )
            for r in results
        ],
    )


def requeue_dead(db: sqlite3.Connection, sink: str, event_ids: Iterable[int] | None) -> int:
    again = (
        "UPDATE deliveries SET state = 'waiting', next_try_ms = 0, settled_ms = NULL"
        " WHERE sink = ? AND state = 'dead'"
    )
    if event_ids is None:
        return db.execute(again, (sink,)).rowcount
    return sum(db.execute(again + " AND event = ?", (sink, event_id)).rowcount for event_id in event_ids)
