"""Dead letters and counters: what was given up on, and how often what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from .base import SEQ_SPAN, LooseLetter
from .sql import Connection

MAX_LETTERS: Final = (
    10_000  # a device in a loop fills a table, not the disk; beyond, only the counter goes up
)
MAX_LETTER_BYTES: Final = 64 << 20
REFRESH_MS: Final = 60_000
_MAX_REASON: Final = 500


@dataclass(slots=True)
class LetterBudget:
    """How full the table is, counted once: a scan for each letter would let a noisy device slow down the rest."""

    rows: int
    size_bytes: int
    read_ms: int = 0  # when a full table was looked at last

    def refresh(self, connection: Connection, now_ms: int) -> None:
        """Another process may have made room; looked up once a minute at most."""
        if abs(now_ms - self.read_ms) >= REFRESH_MS:
            fresh = LetterBudget.read(connection)
            self.rows, self.size_bytes, self.read_ms = fresh.rows, fresh.size_bytes, now_ms

    @classmethod
    def read(cls, connection: Connection) -> LetterBudget:
        query = "SELECT count(*), coalesce(sum(length(raw)), 0) FROM dead_letters"
        rows, size_bytes = connection.execute(query).fetchone()
        return cls(int(rows), int(size_bytes))

    def fits(self, size_bytes: int) -> bool:
        return self.rows < MAX_LETTERS and self.size_bytes + size_bytes <= MAX_LETTER_BYTES

    def take(self, size_bytes: int) -> bool:
        if not self.fits(size_bytes):
            return False
        self.rows += 1
        self.size_bytes += size_bytes
        return True


class LetterWrites:
    """Part of a transaction."""

    def __init__(self, connection: Connection, budget: LetterBudget) -> None:
        self._db, self._budget = connection, budget

    def count(self, device_id: str, name: str, by: int = 1) -> None:
        self.count_all({(device_id, name): by})

    def count_all(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Counts by device and name."""
        self._db.executemany(
            "INSERT INTO counters (device_id, name, value) VALUES (?, ?, ?)"
            " ON CONFLICT (device_id, name) DO UPDATE SET value = counters.value + excluded.value",
            [(*key, by) for key, by in sorted(counts.items())],
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
        if not self._budget.fits(len(raw)):
            self._budget.refresh(self._db, now_ms)
        if not self._budget.take(len(raw)):
            self.count(device_id, "dead_letters_not_kept")
            return
        self._db.execute(
            "INSERT INTO dead_letters (digest, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (digest, device_id, kind, stream, seq, reason[:_MAX_REASON], raw, now_ms, now_ms),
        )

    def loose_letters(self, device_id: str, limit: int) -> list[LooseLetter]:
        """Messages of a device that could not be read and have no place, the newest first."""
        rows = self._db.execute(
            "SELECT id, raw, reason, first_ms, count FROM dead_letters"
            " WHERE device_id = ? AND kind = 'undecodable' AND stream IS NULL ORDER BY id DESC LIMIT ?",
            (device_id, limit),
        )
        return [LooseLetter(*row) for row in rows]

    def place_letter(self, letter: int, stream: bytes, seq: int) -> None:
        """Say where it belongs after all."""
        self._db.execute("UPDATE dead_letters SET stream = ?, seq = ? WHERE id = ?", (stream, seq, letter))

    # ---- ends of dead letters -------------------------------------------------

    def drop_letters(self, ids: Iterable[int]) -> int:
        """Delete letters that were dealt with, or are not wanted; returns how many."""
        gone = sum(self._db.execute("DELETE FROM dead_letters WHERE id = ?", (one,)).rowcount for one in ids)
        fresh = LetterBudget.read(self._db)
        self._budget.rows, self._budget.size_bytes = fresh.rows, fresh.size_bytes
        return gone

    def drop_dead_deliveries(self, sink: str, event_ids: Iterable[int]) -> int:
        """Forget that a sink refused these events; the events themselves stay."""
        delete = "DELETE FROM deliveries WHERE sink = ? AND event = ? AND state = 'dead'"
        return sum(self._db.execute(delete, (sink, one)).rowcount for one in event_ids)

    def hurry_deliveries(self, sink: str) -> int:
        """What waits for another try waits no longer: the reason of the failures may be gone."""
        now = "UPDATE deliveries SET next_try_ms = 0 WHERE sink = ? AND state = 'waiting' AND next_try_ms > 0"
        return self._db.execute(now, (sink,)).rowcount

    def mend_chunk(self, key: int, session_id: int | None, host_ms: int | None) -> None:
        """A stored chunk can be read after all."""
        self._db.execute(
            "UPDATE chunks SET fault = NULL, session_id = coalesce(session_id, ?), host_ms = coalesce(host_ms, ?)"
            " WHERE key = ?",
            (session_id, host_ms, key),
        )

    def session_before(self, first_key: int, key: int) -> int | None:
        """Session of the last chunk of a stream before `key` that was in one, stored or packed."""
        stream, first, seq = first_key // SEQ_SPAN, first_key % SEQ_SPAN, key % SEQ_SPAN
        row = self._db.execute(
            "SELECT session_id, place FROM ("
            "SELECT session_id, key AS place FROM chunks WHERE key >= ? AND key < ? AND session_id IS NOT NULL"
            " UNION ALL SELECT p.session_id, ? + CASE WHEN b.last < ? THEN b.last ELSE ? - 1 END AS place"
            " FROM packed b JOIN packs p ON p.no = b.pack WHERE b.stream = ? AND b.first >= ? AND b.first < ?"
            ") AS found ORDER BY place DESC LIMIT 1",
            (first_key, key, stream * SEQ_SPAN, seq, seq, stream, first, seq),
        ).fetchone()
        return None if row is None else int(row[0])
