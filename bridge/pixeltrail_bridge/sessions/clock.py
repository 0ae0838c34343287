"""Where a stream's clock lies on the host's.

A sync that says `now` and is received at R proves that the stream began no later than R - now. Delay only makes
R - now larger, so the smallest value of the last hour is the best one: wire.md, "Time". A value more than 5 s away
means that a clock jumped (host time set, a board whose ticks stood still in deep sleep): a new segment begins, and
what the device recorded before it keeps the old offset. A single late sync looks like a jump forward, so that
direction needs a second sync that agrees.

A stream without any sync is estimated from the arrival of its chunks, which bounds it the same way.
"""

from __future__ import annotations

import msgspec

from ..wire.messages import ClockQuality

WINDOW_MS = 3_600_000
JUMP_MS = 5_000
MAX_SEGMENTS = 64  # a clock that jumps more often than this has no history worth keeping
_MINUTE_MS = 60_000


class TimeLine(msgspec.Struct):
    """Maps ms of one stream to ms since 1970 on the host; kept as JSON beside the stream."""

    segments: list[tuple[int, int]] = []  # (first stream ms, offset) of segments that are over, oldest first
    first_ms: int = 0  # stream ms where the current segment began
    minutes: list[tuple[int, int]] = []  # (host minute, smallest offset seen in it) of the current segment
    doubt: tuple[int, int] | None = None  # (stream ms, offset) of a jump forward that wants a second witness
    estimate_ms: int | None = None  # offset by arrival of chunks; unused once there was a sync
    offset_ms: int = 0  # host time at which the stream began, by the current segment

    def observe(self, now_ms: int, received_ms: int) -> None:
        """Take in a sync: the stream's clock showed `now_ms` when it was received at `received_ms`."""
        offset = received_ms - now_ms
        if not self.minutes or abs(offset - self.offset_ms) <= JUMP_MS:
            self._add(offset, received_ms)
        elif offset < self.offset_ms:
            self._begin_segment(now_ms, offset, received_ms)
        elif self.doubt is None or abs(offset - self.doubt[1]) > JUMP_MS:
            self.doubt = (now_ms, offset)
        else:
            self._begin_segment(self.doubt[0], min(offset, self.doubt[1]), received_ms)

    def estimate(self, now_ms: int, received_ms: int) -> None:
        """Take in a chunk whose last record is from `now_ms`; counts only while there was no sync."""
        offset = received_ms - now_ms
        if not self.minutes and (self.estimate_ms is None or offset < self.estimate_ms):
            self.estimate_ms = self.offset_ms = offset

    @property
    def quality(self) -> ClockQuality:
        if self.minutes:
            return ClockQuality.GOOD
        return ClockQuality.NONE if self.estimate_ms is None else ClockQuality.ESTIMATED

    def host_ms(self, stream_ms: int) -> int:
        """Host time (ms since 1970) of a stream time; 0 or more."""
        offset = self.offset_ms
        if stream_ms < self.first_ms and self.segments:
            past = [past for first, past in self.segments if first <= stream_ms]
            offset = past[-1] if past else self.segments[0][1]
        return max(0, offset + stream_ms)

    def _add(self, offset: int, received_ms: int) -> None:
        self.doubt = None
        minute = received_ms // _MINUTE_MS
        kept = [m for m in self.minutes if m[0] * _MINUTE_MS > received_ms - WINDOW_MS]
        if kept and kept[-1][0] == minute:
            kept[-1] = (minute, min(offset, kept[-1][1]))
        else:
            kept.append((minute, offset))
        self.minutes = kept
        self.offset_ms = min(offset for _, offset in kept)

    def _begin_segment(self, first_ms: int, offset: int, received_ms: int) -> None:
        self.segments = [*self.segments, (self.first_ms, self.offset_ms)][-MAX_SEGMENTS:]
        self.first_ms = first_ms
        self.minutes = []
        self._add(offset, received_ms)
