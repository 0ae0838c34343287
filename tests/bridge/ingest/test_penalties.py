"""Who is kept out, from when, and for how long: all on a clock that is turned by hand."""

from __future__ import annotations

from pixeltrail_bridge.ingest.penalties import FIRST_S, LAST_S, TIMES, Penalties
from pixeltrail_bridge.ingest.quotas import Quotas, QuotaSettings

RATE = 10
NOISY = "noisy-01"


class World:
    def __init__(self, rate: float = RATE) -> None:
        self.now_s = 1_000.0
        self.quotas = Quotas(QuotaSettings(messages_per_s=rate, burst_s=1), lambda: self.now_s)
        self.penalties = Penalties(self.quotas, rate, lambda: self.now_s)

    def second(self, **messages: int) -> frozenset[str]:
        self.now_s += 1
        for device, count in messages.items():
            for _ in range(count):
                self.quotas.take(device.replace("_", "-"), 10)
        return self.penalties.kept_out()

    def seconds_until_out(self, most: int = 60) -> int:
        return next(n for n in range(1, most) if NOISY in self.second(noisy_01=TIMES * RATE * 2))


def test_after_some_seconds_on_end_and_for_a_while() -> None:
    world = World()
    assert world.seconds_until_out() == LAST_S
    assert [NOISY in world.second() for _ in range(int(FIRST_S))] == [True] * (int(FIRST_S) - 1) + [False]


def test_a_burst_or_a_little_too_much_keeps_nobody_out() -> None:
    world = World()
    for second in range(200):
        loud = TIMES * RATE * 5 if second % int(LAST_S) else 0
        assert not world.second(bursts=loud, above=RATE * (TIMES - 1), quiet=RATE)


def test_each_time_for_twice_as_long_until_it_was_quiet_for_an_hour() -> None:
    world = World()
    lengths = []
    for _ in range(9):
        world.seconds_until_out()
        lengths.append(1 + next(n for n in range(10_000) if not world.second()))
    assert lengths[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S] and lengths[-1] == lengths[-2] == 600
    world.now_s += 3_600
    world.second()
    assert world.seconds_until_out() == LAST_S
    assert 1 + next(n for n in range(10_000) if not world.second()) == FIRST_S


def test_names_that_are_invented_and_no_limit_keep_nobody_out() -> None:
    assert not any(World(0).second(noisy_01=10_000) for _ in range(20))
    world = World()
    for _ in range(20):
        world.now_s += 1
        for _number in range(2_000):
            world.quotas._refuse("")
        assert not world.penalties.kept_out()
