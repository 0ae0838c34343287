"""What a person decides about an app: which device it belongs to, and whether its sessions may be recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ..errors import LocalError
from ..store import apps
from ..store.database import SqlStore, SqlTransaction
from .sessions import AppState


@dataclass(frozen=True, slots=True)
class App:
    key: str
    device_id: str
    state: AppState
    first_seen_ms: int
    last_seen_ms: int


def known_apps(store: SqlStore) -> list[App]:
    """The one heard of last first."""
    return [
        App(
            row.key,
            row.device_id,
            msgspec.json.decode(row.state, type=AppState),
            row.first_seen_ms,
            row.last_seen_ms,
        )
        for row in apps.apps(store)
    ]


def pair(store: SqlStore, key: str, device_id: str) -> None:
    """From its next event on, the app is part of the device's sessions. LocalError: there is no such app or device."""

    def change(tx: SqlTransaction, state: AppState) -> None:
        if not apps.is_device(tx.db, device_id):
            raise LocalError(
                f"no device {device_id} has reported yet; `pixeltrail devices` lists those that have"
            )
        state.device, state.token = device_id, ""

    _change(store, key, change)


def unpair(store: SqlStore, key: str) -> None:
    def change(tx: SqlTransaction, state: AppState) -> None:
        state.device, state.token = None, ""

    _change(store, key, change)


def opt_out(store: SqlStore, key: str, is_out: bool) -> None:
    """An app that is out gets no Replay ID for sessions of its own or of a device; its events go on."""

    def change(tx: SqlTransaction, state: AppState) -> None:
        state.opted_out = is_out

    _change(store, key, change)


def stop(store: SqlStore, key: str, is_stopped: bool) -> None:
    """The same, for a while: an app may also start and stop by itself."""

    def change(tx: SqlTransaction, state: AppState) -> None:
        state.is_stopped = is_stopped

    _change(store, key, change)


def _change(store: SqlStore, key: str, change: Callable[[SqlTransaction, AppState], None]) -> None:
    def work(tx: SqlTransaction) -> None:
        row = apps.load_app(tx.db, key, tx.locking)
        if row is None:
            raise LocalError(f"no app {key} has reported yet; `pixeltrail apps list` shows those that have")
        state = msgspec.json.decode(row.state, type=AppState)
        change(tx, state)
        apps.put_app(tx.db, key, msgspec.json.encode(state), row.last_seen_ms)

    store.commit_batch(work)
