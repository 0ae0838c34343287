"""The audit log's writer: one line for each thing somebody did, and one for each thing they looked at.

A player asks for hundreds of pictures of one session: the same person looking at the same thing is one line in ten
minutes. Writing happens on a thread of its own; when the database cannot keep up, lines are dropped, counted and said.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from ..errors import StoreError
from ..store.access import AuditRow, add_audit, end_audit
from ..store.database import SqlStore

log = structlog.get_logger(__name__)

AGAIN_MS: Final = 600_000
_MOST_SEEN: Final = 4_096
_MOST_WAITING: Final = 1_000
_CLEAN_MS: Final = 3_600_000


class Journal:
    """`note` belongs to the event loop, `close` to anyone. Lines are kept for `keep_ms`."""

    def __init__(
        self,
        store: SqlStore,
        keep_ms: int,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store, self._keep_ms, self._now_ms = store, keep_ms, now_ms
        self._thread = ThreadPoolExecutor(1, "audit")
        self._seen: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._waiting = self.dropped = 0
        self._cleaned_ms = 0

    def note(self, row: AuditRow, is_look: bool) -> None:
        if is_look and not self._is_news(row):
            return
        if self._waiting >= _MOST_WAITING:
            self.dropped += 1
            if self.dropped.bit_count() == 1:
                log.error("audit lines dropped: the database is too slow", count=self.dropped)
            return
        self._waiting += 1
        self._thread.submit(self._write, row)

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _is_news(self, row: AuditRow) -> bool:
        key = (row.person, row.action, row.device, row.session_id, row.detail, row.status)
        last_ms = self._seen.pop(key, 0)
        is_news = row.at_ms - last_ms >= AGAIN_MS
        self._seen[key] = row.at_ms if is_news else last_ms
        while len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return is_news

    def _write(self, row: AuditRow) -> None:
        try:
            add_audit(self._store, [row])
            if row.at_ms - self._cleaned_ms > _CLEAN_MS:
                self._cleaned_ms = row.at_ms
                end_audit(self._store, row.at_ms - self._keep_ms)
        except StoreError as error:
            log.error("audit line not written", error=str(error), person=row.person, action=row.action)
        finally:
            self._waiting -= 1
