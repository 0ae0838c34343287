"""Whether there is room for what devices send: on the disk, and in the outbox. Devices keep what is refused.

A full disk is bad at any moment but a chosen one: SQLite then cannot even delete. So nothing is accepted from
`min_free_bytes` on, which leaves room for what goes on (deliveries, summaries), and should something else take that
as well, there is a ballast: a file of nothing that is deleted then and made again when there is plenty of room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from ..errors import StoreError
from ..store.base import Fill, Store
from .settings import IngestSettings

BALLAST_NAME: Final = "ballast"
_CHECK_EVERY_S: Final = 1.0
_WARN_AT: Final = 0.8  # of an outbox's limit

log = structlog.get_logger(__name__)


class Room:
    """Belongs to the committer's thread. `free_bytes` looks at the disk of a folder."""

    def __init__(
        self,
        store: Store,
        settings: IngestSettings,
        *,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._settings = store, settings
        self._free_bytes, self._now_s = free_bytes, now_s
        self._checked_s = float("-inf")
        self._warned = False

    def check(self) -> str | None:
        """A warning, or None when all is well. Raises StoreError when nothing may be accepted."""
        now_s = self._now_s()
        if now_s - self._checked_s >= _CHECK_EVERY_S:
            self._check_disk()
            self._checked_s = now_s  # only of a check that went well: the next try looks again
        return self._check_outbox()

    def make(self) -> None:
        """A write failed, perhaps for want of room: look again, and give the ballast away if that is why."""
        self._checked_s = float("-inf")
        folder = self._store.folder
        with contextlib.suppress(OSError):  # no folder: the next check says so
            if folder is not None and self._free_bytes(folder) < self._settings.ballast_bytes:
                self._drop_ballast(folder)

    def _check_disk(self) -> None:
        folder, least = self._store.folder, self._settings.min_free_bytes
        if folder is None:
            return
        free = self._free_bytes(folder)
        if free < least:
            if free < self._settings.ballast_bytes:
                self._drop_ballast(folder)
            raise StoreError(
                f"only {free >> 20} MB are free beside {self._store.place}; {least >> 20} MB must stay so. "
                "Free some space, devices keep what is not acked"
            )
        if free >= least + 2 * self._settings.ballast_bytes:
            self._make_ballast(folder)

    def _make_ballast(self, folder: Path) -> None:
        path, size = folder / BALLAST_NAME, self._settings.ballast_bytes
        with contextlib.suppress(OSError):  # no ballast is no fault
            if path.exists() and path.stat().st_size == size:
                return
            path.unlink(missing_ok=True)
            if size:
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)

    def _drop_ballast(self, folder: Path) -> None:
        with contextlib.suppress(OSError):
            (folder / BALLAST_NAME).unlink()
            log.warning("ballast given away: the disk is full", folder=str(folder))

    def _check_outbox(self) -> str | None:
        fills = self._store.fill()
        for sink in self._store.sinks:
            fill = fills.get(sink, Fill())
            share = self._share(fill)
            if share >= _WARN_AT:
                words = f"{sink}: {fill.events} events of {fill.size_bytes >> 20} MB wait, {share:.0%} of the limit"
                if share >= 1:
                    raise StoreError(
                        f"{words}; devices keep what is not acked. See why the sink takes nothing, or raise "
                        "outbox.max_events and outbox.max_mb"
                    )
                if not self._warned:
                    log.warning("outbox fills up", sink=sink, events=fill.events, size_bytes=fill.size_bytes)
                self._warned = True
                return f"{words}; at 100% nothing more is accepted"
        self._warned = False
        return None

    def _share(self, fill: Fill) -> float:
        limits = self._settings
        return max(fill.events / limits.max_events, fill.size_bytes / limits.max_event_bytes)
