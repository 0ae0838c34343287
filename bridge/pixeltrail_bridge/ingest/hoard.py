"""Which devices hold more than their share of what is kept, looked at only while the disk is nearly full.

The look reads through all chunks, so it has a thread of its own and is made rarely. A device that is alone holds all
there is, which is nobody's loss.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from ..errors import StoreError
from ..store.base import Store
from .quotas import Quotas

log = structlog.get_logger(__name__)

TIGHT: Final = 4  # times the room at which nothing is accepted any more
EVERY_S: Final = 300.0
_LOOK_S: Final = 10.0


class Hoard:
    """`start` and `stop` belong to whoever made it; `look` is one look, for a thread."""

    def __init__(
        self,
        store: Store,
        quotas: Quotas,
        share: float,
        least_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._store, self._quotas, self._share = store, quotas, share
        self._tight_bytes, self._free_bytes = TIGHT * least_bytes, free_bytes
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._share < 1 and self._store.folder is not None:
            self._thread = threading.Thread(target=self._run, name="hoard", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        folder = self._store.folder
        if folder is None or not self._is_tight(folder):
            self._quotas.full = frozenset()
            return
        kept = self._store.kept_bytes()
        total = sum(kept.values())
        most = {device for device, size in kept.items() if len(kept) > 1 and size > self._share * total}
        for device in most - set(self._quotas.full):
            log.warning(
                "a device holds more than its share of a full disk", device=device, size_mb=kept[device] >> 20
            )
        self._quotas.full = frozenset(most)

    def _is_tight(self, folder: Path) -> bool:
        try:
            return self._free_bytes(folder) < self._tight_bytes
        except OSError:
            return False

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            try:
                self.look()
            except StoreError as error:
                log.warning("what devices hold was not read", error=str(error))
            wait_s = EVERY_S if self._quotas.full else _LOOK_S
