"""What is worth waking a person for: from readings to conditions that hold now. Nothing here waits or sends.

A condition has a key, so that it is told once and cleared once, whatever its text says meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .readings import Readings

_HOUR_MS = 3_600_000
_FUTURE_MS = 60_000
_STEP_MS = 5_000
OLDEST_SANE_MS = 1_700_000_000_000  # 2023: a clock before it was never set


@dataclass(frozen=True, slots=True)
class Thresholds:
    """0 turns a condition off."""

    silent_ms: int = 0
    backlog_ms: int = 1_800_000
    disk_bytes: int = 256 << 20
    refused_ms: int = 60_000  # how long nothing is accepted, or a source is down, until it is told
    dead_letters: bool = True
    clock: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """`kind` is one of device_silent, backlog, sink, dead_letters, disk, ingest, source, backup, clock."""

    kind: str
    key: str
    text: str
    device: str | None = None  # in the text; a log names it by its hash


class Conditions:
    """Keeps what one look cannot tell: since when something is so, and how the clock went. One thread's."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self._since_ms: dict[str, int] = {}
        self._before: tuple[int, int] | None = None
        self._stepped_ms = 0
        self._stepped_at_ms = -_HOUR_MS

    def look(self, now: Readings, monotonic_ms: int) -> list[Condition]:
        """All that hold. `monotonic_ms` is a clock nobody sets, beside the readings' own."""
        return [
            *self._ingest(now, monotonic_ms),
            *self._disk(now),
            *self._sinks(now),
            *self._dead_letters(now),
            *self._backup(now),
            *self._silent(now),
            *self._clock(now, monotonic_ms),
        ]

    def _ingest(self, now: Readings, monotonic_ms: int) -> Iterator[Condition]:
        if self._lasts("ingest", now.ingest.error is not None, monotonic_ms):
            yield Condition("ingest", "ingest", f"nothing is accepted: {now.ingest.error}")
        for link in now.ingest.sources.values():
            if self._lasts(f"source {link.source}", not link.is_up, monotonic_ms):
                yield Condition("source", f"source {link.source}", f"{link.source} is down: {link.detail}")

    def _lasts(self, key: str, holds: bool, monotonic_ms: int) -> bool:
        if not holds:
            self._since_ms.pop(key, None)
            return False
        since = self._since_ms.setdefault(key, monotonic_ms)
        return monotonic_ms - since >= self.thresholds.refused_ms

    def _disk(self, now: Readings) -> Iterator[Condition]:
        free, least = now.store.free_bytes, self.thresholds.disk_bytes
        if least and free is not None and free < least:
            text = f"{free >> 20:,} MB are free, and {least >> 20:,} MB should be; nothing is accepted once it is full"
            yield Condition("disk", "disk", text)

    def _sinks(self, now: Readings) -> Iterator[Condition]:
        for name, health in now.sinks.items():
            if health.alarm:
                yield Condition("sink", f"sink {name}", f"{name}: {health.alarm}")
        most = self.thresholds.backlog_ms
        for one in now.store.backlogs.values() if most else ():
            age_ms = now.now_ms - one.oldest_ms
            if one.oldest_ms and age_ms > most:
                why = f" ({one.answer})" if one.answer else ""
                text = (
                    f"{one.waiting:,} events wait for {one.sink}, the oldest for {age_ms // 60_000} min{why}"
                )
                yield Condition("backlog", f"backlog {one.sink}", text)

    def _dead_letters(self, now: Readings) -> Iterator[Condition]:
        for kind, count in now.store.dead_letters.items() if self.thresholds.dead_letters else ():
            what = f"{count:,} dead letter{'s' * (count != 1)} of {kind}"
            text = f"{what}: see `pixeltrail dlq list --kind {kind}`, then retry or purge"
            yield Condition("dead_letters", f"dead_letters {kind}", text)

    def _backup(self, now: Readings) -> Iterator[Condition]:
        if now.backup_problem:
            yield Condition("backup", "backup", f"no backup was made: {now.backup_problem}")

    def _silent(self, now: Readings) -> Iterator[Condition]:
        # Where more are silent than are named, one condition stands for all
        total, devices = now.store.silent
        if total > len(devices):
            text = f"{total:,} devices were not heard for {self.thresholds.silent_ms // 60_000} min"
            yield Condition("device_silent", "device_silent", text)
            return
        for one in devices:
            minutes = (now.now_ms - one.last_seen_ms) // 60_000
            text = f"{one.device_id} was not heard for {minutes or 'less than 1'} min"
            yield Condition("device_silent", f"device_silent {one.device_id}", text, one.device_id)

    def _clock(self, now: Readings, monotonic_ms: int) -> Iterator[Condition]:
        if not self.thresholds.clock:
            return
        if self._before is not None:
            step = (now.now_ms - self._before[0]) - (monotonic_ms - self._before[1])
            if abs(step) > _STEP_MS:
                self._stepped_ms, self._stepped_at_ms = step, monotonic_ms
        self._before = now.now_ms, monotonic_ms
        if now.now_ms < OLDEST_SANE_MS:
            yield Condition("clock", "clock", "this machine's clock was never set; set it, or switch on NTP")
        elif now.store.latest_heard_ms > now.now_ms + _FUTURE_MS:
            text = "a device was heard in the future: this machine's clock was set back; check it"
            yield Condition("clock", "clock", text)
        elif monotonic_ms - self._stepped_at_ms < _HOUR_MS:
            text = f"this machine's clock was set by {self._stepped_ms / 1000:+.0f} s; times around it are doubtful"
            yield Condition("clock", "clock", text)
