"""How often somebody may try a password: a few times at once, then at a steady pace.

A name's pace is that of each network it is tried from, so that nobody keeps another from logging in by trying their
name all the time; that of all networks together is ten times as quick.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_KEYS: Final = 10_000


class Attempts:
    """`most` tries at once, one more every `every_s`. Belongs to one thread."""

    def __init__(self, most: int, every_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most, self._every_s, self._now_s = most, every_s, now_s
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """0 and the try counts, or the seconds to wait for the next."""
        now_s = self._now_s()
        level, at_s = self._levels.pop(key, (float(self._most), now_s))
        level = min(self._most, level + (now_s - at_s) / self._every_s)
        wait_s = 0.0 if level >= 1 else (1 - level) * self._every_s
        self._levels[key] = (level - 1 if not wait_s else level, now_s)
        while len(self._levels) > MOST_KEYS:
            self._levels.popitem(last=False)
        return wait_s

    def forgive(self, key: str) -> None:
        """The last try was a good one."""
        self._levels.pop(key, None)


class LoginAttempts:
    """Of a page. `take` as Attempts has it, of all that a try counts for."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._by_both = Attempts(5, 12.0, now_s)
        self._by_network = Attempts(20, 3.0, now_s)
        self._by_name = Attempts(50, 1.2, now_s)

    def take(self, name: str, address: str) -> float:
        network = network_of(address)
        # What is refused here costs the name nothing there
        wait_s = max(self._by_both.take(f"{name} {network}"), self._by_network.take(network))
        return wait_s or self._by_name.take(name)

    def forgive(self, name: str, address: str) -> None:
        self._by_both.forgive(f"{name} {network_of(address)}")


def network_of(address: str) -> str:
    """An IPv6 address by what one household or server is given of them, any other as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return address
