"""Keeps no longer than it was told to, and honours what was forgotten; in a thread of its own.

Each turn does a little of each kind, in transactions of some hundred rows, so that no device waits; while there is
more to do the next turn follows at once. What another process forgot is noticed within a second: caches of this
process are told, and an older copy of the database that was put back is cleaned before the bridge takes anything.
Of several workers one keeps the times, and all notice.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from .errors import PixeltrailError
from .forgetting import erasing, stones
from .store import retention
from .store.database import SqlStore
from .store.erasing import Eraser
from .store.tombstones import digest_of

log = structlog.get_logger(__name__)
LOOK_EVERY_S: Final = 60.0
NOTICE_EVERY_S: Final = 1.0
DUTY: Final = "retention"
DAYS_EVERY_MS: Final = 3_600_000  # how often it is asked of each day what of it must stay
GIVEN_BACK_BYTES: Final = 4 << 20  # in one step, for which ingest waits some ms
_RECOVERY: Final = "recovery"
_POLL_S: Final = 0.2
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class KeepFor:
    """Times in ms; 0 is for ever."""

    recordings_ms: int = 0
    sessions_ms: int = 0
    events_ms: int = 0
    dead_letters_ms: int = 0
    uploads_ms: int = 0
    devices_ms: int = 0
    close_after_ms: int = 0


OnErased = Callable[[Sequence[int], bool], None]


def ignore(devices: Sequence[int], has_device: bool) -> None:
    pass


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Keeper:
    """`turn()` does one step. `on_erased`: numbers of devices that stay, and whether a whole device was forgotten."""

    def __init__(
        self,
        store: SqlStore,
        folder: Path,
        keep: KeepFor,
        on_erased: OnErased = ignore,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._store, self._folder, self.keep = store, folder, keep
        self._on_erased, self._now_ms = on_erased, now_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._seen = 0
        self._looked_s = float("-inf")
        self._days_ms = -DAYS_EVERY_MS
        self.gone: Counter[str] = Counter()
        self.problem: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the step under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def recover(self) -> int:
        """Before anything is taken: forget again what came back with an older copy. Returns of how many subjects."""
        while not self._store.hold(_RECOVERY):  # another worker starts as well; what it cleans is clean
            time.sleep(_POLL_S)
        try:
            return self._recover()
        finally:
            self._store.let_go(_RECOVERY)

    def _recover(self) -> int:
        lacked = stones.merge(self._store, self._folder)
        self._seen = self._newest()
        if not lacked:
            return 0
        eraser = self._eraser()
        count = erasing.erase_returned(self._store, eraser)
        if problem := self._store.compact():
            log.warning("what was forgotten is not yet overwritten", problem=problem)
        log.warning(
            "an older copy of the database: what had been forgotten since is forgotten again", found=count
        )
        return count

    def turn(self) -> bool:
        """True: there is more to do."""
        now_ms, keep = self._now_ms(), self.keep
        done: Counter[str] = Counter()
        eraser = self._eraser()
        self._store.keep_days(now_ms)
        done["days"] = self._days(now_ms)
        if keep.close_after_ms:
            done["closed"] = retention.close_silent_sessions(self._store, now_ms - keep.close_after_ms)
        if keep.sessions_ms:
            done["sessions"] = self._sessions(eraser, now_ms - keep.sessions_ms)
        if keep.recordings_ms:
            done["recordings"] = self._recordings(eraser, now_ms - keep.recordings_ms)
        if keep.events_ms:
            ids = retention.old_events(self._store, now_ms - keep.events_ms)
            eraser.events(ids)
            done["events"] = len(ids)
        if keep.dead_letters_ms:
            done["dead_letters"] = self._letters(eraser, now_ms - keep.dead_letters_ms)
        if keep.uploads_ms:
            done["uploads"] = retention.drop_pieces(self._store, now_ms - keep.uploads_ms)
        if keep.devices_ms:
            silent = retention.silent_devices(self._store, now_ms - keep.devices_ms)
            for device_id in silent:
                with eraser.as_long_as(partial(retention.is_silent, device_id, now_ms - keep.devices_ms)):
                    eraser.device(device_id)
            done["devices"] = len(silent)
        done["objects"] = eraser.objects()
        is_more = any(done.values())
        retention.count(self._store, dict(done))
        self.gone += done
        if is_more:
            self._store.recount()
            log.info("kept for long enough", **{kind: count for kind, count in done.items() if count})
        return self._store.give_back(GIVEN_BACK_BYTES) or is_more

    def _days(self, now_ms: int) -> int:
        """Whole days first: what they held need not be deleted row by row."""
        ages = [age for age in (self.keep.recordings_ms, self.keep.sessions_ms) if age]
        if not ages or abs(now_ms - self._days_ms) < DAYS_EVERY_MS:
            return 0
        self._days_ms = now_ms
        return self._store.drop_days(now_ms - min(ages))

    def notice(self) -> None:
        """Tell this process's caches what another process forgot."""
        newest = self._newest()
        if newest == self._seen:
            return
        rows = self._store._all("SELECT kind, digest, salt, devices FROM erasures WHERE no > ?", self._seen)
        self._store.recount()
        self._store.packs.clear()
        numbers = {number for *_, text in rows for number in json.loads(text)}
        devices = {(bytes(salt), bytes(digest)) for kind, digest, salt, _ in rows if kind == "device"}
        self._on_erased(sorted(numbers | self._begun_anew(devices)), bool(devices))
        self._seen = newest  # of what did not reach everybody all are told again

    def _begun_anew(self, forgotten: set[tuple[bytes, bytes]]) -> set[int]:
        """Numbers of forgotten devices, by salt and digest, that are here again: they may go on, without a past."""
        salts = {salt for salt, _ in forgotten}
        rows = self._store._all("SELECT no, device_id FROM devices") if salts else ()
        return {
            int(number)
            for number, name in rows
            if any((salt, digest_of(salt, "device", name)) in forgotten for salt in salts)
        }

    def _sessions(self, eraser: Eraser, before_ms: int) -> int:
        found = retention.old_sessions(self._store, before_ms)
        for place in found:
            with eraser.as_long_as(partial(retention.is_old, *place, before_ms)):
                eraser.session(*place, with_events=False)
        return len(found)

    def _recordings(self, eraser: Eraser, before_ms: int) -> int:
        found = retention.old_recordings(self._store, before_ms)
        for place in found:
            with eraser.as_long_as(partial(retention.is_old, *place, before_ms)):
                eraser.recording(*place)
        keys = retention.old_chunks(self._store, before_ms)
        eraser.orphans(keys)
        return len(found) + bool(keys)

    def _letters(self, eraser: Eraser, before_ms: int) -> int:
        ids = retention.old_letters(self._store, before_ms)
        eraser.letters(ids)
        return len(ids) + retention.drop_refused(self._store, before_ms)

    def _eraser(self) -> Eraser:
        return Eraser(self._store, self._now_ms)

    def _newest(self) -> int:
        return int(self._store._all("SELECT coalesce(max(no), 0) FROM erasures")[0][0])

    def _run(self) -> None:
        while not self._stop.is_set():
            is_due = time.monotonic() - self._looked_s >= LOOK_EVERY_S
            if not self._guarded(self._step if is_due else self.notice):
                self._stop.wait(NOTICE_EVERY_S)

    def _step(self) -> bool:
        self.notice()
        if not self._store.hold(DUTY):
            return False  # asked again a second later, in case that worker ends
        is_more = self.turn()
        if not is_more:
            self._looked_s = time.monotonic()
        return is_more

    def _guarded(self, work: Callable[[], bool | None]) -> bool:
        try:
            done = bool(work())
        except PixeltrailError as error:
            self.problem, self._looked_s = str(error), time.monotonic()
            log.warning("retention waits", problem=self.problem)
            return False
        except Exception:  # noqa: BLE001 our own fault may not end the thread; everything is kept that long
            self._looked_s = time.monotonic()
            log.exception("retention failed")
            return False
        self.problem = None
        return done


def days(value: float) -> int:
    """In ms."""
    return round(value * _DAY_MS)
