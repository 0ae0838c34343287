"""How fast one device may go: Amplitude throttles IDs that send more events a second than it allows.

A bucket of tokens for each device and endpoint: full at first, an event takes one out, so many come back each second.
A backlog of one device thus goes out at the rate that Amplitude takes, and the others are not held up by it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BURST_S: Final = 10  # Amplitude looks at averages over a longer time; this is how much may come at once
MAX_BUCKETS: Final = 10_000


@dataclass
class _Bucket:
    tokens: float
    filled_ms: int


class Pace:
    """`rates` are events a second of each endpoint; an endpoint without one, or of rate 0, is not paced."""

    def __init__(self, rates: Mapping[str, int]) -> None:
        self._rates = rates
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take(self, device_id: str, endpoint: str, now_ms: int) -> bool:
        """Take one event off what may be sent; False when there is no room."""
        rate = self._rates.get(endpoint, 0)
        if rate <= 0:
            return True
        bucket = self._bucket(device_id, endpoint, rate, now_ms)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def wait_ms(self, device_id: str, endpoint: str, events: int, now_ms: int) -> int:
        """Until there is room for so many events, or for half of what fits: a turn for each would cost more than it."""
        rate = self._rates.get(endpoint, 0)
        if rate <= 0:
            return 0
        wanted = min(events, rate * BURST_S / 2)
        missing = wanted - self._bucket(device_id, endpoint, rate, now_ms).tokens
        return max(0, int(missing * 1000 / rate) + 1)

    def _bucket(self, device_id: str, endpoint: str, rate: int, now_ms: int) -> _Bucket:
        full = rate * BURST_S
        bucket = self._buckets.get((device_id, endpoint))
        if bucket is None:
            bucket = self._buckets[device_id, endpoint] = _Bucket(full, now_ms)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        elapsed_ms = max(0, now_ms - bucket.filled_ms)  # a clock that was put back gives nothing
        bucket.tokens = min(full, bucket.tokens + elapsed_ms * rate / 1000)
        bucket.filled_ms = now_ms
        self._buckets.move_to_end((device_id, endpoint))
        return bucket
