"""Backups at regular times, in a thread of their own; the newest few stay.

Of several workers one makes them, in its own folder; another that follows it begins with one at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from ..errors import PixeltrailError
from ..store.database import SqlStore
from .make import Place, make_backup

PREFIX: Final = "pixeltrail-auto-"
DUTY: Final = "backups"
_LOOK_S: Final = 5.0
_AGAIN_MS: Final = 900_000  # after one that failed

log = structlog.get_logger(__name__)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Backups:
    """`problem` says why the last try came to nothing; `last_ms` is of the newest that is there, 0 for none."""

    def __init__(
        self,
        store: SqlStore,
        place: Place,
        folder: Path,
        every_ms: int,
        keep: int,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._store, self._place, self._folder = store, place, folder
        self._every_ms, self._keep, self._now_ms = every_ms, keep, now_ms
        self.problem: str | None = None
        self.last_ms = self._newest_ms()
        self._next_ms = self.last_ms + every_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the backup under way."""
        self._stop.set()
        self._thread.join()

    def turn(self) -> Path | None:
        """Make one if it is time."""
        now_ms = self._now_ms()
        if now_ms < self._next_ms:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / time.strftime(f"{PREFIX}%Y%m%dT%H%M%SZ.tar", time.gmtime(now_ms / 1000))
            make_backup(self._store, self._place, path, now_ms=now_ms)
        except (PixeltrailError, OSError) as error:
            self.problem, self._next_ms = str(error), now_ms + _AGAIN_MS
            log.warning("no backup was made", reason=str(error))
            return None
        self.problem, self.last_ms, self._next_ms = None, now_ms, now_ms + self._every_ms
        for old in self._made()[: -self._keep]:
            old.unlink(missing_ok=True)
        log.info("backup made", file=str(path), size_bytes=path.stat().st_size)
        return path

    def _made(self) -> list[Path]:
        """Oldest first: the names sort by time."""
        return sorted(self._folder.glob(f"{PREFIX}*.tar"))

    def _newest_ms(self) -> int:
        made = self._made()
        return round(made[-1].stat().st_mtime * 1000) if made else 0

    def _run(self) -> None:
        while not self._stop.wait(min(_LOOK_S, self._every_ms / 1000)):
            try:
                if self._store.hold(DUTY):
                    self.turn()
            except PixeltrailError as error:
                log.warning("backups wait", reason=str(error))
            except Exception:  # noqa: BLE001 the next turn may go well
                log.exception("backup failed")
