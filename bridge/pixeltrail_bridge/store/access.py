"""Logins to the page, and the record of who looked at what. Functions over a store, for threads.

A login is found by the SHA-256 of its token: whoever reads the database cannot become anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .database import SqlStore

_AUDIT = "at_ms, person, role, address, action, device, session_id, status, detail, id"


@dataclass(frozen=True, slots=True)
class LoginRow:
    user: str
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    """`person` is a user's name, or `link` and the share's ID; `status` what was answered."""

    at_ms: int
    person: str
    role: str
    address: str
    action: str
    device: str = ""
    session_id: int | None = None
    status: int = 0
    detail: str = ""
    id: int = 0


def login_key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def add_login(store: SqlStore, key: bytes, user: str, now_ms: int, expires_ms: int) -> None:
    """Also forgets those that are over."""

    def work(tx: Any) -> None:
        tx.db.execute("DELETE FROM logins WHERE expires_ms <= ?", (now_ms,))
        put = "INSERT INTO logins (token_hash, person, created_ms, expires_ms) VALUES (?, ?, ?, ?)"
        tx.db.execute(put, (key, user, now_ms, expires_ms))

    store.commit_batch(work)


def login(store: SqlStore, key: bytes) -> LoginRow | None:
    rows = store._all("SELECT person, created_ms, expires_ms FROM logins WHERE token_hash = ?", key)
    return LoginRow(*rows[0]) if rows else None


def end_login(store: SqlStore, key: bytes) -> None:
    store.commit_batch(lambda tx: tx.db.execute("DELETE FROM logins WHERE token_hash = ?", (key,)))


def add_audit(store: SqlStore, rows: Iterable[AuditRow]) -> None:
    put = (
        "INSERT INTO audit (at_ms, person, role, address, action, device, session_id, status, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    values = [
        (r.at_ms, r.person, r.role, r.address, r.action, r.device, r.session_id, r.status, r.detail)
        for r in rows
    ]
    store.commit_batch(lambda tx: tx.db.executemany(put, values))


def audit(
    store: SqlStore, *, before_id: int | None = None, person: str = "", device: str = "", limit: int = 100
) -> list[AuditRow]:
    """Newest first; of one person or device where that is given."""
    wheres, values = ["id < ?"], [before_id if before_id is not None else 2**62]
    found: list[Any] = [*values]
    for column, value in (("person", person), ("device", device)):
        if value:
            wheres.append(f"{column} = ?")
            found.append(value)
    query = f"SELECT {_AUDIT} FROM audit WHERE {' AND '.join(wheres)} ORDER BY id DESC LIMIT ?"
    rows = store._all(query, *found, limit)
    return [AuditRow(*row) for row in rows]


def end_audit(store: SqlStore, before_ms: int) -> int:
    """Forget what is older; returns how much."""
    return int(
        store.commit_batch(
            lambda tx: tx.db.execute("DELETE FROM audit WHERE at_ms < ?", (before_ms,)).rowcount
        )
    )
