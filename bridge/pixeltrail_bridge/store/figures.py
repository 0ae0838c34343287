"""Totals for metrics and alerts: few rows, whatever the store holds."""

from __future__ import annotations

from dataclasses import dataclass

from .readers import Readers

SILENT_MS = 95_000  # three syncs missed: gone, even if nobody said so
OBJECT_NAMES = "SELECT DISTINCT name FROM packs ORDER BY name"
# A companion app is no device of the fleet.
_KNOWN = "NOT EXISTS (SELECT 1 FROM apps a WHERE a.device = d.no)"


@dataclass(frozen=True, slots=True)
class Fleet:
    """`online`: said so, and heard since the moment asked for."""

    known: int
    online: int


@dataclass(frozen=True, slots=True)
class LastHeard:
    device_id: str
    last_seen_ms: int
    is_online: bool


def fleet(store: Readers, since_ms: int) -> Fleet:
    query = (
        "SELECT count(*), coalesce(sum(CASE WHEN d.is_online AND d.last_seen_ms >= ? THEN 1 ELSE 0 END), 0)"
        f" FROM devices d WHERE {_KNOWN}"
    )
    known, online = store._all(query, since_ms)[0]
    return Fleet(int(known), int(online))


def first_devices(store: Readers, limit: int) -> list[LastHeard]:
    """Those known longest: a set that does not change while devices come and go."""
    query = (
        f"SELECT d.device_id, d.last_seen_ms, d.is_online FROM devices d WHERE {_KNOWN} ORDER BY d.no LIMIT ?"
    )
    return [LastHeard(device, int(seen), bool(online)) for device, seen, online in store._all(query, limit)]


def silent_devices(store: Readers, before_ms: int, limit: int) -> tuple[int, list[LastHeard]]:
    """How many were last heard before then, and those of them that fell silent last."""
    where = f"d.last_seen_ms < ? AND {_KNOWN}"
    total = int(store._all(f"SELECT count(*) FROM devices d WHERE {where}", before_ms)[0][0])
    query = (
        f"SELECT d.device_id, d.last_seen_ms, d.is_online FROM devices d WHERE {where}"
        " ORDER BY d.last_seen_ms DESC, d.no LIMIT ?"
    )
    rows = store._all(query, before_ms, limit) if total else []
    return total, [LastHeard(device, int(seen), bool(online)) for device, seen, online in rows]


def latest_heard_ms(store: Readers) -> int:
    return int(store._all("SELECT coalesce(max(last_seen_ms), 0) FROM devices")[0][0])


def counter_totals(store: Readers) -> dict[str, int]:
    """Each counter, of all devices together."""
    rows = store._all("SELECT name, sum(value) FROM counters GROUP BY name")
    return {name: int(value) for name, value in rows}


def dead_letter_kinds(store: Readers) -> dict[str, int]:
    """Messages and records nobody could read by kind, events and pieces that a sink refused by its name."""
    query = (
        "SELECT kind, count(*) FROM dead_letters GROUP BY kind"
        " UNION ALL SELECT sink, count(*) FROM deliveries WHERE state = 'dead' GROUP BY sink"
        " UNION ALL SELECT sink, count(*) FROM replay_pieces WHERE state = 'dead' GROUP BY sink"
    )
    found: dict[str, int] = {}
    for kind, count in store._all(query):
        found[kind] = found.get(kind, 0) + int(count)
    return found


def projection_lag(store: Readers) -> tuple[int, int]:
    """Chunks that are committed and not in the replay yet, and of how many streams."""
    query = (
        "SELECT coalesce(sum(s.watermark - coalesce(p.cursor, 0)), 0), count(*) FROM streams s"
        " LEFT JOIN projections p ON p.stream = s.no WHERE coalesce(p.cursor, 0) < s.watermark"
    )
    chunks, streams = store._all(query)[0]
    return int(chunks), int(streams)


def object_names(store: Readers) -> list[str]:
    """Of the packed sessions."""
    return [name for (name,) in store._all(OBJECT_NAMES)]
