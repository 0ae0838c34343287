"""Writes that leave out what was forgotten, whoever asks for them: a device that sends it once more, a part of this
process that still had it in memory, an import."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from ..mapping.calls import Call
from ..sessions.state import SessionRow
from .chunks import ChunkWrites
from .clips import Clip
from .letters import LetterBudget, LetterWrites
from .packs import PackWrites
from .sql import Connection
from .tombstones import Tombstones


class ForgetfulWrites(ChunkWrites, LetterWrites, PackWrites):
    """Part of a transaction. `tombstones` are the store's, looked up anew in each transaction that asks for them."""

    def __init__(self, db: Connection, budget: LetterBudget, tombstones: Tombstones) -> None:
        ChunkWrites.__init__(self, db)
        LetterWrites.__init__(self, db, budget)
        PackWrites.__init__(self, db)
        self.db = db
        self._tombstones, self._is_fresh = tombstones, False

    @property
    def tombstones(self) -> Tombstones:
        if not self._is_fresh:
            self._tombstones.refresh(self.db)
            self._is_fresh = True
        return self._tombstones

    def lock_devices(self, device_ids: Collection[str]) -> dict[str, int]:
        self._is_fresh = False  # whoever forgets a device holds its lock: what it wrote is seen from here on
        return super().lock_devices(device_ids)

    def known_calls(self, calls: Iterable[Call]) -> list[Call]:
        """Those that may be kept."""
        given = list(calls)
        if not given or not (gone := self.tombstones):
            return given
        return [
            one
            for one in given
            if not gone.refuses_event(one.device_id, one.session_id, one.time_ms, one.payload)
        ]

    def without_forgotten(self, stream: bytes, rows: Iterable[Clip]) -> list[Clip]:
        given = list(rows)
        if not given or not (gone := self.tombstones):
            return given
        owner = self.owner_of(stream)
        return [one for one in given if not gone.refuses_session(owner, one.session_id)]

    def put_sessions(self, rows: Iterable[SessionRow]) -> None:
        given = list(rows)
        if given and self.tombstones:
            given = [self._without_user(row) for row in given if not self._is_refused(row)]
        super().put_sessions(given)

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
        if not (device_id and self.tombstones.refuses("device", device_id)):
            super().add_dead_letter(device_id, kind, reason, raw, now_ms, stream, seq)

    def count_all(self, counts: Mapping[tuple[str, str], int]) -> None:
        if counts and (gone := self.tombstones):
            counts = {key: by for key, by in counts.items() if not gone.refuses("device", key[0])}
        super().count_all(counts)

    def owner_of(self, stream: bytes) -> str:
        """The device of a stream; empty when there is none."""
        query = "SELECT d.device_id FROM streams s JOIN devices d ON d.no = s.device WHERE s.stream = ?"
        row = self.db.execute(query, (stream,)).fetchone()
        return "" if row is None else str(row[0])

    def _is_refused(self, row: SessionRow) -> bool:
        gone = self.tombstones
        return gone.refuses("device", row.device_id) or gone.refuses_session(row.device_id, row.session_id)

    def _without_user(self, row: SessionRow) -> SessionRow:
        is_refused = row.user_id is not None and self.tombstones.refuses("user", row.user_id)
        return msgspec.structs.replace(row, user_id=None) if is_refused else row
