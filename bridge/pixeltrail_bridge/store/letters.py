"""Dead letters and counters: what was given up on, and how often what happened."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

MAX_LETTERS: Final = (
    10_000  # a device in a loop fills a table, not the disk; beyond, only the counter goes up
)
MAX_LETTER_BYTES: Final = 64 << 20
_MAX_REASON: Final = 500


@dataclass(slots=True)
class LetterBudget:
    """How full the table is, counted once: a scan for each letter would let a noisy device slow down the rest."""

    rows: int
    size_bytes: int

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> LetterBudget:
        query = "SELECT count(*), coalesce(sum(length(raw)), 0) FROM dead_letters"
        return cls(*connection.execute(query).fetchone())

    def take(self, size_bytes: int) -> bool:
        if self.rows >= MAX_LETTERS or self.size_bytes + size_bytes > MAX_LETTER_BYTES:
            return False
        self.rows += 1
        self.size_bytes += size_bytes
        return True


class LetterWrites:
    """Part of a transaction."""

    def __init__(self, connection: sqlite3.Connection, budget: LetterBudget) -> None:
        self._db, self._budget = connection, budget

    def count(self, device_id: str, name: str, by: int = 1) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            (device_id, name, by),
        )

    def add_dead_letter(
        self,
        device_id: str,
        kind: str,
        reason: str,
        raw: bytes,
        now_ms: int,
        stream: bytes | None = None,
        seq: int | None = None,
    ) -> None:
        """Keep `raw` once, however often it comes again. A full table keeps nothing more; the counter tells."""
        self.count(device_id, "dead_letters")
        digest = blake2b(b"\0".join((device_id.encode(), kind.encode(), raw)), digest_size=16).digest()
        again = self._db.execute(
            "UPDATE dead_letters SET count = count + 1, last_ms = ? WHERE digest = ?", (now_ms, digest)
        )
        if again.rowcount:
            return
        if not self._budget.take(len(raw)):
            self.count(device_id, "dead_letters_not_kept")
            return
        self._db.execute(
            "INSERT INTO dead_letters (digest, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (digest, device_id, kind, stream, seq, reason[:_MAX_REASON], raw, now_ms, now_ms),
        )
