"""Readings as the fleet page asks for them: the bridge's state, and what each of its parts needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .alerts import Alert
from .readings import Readings


def describe(now: Readings, alerts: Sequence[Alert]) -> dict[str, Any]:
    """JSON for a person: times in ms since 1970, sizes in bytes."""
    ingest, store = now.ingest, now.store
    return {
        "role": "viewer" if now.is_viewer else "worker",
        "ready": ingest.is_ready,
        "problem": ingest.error or ingest.warning,
        "now_ms": now.now_ms,
        "messages": ingest.messages,
        "refused": ingest.refused_messages,
        "queued": ingest.queued_messages,
        "last_commit_ms": ingest.last_commit_ms or None,
        "lag_chunks": store.lag_chunks,
        "database_bytes": store.database_bytes or None,
        "free_bytes": store.free_bytes,
        "backup_ms": now.backup_ms,
        "known": store.fleet.known,
        "online": store.fleet.online,
        "dead_letters": sum(store.dead_letters.values()),
        "gaps": sum(store.gaps.values()),
        "viewers": now.viewers,
        "viewers_refused": now.viewers_refused,
        "sources": [
            {"name": link.source, "up": link.is_up, "detail": link.detail, "dropped": dict(link.dropped)}
            for link in ingest.sources.values()
        ],
        "sinks": [_sink(now, name) for name in sorted({*now.sinks, *store.backlogs})],
        "alerts": [
            {"kind": one.condition.kind, "text": one.condition.text, "since_ms": one.since_ms}
            for one in alerts
        ],
    }


def _sink(now: Readings, name: str) -> dict[str, Any]:
    health, backlog = now.sinks.get(name), now.store.backlogs.get(name)
    return {
        "name": name,
        "state": health.state if health else "served by workers" if now.is_viewer else "not set up any more",
        "waiting": backlog.waiting if backlog else 0,
        "oldest_ms": backlog.oldest_ms or None if backlog else None,
        "sent": health.sent if health else 0,
        "dead": health.dead if health else 0,
        "alarm": health.alarm if health else None,
    }
