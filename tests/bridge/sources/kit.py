"""Collects what a source calls back with, and waits for it without guessing times."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pixeltrail_bridge.sources.base import Arrival, LinkState, StateEvent

WAIT_S = 30.0


class Collector:
    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.events: list[StateEvent] = []
        self._changed = threading.Condition()

    def receive(self, arrival: Arrival) -> bool:
        with self._changed:
            self.arrivals.append(arrival)
            self._changed.notify_all()
        return True

    def state(self, event: StateEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), (self.arrivals, self.events)

    def wait_up(self) -> None:
        self.wait(lambda: self.is_up)

    def wait_down(self, word: str = "") -> None:
        self.wait(lambda: not self.is_up and self.links and word in self.links[-1].detail)

    @property
    def links(self) -> list[LinkState]:
        return [event for event in self.events if isinstance(event, LinkState)]

    @property
    def is_up(self) -> bool:
        return bool(self.links) and self.links[-1].is_up
