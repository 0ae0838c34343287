"""How much one device may send, so that one that has gone mad, or was taken over, costs the others nothing.

Each device has two buckets, of messages and of bytes, that fill at a steady pace up to a burst. What finds them empty
is refused before it is decoded, queued or stored, whether it is valid or not, and is counted. Nothing is lost by that:
a device keeps what is not acked and sends it again. New streams have a bucket of their own, since each costs a row; and
while the disk is nearly full, a device that holds most of what is kept is refused altogether.

Devices never heard before share one more bucket: who invents a name for each message gets no further than that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

MOST_DEVICES: Final = 20_000  # buckets that are kept; beyond, the one that was made first is forgotten
RECENT_S: Final = 60.0
_NEW_PER_S: Final = 100.0
_MOST_NEW: Final = 10_000.0  # a whole fleet that comes back after a restart


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """0 is without a limit. `disk_share`: of what is kept, beyond which a device is refused while the disk is tight."""

    messages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    burst_s: float = 20.0
    streams_per_h: float = 0.0
    disk_share: float = 1.0


class Once:
    """Asks `take` about a device's streams; to a batch that is tried again it gives the same answers, in order."""

    def __init__(self, take: Callable[[str], bool]) -> None:
        self._take = take
        self._answers: dict[str, list[bool]] = {}
        self._asked: Counter[str] = Counter()

    def begin(self) -> None:
        """The batch is tried, perhaps again."""
        self._asked.clear()

    def __call__(self, device_id: str) -> bool:
        answers, number = self._answers.setdefault(device_id, []), self._asked[device_id]
        self._asked[device_id] += 1
        if number == len(answers):
            answers.append(self._take(device_id))
        return answers[number]


class _Bucket:
    __slots__ = ("at_s", "bytes", "messages", "streams")

    def __init__(self, messages: float, size: float, streams: float, at_s: float) -> None:
        self.messages, self.bytes, self.streams, self.at_s = messages, size, streams, at_s


class Quotas:
    """`take` and `take_stream` may be called from any thread. `full` are devices that may add nothing."""

    def __init__(self, settings: QuotaSettings, now_s: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now_s = settings, now_s
        self._message_rate = settings.messages_per_s or float("inf")
        self._byte_rate = settings.bytes_per_s or float("inf")
        self._stream_rate = settings.streams_per_h / 3_600 or float("inf")
        self._most_messages = self._message_rate * settings.burst_s
        self._most_bytes = self._byte_rate * settings.burst_s
        self._most_streams = settings.streams_per_h or float("inf")
        self._buckets: dict[str, _Bucket] = {}
        self._newcomers, self._newcomers_s = _MOST_NEW, now_s()
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._refused_s: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self.full: Collection[str] = frozenset()
        self.is_on = bool(settings.messages_per_s or settings.bytes_per_s or settings.streams_per_h)

    def take(self, device_id: str, size_bytes: int) -> bool:
        """Whether a message may come in; what may not is counted."""
        if not (self.is_on or self.full):
            return True
        with self._lock:
            bucket = self._bucket(device_id)
            if bucket is None:
                return self._refuse("")
            if device_id in self.full:
                return self._refuse(device_id)
            self._fill(bucket)
            if bucket.messages < 1 or bucket.bytes < size_bytes:
                return self._refuse(device_id)
            bucket.messages -= 1
            bucket.bytes -= size_bytes
            return True

    def take_stream(self, device_id: str) -> bool:
        """Whether a device may begin a stream."""
        if not self.is_on:
            return True
        with self._lock:
            bucket = self._bucket(device_id)
            if bucket is None:
                return self._refuse("")
            self._fill(bucket)
            if bucket.streams < 1:
                return self._refuse(device_id)
            bucket.streams -= 1
            return True

    def refused(self) -> dict[str, int]:
        """Messages refused since the start, by device."""
        with self._lock:
            return dict(self._refused)

    def over(self) -> dict[str, int]:
        """The same of those that were refused something within the last minute."""
        now_s = self._now_s()
        with self._lock:
            return {
                one: self._refused[one] for one, at_s in self._refused_s.items() if now_s - at_s < RECENT_S
            }

    def untold(self) -> dict[str, int]:
        """Those refused since the last call."""
        if not self._untold:
            return {}
        with self._lock:
            told, self._untold = self._untold, Counter()
        return dict(told)

    def _refuse(self, device_id: str) -> bool:
        if device_id not in self._refused and len(self._refused) >= MOST_DEVICES:
            device_id = ""
        self._refused[device_id] += 1
        self._refused_s[device_id] = self._now_s()
        self._untold[device_id] += 1
        return False

    def _bucket(self, device_id: str) -> _Bucket | None:
        """None: too many new names at once."""
        bucket = self._buckets.get(device_id)
        if bucket is not None:
            return bucket
        now_s = self._now_s()
        self._newcomers = min(_MOST_NEW, self._newcomers + (now_s - self._newcomers_s) * _NEW_PER_S)
        self._newcomers_s = now_s
        if self._newcomers < 1:
            return None
        self._newcomers -= 1
        if len(self._buckets) >= MOST_DEVICES:
            del self._buckets[next(iter(self._buckets))]
        bucket = _Bucket(self._most_messages, self._most_bytes, self._most_streams, now_s)
        self._buckets[device_id] = bucket
        return bucket

    def _fill(self, bucket: _Bucket) -> None:
        now_s = self._now_s()
        gone_s = now_s - bucket.at_s
        if gone_s <= 0:
            return
        bucket.at_s = now_s
        bucket.messages = min(self._most_messages, bucket.messages + gone_s * self._message_rate)
        bucket.bytes = min(self._most_bytes, bucket.bytes + gone_s * self._byte_rate)
        bucket.streams = min(self._most_streams, bucket.streams + gone_s * self._stream_rate)
