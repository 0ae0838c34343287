"""What state a bridge is in, read from its folder and its broker, whether it runs or not. `doctor` prints it.

A fault is something a person should do something about, and says what; a note is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...config import Config
from ...errors import ConfigError
from ...store.database import SqlStore
from .. import parts, replays, rules
from . import cluster, jetstream
from .apps import check_apps
from .broker import announced_bridges, check_bridges
from .devices import check_clocks, check_gaps, check_quotas, check_retention, check_signatures, check_silence
from .finding import Finding, Level, duration
from .machine import check_certificate, check_disk, check_integrity, check_secrets, is_running
from .sinks import check_dead_letters, check_deletions, check_sinks

__all__ = [
    "Finding", "Level", "announced_bridges", "check_apps", "check_bridges", "check_certificate", "check_clocks",
    "check_cluster", "check_dead_letters", "check_deletions", "check_disk", "check_gaps", "check_integrity",
    "check_quotas", "check_retention", "check_secrets", "check_silence", "check_sinks", "duration", "examine",
    "check_signatures", "is_running",
]  # fmt: skip


def check_cluster(config: Config, store: SqlStore | None) -> Iterator[Finding]:
    """NATS, what waits there, and clocks; `store` None: PostgreSQL cannot be asked."""
    from .. import cluster as settings

    wanted = settings.stream_settings(config)
    try:
        login = settings.login_of(config)
        login.check()
    except ConfigError as error:
        yield Finding("FAULT", "nats", str(error))
        return
    state = jetstream.ask(login, wanted)
    team = None
    if store is not None:
        team = store.team()
        state = replace(state, skew_ms=state.skew_ms | cluster.database_skew_ms(store, team))
    if team is not None:
        yield from cluster.judge_team(team, wanted.parts)
    yield from cluster.judge(state, wanted, jetstream.now_ms(), len(team.members) if team else None)


def examine(config: Config, store: SqlStore, now_ms: int) -> Iterator[Finding]:
    """All that the store tells."""
    yield check_disk(config.bridge.data_dir)
    if not config.store.url:
        yield check_integrity(config.bridge.database)
    yield from check_sinks(config, store, now_ms)
    yield from (Finding(*one) for one in replays.diagnose(config, store, now_ms))
    yield from (Finding(*one) for one in rules.diagnose(config, store, parts.sink_names(config)))
    yield from check_dead_letters(store)
    yield check_gaps(store)
    yield check_retention(config, store)
    yield from check_deletions(store)
    yield from check_quotas(store)
    yield from check_signatures(store)
    yield from check_apps(store)
    devices = store.devices()
    yield check_silence(devices, now_ms)
    yield from check_clocks(store, devices, now_ms)
