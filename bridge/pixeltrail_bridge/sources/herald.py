"""Whether this bridge may serve a broker: two with different stores would each ack what the other never saw.

A serving bridge keeps a retained announcement and repeats it. One that connects looks for the announcement of
another. A retained one may be left from a bridge that died with its broker, so it counts only when it is repeated.
Then the newcomer refuses, says so, and takes over once the other has fallen silent. Pure: time is an argument, and
what is to be done comes back as actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

GRACE_S: Final = 0.2  # for a sign of life that is on its way
ANNOUNCE_S: Final = 10.0
SILENT_S: Final = 2.5 * ANNOUNCE_S


class Stand(Enum):
    ASKING = "asking whether another bridge serves this broker"
    DOUBTING = "waiting for a sign of life of another bridge"
    SERVING = "serving"
    REFUSING = "another bridge serves this broker"


@dataclass(frozen=True, slots=True)
class Serve:
    """Listen to devices, announce, and clear the announcements of `stale` bridges."""

    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    rival: str


@dataclass(frozen=True, slots=True)
class Announce:
    pass


@dataclass(frozen=True, slots=True)
class Alarm:
    """Another bridge began while this one serves."""

    rival: str


Action = Serve | Refuse | Announce | Alarm


class Herald:
    """`own` is the bridge ID in hex."""

    def __init__(self, own: str) -> None:
        self.stand = Stand.ASKING
        self._own = own
        self._rivals: dict[str, float] = {}  # and when each was last alive, or first seen
        self._deadline_s = float("inf")

    def subscribed(self, now_s: float) -> None:
        """Each announcement from now on is heard, and those that the broker retains have been."""
        if self.stand is Stand.ASKING:
            self._deadline_s = now_s + GRACE_S

    def disconnected(self) -> None:
        self.stand, self._rivals, self._deadline_s = Stand.ASKING, {}, float("inf")

    def heard(self, bridge: str, is_empty: bool, is_retained: bool, now_s: float) -> list[Action]:
        """An announcement came; an empty one says that the bridge has gone."""
        if bridge == self._own:
            return []
        if is_empty:
            return self._gone(bridge, now_s)
        is_news = bridge not in self._rivals
        self._rivals[bridge] = now_s
        if self.stand is Stand.SERVING:
            return [Alarm(bridge)] if is_news else []
        if is_retained and self.stand is not Stand.REFUSING:
            self.stand, self._deadline_s = Stand.DOUBTING, now_s + SILENT_S
            return []
        was, self.stand, self._deadline_s = self.stand, Stand.REFUSING, now_s + SILENT_S
        return [Refuse(bridge)] if was is not Stand.REFUSING else []

    def _gone(self, bridge: str, now_s: float) -> list[Action]:
        self._rivals.pop(bridge, None)
        if self._rivals or self.stand in (Stand.SERVING, Stand.ASKING):
            return []
        return self._serve((), now_s)

    def tick(self, now_s: float) -> list[Action]:
        """What is due. Call it at `next_s`, or a little later."""
        if now_s < self._deadline_s:
            return []
        if self.stand is Stand.SERVING:
            self._deadline_s = now_s + ANNOUNCE_S
            self._rivals = {one: seen for one, seen in self._rivals.items() if now_s - seen < SILENT_S}
            return [Announce()]
        return self._serve(tuple(self._rivals), now_s)

    def _serve(self, stale: tuple[str, ...], now_s: float) -> list[Action]:
        self.stand, self._rivals, self._deadline_s = Stand.SERVING, {}, now_s + ANNOUNCE_S
        return [Serve(stale), Announce()]

    @property
    def next_s(self) -> float:
        return self._deadline_s
