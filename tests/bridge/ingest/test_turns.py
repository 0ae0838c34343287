"""The queue before the committer: order within a device, fairness among them, and nothing lost between threads."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.ingest.turns import Turns
from pixeltrail_bridge.sources.base import Arrival, Presence


class Line:
    def send(self, device_id: str, data: bytes) -> bool:
        return True


LINE = Line()


def arrival(device: str | None, number: int, size: int = 4) -> Arrival:
    return Arrival(device, number.to_bytes(size), 0, LINE)


def numbers(items: list[object], device: str | None) -> list[int]:
    return [int.from_bytes(one.data) for one in items if isinstance(one, Arrival) and one.device_id == device]


@given(st.lists(st.sampled_from("abc"), max_size=200), st.integers(1, 50), st.integers(1, 60))
def test_each_devices_messages_keep_their_order_and_all_come(names: list[str], most: int, share: int) -> None:
    turns, got = Turns(), []
    for number, name in enumerate(names):
        turns.append(arrival(name, number))
    while turns:
        batch, size = turns.take(most, 1 << 20, share)
        assert 0 < len(batch) <= most and size == 4 * len(batch)
        assert max(len(numbers(batch, name)) for name in "abc") <= share
        got += batch
    assert len(got) == len(names)
    for name in "abc":
        assert numbers(got, name) == [number for number, one in enumerate(names) if one == name]


def test_one_message_waits_for_few_of_a_device_that_has_thousands() -> None:
    turns = Turns()
    for number in range(10_000):
        turns.append(arrival("noisy-01", number))
    turns.append(arrival("quiet-01", 0))
    batch, _ = turns.take(4_000, 1 << 20, 500)
    assert [one.device_id for one in batch].index("quiet-01") == 16
    assert len(batch) == 501, "and the batch is no longer for the noisy one's sake than its share"


def test_who_was_served_goes_to_the_end() -> None:
    turns = Turns()
    for number in range(100):
        turns.append(arrival("noisy-01", number))
    for name in ("quiet-01", "quiet-02"):
        turns.append(arrival(name, 0))
    seen = [one.device_id for _ in range(3) for one in turns.take(16, 1 << 20, 500)[0]]
    assert seen[:18] == ["noisy-01"] * 16 + ["quiet-01", "quiet-02"]


def test_bytes_bound_a_batch_and_presence_weighs_nothing() -> None:
    turns = Turns()
    turns.append(Presence("kitchen-01", True))
    for number in range(100):
        turns.append(arrival("kitchen-01", number, 1_000))
    batch, size = turns.take(4_000, 10_000, 500)
    assert isinstance(batch[0], Presence) and size == sum(len(one.data) for one in batch[1:])  # type: ignore[union-attr]
    assert 10_000 <= size < 10_000 + 16_000


def test_lines_without_a_name_are_told_apart() -> None:
    turns, other = Turns(), Line()
    for number in range(50):
        turns.append(arrival(None, number))
    turns.append(Arrival(None, b"x", 0, other))
    batch, _ = turns.take(17, 1 << 20, 500)
    assert [one.channel is other for one in batch].count(True) == 1  # type: ignore[union-attr]


def test_nothing_is_lost_between_threads() -> None:
    turns, done = Turns(), threading.Event()
    got: list[object] = []

    def produce(device: str) -> None:
        for number in range(5_000):
            turns.append(arrival(device, number))

    def consume() -> None:
        while not done.is_set() or turns:
            got.extend(turns.take(64, 1 << 20, 32)[0])

    makers = [threading.Thread(target=produce, args=(name,)) for name in ("a-device", "b-device")]
    taker = threading.Thread(target=consume)
    for thread in (taker, *makers):
        thread.start()
    for thread in makers:
        thread.join()
    done.set()
    taker.join()
    assert all(numbers(got, name) == list(range(5_000)) for name in ("a-device", "b-device"))
