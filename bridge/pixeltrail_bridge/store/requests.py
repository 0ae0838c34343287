"""What vendors are asked to delete: a queue that outlives restarts, with what became of each request.

The ID of whom it is about is needed until the vendor has taken the request; then only its hash stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .database import SqlStore

_COLUMNS: Final = (
    "id, vendor, kind, subject, digest, state, asked_ms, attempts, next_try_ms, status, answer, reference,"
    " settled_ms"
)


@dataclass(frozen=True, slots=True)
class RequestRow:
    """States: waiting, accepted (the vendor works on it), done, refused (see `answer`), unsupported."""

    id: int
    vendor: str
    kind: str
    subject: str
    digest: bytes
    state: str
    asked_ms: int
    attempts: int
    next_try_ms: int
    status: int | None
    answer: str
    reference: str
    settled_ms: int | None


def ask(
    store: SqlStore, vendor: str, kind: str, subject: str, digest: bytes, now_ms: int, unsupported: str = ""
) -> None:
    """Queue a request, once for each subject. `unsupported`: why the vendor cannot do it; nothing is sent then."""
    known = store._all(
        "SELECT 1 FROM deletion_requests WHERE vendor = ? AND digest = ? AND state IN ('waiting', 'unsupported')",
        vendor,
        digest,
    )
    state, name = ("unsupported", "") if unsupported else ("waiting", subject)
    values = (vendor, kind, name, digest, state, now_ms, unsupported)
    put = (
        "INSERT INTO deletion_requests (vendor, kind, subject, digest, state, asked_ms, answer)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    if not known:
        store.commit_batch(lambda tx: tx.db.execute(put, values))


def requests(store: SqlStore, limit: int = 1_000) -> list[RequestRow]:
    """The newest first."""
    return [
        _row(row)
        for row in store._all(f"SELECT {_COLUMNS} FROM deletion_requests ORDER BY id DESC LIMIT ?", limit)
    ]


def due(store: SqlStore, now_ms: int) -> list[RequestRow]:
    query = (
        f"SELECT {_COLUMNS} FROM deletion_requests WHERE state IN ('waiting', 'accepted') AND next_try_ms <= ?"
        " ORDER BY id LIMIT 100"
    )
    return [_row(row) for row in store._all(query, now_ms)]


def settle(
    store: SqlStore,
    row: RequestRow,
    state: str,
    status: int | None,
    answer: str,
    reference: str,
    next_try_ms: int,
    now_ms: int,
) -> None:
    """Write down what a vendor said. The ID goes as soon as it is not needed any more."""
    subject = row.subject if state == "waiting" else ""
    settled_ms = now_ms if state in ("done", "refused") else None
    shown = answer.replace(row.subject, "***") if row.subject else answer
    values = (state, subject, status, shown, reference or row.reference, next_try_ms, settled_ms, row.id)
    update = (
        "UPDATE deletion_requests SET state = ?, subject = ?, status = ?, answer = ?, reference = ?,"
        " next_try_ms = ?, settled_ms = ?, attempts = attempts + 1 WHERE id = ?"
    )
    store.commit_batch(lambda tx: tx.db.execute(update, values))


def _row(row: Any) -> RequestRow:
    values = list(row)
    values[4] = bytes(values[4])
    return RequestRow(*values)
