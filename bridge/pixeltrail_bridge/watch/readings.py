"""One look at the whole bridge, for metrics and alerts alike. What costs queries is read in one go, in a thread."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..delivery import SinkHealth
from ..ingest.committer import Health
from ..ingest.latency import Durations
from ..store import figures, overview
from ..store.database import SqlStore


@dataclass(frozen=True, slots=True)
class StoreReadings:
    """What the store tells. `listed` devices are those known longest; the others are counted alone."""

    fleet: figures.Fleet
    listed: list[figures.LastHeard]
    device_counters: Mapping[str, Mapping[str, int]]
    counters: Mapping[str, int]
    backlogs: Mapping[str, overview.Backlog]
    dead_letters: Mapping[str, int]
    gaps: Mapping[int, int]
    lag_chunks: int
    lag_streams: int
    database_bytes: int
    free_bytes: int | None
    latest_heard_ms: int
    silent: tuple[int, list[figures.LastHeard]] = (0, [])  # all of them, and some by name


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a store. `database` is None where it is on another machine; `silent_ms` of 0 asks for none."""

    database: Path | None = None
    devices: int = 100
    silent_ms: int = 0
    silent_named: int = 20


@dataclass(frozen=True, slots=True)
class Readings:
    now_ms: int
    ingest: Health
    commit_times: Durations
    waits: Durations
    store: StoreReadings
    sinks: Mapping[str, SinkHealth] = field(default_factory=dict)
    viewers: int = 0
    viewers_refused: int = 0  # since the start: too many pages, of all or of one login
    is_viewer: bool = False  # it takes nothing itself
    duties: Mapping[str, bool] = field(default_factory=dict)  # what one worker does: whether it is this one
    backup_ms: int | None = None  # when the newest backup was made, 0 for none yet; None: none are asked for
    backup_problem: str | None = None


def read_store(store: SqlStore, now_ms: int, wanted: Wanted) -> StoreReadings:
    """Blocks for as long as a handful of queries take."""
    listed = figures.first_devices(store, wanted.devices)
    names = {one.device_id for one in listed}
    every = store.counters() if names else {}
    lag_chunks, lag_streams = figures.projection_lag(store)
    before_ms = now_ms - wanted.silent_ms
    return StoreReadings(
        fleet=figures.fleet(store, now_ms - figures.SILENT_MS),
        listed=listed,
        device_counters={name: counts for name, counts in every.items() if name in names},
        counters=figures.counter_totals(store),
        backlogs={one.sink: one for one in overview.backlogs(store)},
        dead_letters=figures.dead_letter_kinds(store),
        gaps=dict(overview.gap_reasons(store)),
        lag_chunks=lag_chunks,
        lag_streams=lag_streams,
        database_bytes=_size(wanted.database) if wanted.database else 0,
        free_bytes=shutil.disk_usage(store.folder).free if store.folder else None,
        latest_heard_ms=figures.latest_heard_ms(store),
        silent=figures.silent_devices(store, before_ms, wanted.silent_named) if wanted.silent_ms else (0, []),
    )


def _size(database: Path) -> int:
    """With the log of what is not in the database's file yet."""
    return sum(
        path.stat().st_size
        for path in (database, database.with_name(database.name + "-wal"))
        if path.exists()
    )
