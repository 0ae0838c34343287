"""When acks go out: at most one per device in 20 ms, at once for a hole or a sync. Time is an argument."""

from __future__ import annotations

from collections.abc import Iterator


class AckSchedule:
    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._due: dict[tuple[str, bytes], int] = {}  # watermarks that wait
        self._hasty: set[tuple[str, bytes]] = set()
        self._sent_ms: dict[str, float] = {}

    def add(self, device_id: str, stream: bytes, watermark: int, at_once: bool) -> None:
        self._due[device_id, stream] = watermark
        if at_once:
            self._hasty.add((device_id, stream))

    def take(self, now_ms: float) -> Iterator[tuple[str, bytes, int]]:
        """Device, stream and watermark of each ack to be sent now."""
        ready = [key for key in self._due if key in self._hasty or self._wait_ms(key[0], now_ms) <= 0]
        for key in ready:
            self._hasty.discard(key)
            self._sent_ms[key[0]] = now_ms
            yield *key, self._due.pop(key)
        if len(self._sent_ms) > 4096:
            self._sent_ms = {d: t for d, t in self._sent_ms.items() if now_ms - t < self._interval_ms}

    def wait_ms(self, now_ms: float) -> float | None:
        """How long until the next ack is due, None when there is none."""
        return min((max(0.0, self._wait_ms(device, now_ms)) for device, _ in self._due), default=None)

    def _wait_ms(self, device_id: str, now_ms: float) -> float:
        return self._sent_ms.get(device_id, -self._interval_ms - now_ms) + self._interval_ms - now_ms

    def clear(self) -> None:
        self._due.clear()
        self._hasty.clear()
