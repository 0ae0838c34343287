"""What other workers of a PostgreSQL store committed, told and heard with NOTIFY and LISTEN on connections of its own.

A hint, never the truth: whoever hears nothing while a connection is down finds everything in the tables, and is told to
look there once it is back. Told behind the commit and not in it, since a commit that notifies waits for all others that
do; many commits go into one notification, which is at most _MOST_BYTES long.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Final

import psycopg
import structlog

from .postgres import PostgresStore

_MOST_BYTES: Final = 7_500  # PostgreSQL takes 8,000
_ROW_BYTES: Final = 128  # more than a device ID, a stream and a number as JSON
_LINGER_S: Final = 0.005
_RETRY_S: Final = 1.0
_LOOK_S: Final = 0.5  # how late the thread that listens sees that it should end

log = structlog.get_logger(__name__)


class News:
    """`on_commit(device_id, stream, watermark)` and `on_missed()` are called from a thread of its own."""

    def __init__(
        self,
        store: PostgresStore,
        on_commit: Callable[[str, bytes, int], None],
        on_missed: Callable[[], None],
    ) -> None:
        self._store, self._on_commit, self._on_missed = store, on_commit, on_missed
        self._channel = f"pixeltrail_{store.bridge_id.hex()}"
        self._untold: dict[bytes, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        works = {"news told": self._tell, "news heard": self._listen}
        self._threads = [
            threading.Thread(target=self._insist, args=(work,), name=name, daemon=True)
            for name, work in works.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def tell(self, device_id: str, stream: bytes, watermark: int) -> None:
        """From any thread; never waits for the server."""
        with self._lock:
            self._untold[stream] = (device_id, watermark)
        self._wake.set()

    def _tell(self, db: psycopg.Connection[object]) -> None:
        db.execute("SET synchronous_commit = off")
        while not self._stopping.is_set():
            self._wake.wait()
            self._stopping.wait(_LINGER_S)
            self._wake.clear()
            with self._lock:
                untold, self._untold = self._untold, {}
            try:
                for text in _messages(self._store.worker, untold):
                    db.execute("SELECT pg_notify(%s, %s)", (self._channel, text))
            except psycopg.Error:
                with self._lock:
                    self._untold = untold | self._untold
                raise

    def _listen(self, db: psycopg.Connection[object]) -> None:
        db.execute(f"LISTEN {self._channel}")
        self._on_missed()
        while not self._stopping.is_set():
            for notice in db.notifies(timeout=_LOOK_S, stop_after=1):
                worker, rows = json.loads(notice.payload)
                for device_id, stream, watermark in rows if worker != self._store.worker else ():
                    self._on_commit(device_id, bytes.fromhex(stream), watermark)

    def _insist(self, work: Callable[[psycopg.Connection[object]], None]) -> None:
        is_said = False
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._store.open_connection()) as db:
                    is_said = False
                    work(db)
            except psycopg.Error as error:
                if not is_said:
                    log.warning("other workers are not heard", reason=" ".join(str(error).split()))
                is_said = True
            except Exception:  # noqa: BLE001 a fault of ours may not end the thread
                log.exception("news of other workers failed")
            self._stopping.wait(_RETRY_S)


def _messages(worker: int, untold: dict[bytes, tuple[str, int]]) -> Iterator[str]:
    rows = [(device_id, stream.hex(), watermark) for stream, (device_id, watermark) in untold.items()]
    most = _MOST_BYTES // _ROW_BYTES
    for first in range(0, len(rows), most):
        yield json.dumps([worker, rows[first : first + most]], separators=(",", ":"))
