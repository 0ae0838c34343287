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
        self._looked = 0

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
        self._wait_link(lambda link: link.is_up)

    def wait_down(self, word: str = "") -> None:
        self._wait_link(lambda link: not link.is_up and word in link.detail)

    def _wait_link(self, is_wanted: Callable[[LinkState], bool]) -> None:
        """It is so now, or was at some time after what was last waited for: a link may be down for a moment only."""

        def is_met() -> bool:
            links = self.links
            first = max(0, min(self._looked, len(links) - 1))
            found = next((at for at in range(first, len(links)) if is_wanted(links[at])), None)
            if found is not None:
                self._looked = found + 1
            return found is not None

        self.wait(is_met)

    @property
    def links(self) -> list[LinkState]:
        return [event for event in self.events if isinstance(event, LinkState)]

    @property
    def is_up(self) -> bool:
        return bool(self.links) and self.links[-1].is_up
