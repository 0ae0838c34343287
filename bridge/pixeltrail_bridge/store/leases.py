"""The outbox of PostgreSQL, shared by many workers: devices are hashed into slots, and a slot is leased whole.

While a worker has a slot, nobody else gets a call of any of its devices, however old or new the call is; the slot is
free again once all that was given out of it is settled, or the worker has ended. That a lease has run out is its own
worker's to say, by the clock that wrote it down: nobody else's need agree with it. Slots are locked with SKIP LOCKED,
so workers that lease at once get different ones.

Nothing is written while events are queued: what is due is found in the index alone, by going from the oldest waiting
call of a device to that of the next, so a long queue costs no more than a short one. A lease takes from its devices in
turns, one call each until it is full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Final

from ..mapping.calls import OutboxRow
from .sql import Connection

SLOTS: Final = (
    64  # a power of two; as many workers can deliver at once. The index of migration 0011 has it too
)
_SLOT: Final = f"(device & {SLOTS - 1})"
_FIND: Final = "SELECT device, next_try_ms FROM deliveries WHERE sink = ? AND state = 'waiting'"
# The oldest waiting call of each device of slot m.slot behind m.after_device, as many of them as the reader asks for.
# Sorted as the index is, so that no planner is tempted to walk through all that waits.
_HEADS: Final = f"""
WITH RECURSIVE heads (device, next_try_ms) AS (
    ({_FIND} AND {_SLOT} = m.slot AND device > m.after_device ORDER BY device, event LIMIT 1)
    UNION ALL
    SELECT n.device, n.next_try_ms FROM heads h CROSS JOIN LATERAL (
        {_FIND} AND {_SLOT} = m.slot AND device > h.device ORDER BY device, event LIMIT 1
    ) n
) SELECT device FROM heads WHERE next_try_ms <= ?
"""
_DUE_SLOTS: Final = f"""
SELECT m.slot FROM (SELECT generate_series(0, {SLOTS - 1}) AS slot, 0 AS after_device) m
WHERE EXISTS ({_HEADS})
"""
_FREE_SLOTS: Final = """
SELECT slot, after_device FROM outbox_slots WHERE sink = ? AND slot = ANY(?) AND (
    worker = 0 OR (worker = ? AND (until_ms <= ? OR slot <> ALL(?))) OR {ended}
) ORDER BY turn, slot LIMIT ? FOR UPDATE SKIP LOCKED
"""
_DEVICES: Final = f"""
SELECT m.slot, h.device FROM unnest(?::bigint[], ?::bigint[]) WITH ORDINALITY AS m (slot, after_device, place)
CROSS JOIN LATERAL ({_HEADS} LIMIT ?) h ORDER BY m.place
"""
_ROWS: Final = f"""
SELECT e.id, d.device_id, e.message_id, e.type, coalesce(v.payload, e.payload), v.attempts, v.device
FROM (
    SELECT c.*, p.device, p.place FROM unnest(?::bigint[]) WITH ORDINALITY AS p (device, place)
    CROSS JOIN LATERAL (
        SELECT event, attempts, payload, row_number() OVER (ORDER BY event) AS number,
            bool_and(next_try_ms <= ?) OVER (ORDER BY event) AS is_due
        FROM (
            SELECT event, attempts, payload, next_try_ms FROM deliveries WHERE sink = ? AND state = 'waiting'
            AND {_SLOT} = (p.device & {SLOTS - 1}) AND device = p.device ORDER BY device, event LIMIT ?
        ) AS oldest
    ) c WHERE c.is_due ORDER BY c.number, p.place LIMIT ?
) v JOIN events e ON e.id = v.event JOIN devices d ON d.no = v.device ORDER BY v.number, v.place
"""
_TAKE: Final = """
UPDATE outbox_slots o SET worker = ?, until_ms = ?, after_device = m.after_device,
    turn = (SELECT max(turn) + 1 FROM outbox_slots WHERE sink = ?)
FROM unnest(?::bigint[], ?::bigint[]) AS m (slot, after_device) WHERE o.sink = ? AND o.slot = m.slot
"""


class Leases:
    """What this worker holds: events that were given out and not settled, by sink and slot."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._out: dict[str, dict[int, set[int]]] = {}

    def held(self, sink: str) -> list[int]:
        return list(self._out.get(sink, ()))

    def note(self, sink: str, rows: dict[int, set[int]]) -> None:
        """Once the lease is durable. Without it, the slots are ours and yet free for our next lease."""
        self._out[sink] = {**self._out.get(sink, {}), **rows}

    def emptied(self, sink: str, events: Iterable[int]) -> list[int]:
        """The slots that nothing is out of any more, once these events are settled."""
        settled = set(events)
        return [slot for slot, out in self._out.get(sink, {}).items() if out <= settled]

    def settled(self, sink: str, events: Iterable[int]) -> None:
        gone = set(events)
        left = {slot: out - gone for slot, out in self._out.get(sink, {}).items()}
        self._out[sink] = {slot: out for slot, out in left.items() if out}

    def take(
        self,
        db: Connection,
        sink: str,
        due: Collection[int],
        limit: int,
        now_ms: int,
        until_ms: int,
        ended: str,
        workers: int,
    ) -> tuple[list[OutboxRow], dict[int, set[int]]]:
        """Up to `limit` calls of this worker's share of the due slots, and what is then out of each slot."""
        if sink not in self._out:
            add_slots(db, sink)
        share = -(-len(due) // workers)
        query = _FREE_SLOTS.format(ended=ended)
        values = (sink, list(due), self._worker, now_ms, self.held(sink), share)
        turns = dict(db.execute(query, values).fetchall())
        found_in = _devices(db, sink, turns, limit, now_ms)
        ended_at = {slot for slot, after in turns.items() if after} - {slot for slot, _ in found_in}
        found_in += _devices(db, sink, dict.fromkeys(ended_at, 0), limit, now_ms)  # their turn begins again
        devices = [device for _, device in found_in][:limit]
        if not devices:
            return [], {}
        found = _calls(db, sink, devices, limit, now_ms)
        out: dict[int, set[int]] = {}
        last: dict[int, int] = {}
        for event, *_, device in found:
            slot = device % SLOTS
            out.setdefault(slot, set()).add(event)
            last[slot] = max(last.get(slot, 0), device)
        db.execute(_TAKE, (self._worker, until_ms, sink, list(last), list(last.values()), sink))
        return sorted((OutboxRow(*row[:-1]) for row in found), key=lambda row: row.id), out


def due_slots(db: Connection, sink: str, now_ms: int) -> list[int]:
    """Slots with a device whose oldest waiting call may be tried now, whoever has them."""
    return [slot for (slot,) in db.execute(_DUE_SLOTS, (sink, sink, now_ms))]


def add_slots(db: Connection, sink: str) -> None:
    query = f"INSERT INTO outbox_slots (sink, slot) SELECT ?, generate_series(0, {SLOTS - 1}) ON CONFLICT DO NOTHING"
    db.execute(query, (sink,))


def give_back(db: Connection, sink: str, slots: list[int], worker: int) -> None:
    """Free slots that are still ours."""
    query = "UPDATE outbox_slots SET worker = 0, until_ms = 0 WHERE sink = ? AND slot = ANY(?) AND worker = ?"
    db.execute(query, (sink, slots, worker))


def _calls(db: Connection, sink: str, devices: list[int], limit: int, now_ms: int) -> list[Any]:
    """An even share of each device, and what the quiet ones leave of theirs to those with more to say."""
    most = -(-limit // len(devices))
    found = db.execute(_ROWS, (devices, now_ms, sink, most, limit)).fetchall()
    counts = Counter(device for *_, device in found)
    loud = [device for device, count in counts.items() if count == most]
    if len(found) == limit or not loud or len(loud) == len(devices):
        return found
    quiet = [row for row in found if row[-1] not in set(loud)]
    room = limit - len(quiet)
    values = (loud, now_ms, sink, -(-room // len(loud)), room)
    return [*quiet, *db.execute(_ROWS, values).fetchall()]


def _devices(
    db: Connection, sink: str, turns: dict[int, int], limit: int, now_ms: int
) -> list[tuple[int, int]]:
    """Slots with devices to take from, an even share of each slot."""
    if not turns:
        return []
    values = (list(turns), list(turns.values()), sink, sink, now_ms, -(-limit // len(turns)))
    return [(slot, device) for slot, device in db.execute(_DEVICES, values)]
