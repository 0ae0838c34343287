"""What one device may send: buckets that fill, and what finds them empty."""

from __future__ import annotations

import pytest
from pixeltrail_bridge.ingest import quotas as module
from pixeltrail_bridge.ingest.hoard import Hoard
from pixeltrail_bridge.ingest.quotas import Quotas, QuotaSettings


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def made(**values: float) -> tuple[Quotas, Clock]:
    clock = Clock()
    return Quotas(QuotaSettings(**values), clock), clock


def taken(quotas: Quotas, count: int, device: str = "kitchen-01", size: int = 10) -> int:
    return sum(quotas.take(device, size) for _ in range(count))


def test_a_burst_comes_in_then_the_steady_pace() -> None:
    quotas, clock = made(messages_per_s=10, burst_s=2)
    assert taken(quotas, 100) == 20
    clock.now_s += 0.5
    assert taken(quotas, 100) == 5
    clock.now_s += 3_600
    assert taken(quotas, 100) == 20, "what is not used is not saved up"


def test_bytes_count_as_well() -> None:
    quotas, clock = made(bytes_per_s=1_000, burst_s=1)
    assert taken(quotas, 10, size=400) == 2
    clock.now_s += 0.5
    assert taken(quotas, 10, size=400) == 1
    assert taken(quotas, 1, size=300) == 1


def test_one_device_costs_no_other_anything() -> None:
    quotas, _ = made(messages_per_s=10, burst_s=1)
    taken(quotas, 1_000, "noisy-01")
    assert taken(quotas, 10, "quiet-01") == 10
    assert quotas.refused() == {"noisy-01": 990}


def test_starts_have_a_bucket_of_their_own() -> None:
    quotas, clock = made(streams_per_h=6)
    assert [quotas.take_stream("kitchen-01") for _ in range(8)] == [True] * 6 + [False] * 2
    clock.now_s += 600
    assert [quotas.take_stream("kitchen-01") for _ in range(2)] == [True, False]


def test_whoever_invents_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_NEW", 50.0)
    quotas, clock = made(messages_per_s=10, burst_s=1)
    assert taken(quotas, 1, "known-01") == 1
    assert sum(quotas.take(f"made-up-{number}", 10) for number in range(1_000)) == 49
    assert taken(quotas, 5, "known-01") == 5, "those that are known are not touched by it"
    assert quotas.refused()[""] == 951
    clock.now_s += 0.125
    assert sum(quotas.take(f"more-{number}", 10) for number in range(100)) == 12


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DEVICES", 10)
    quotas, _ = made(messages_per_s=1, burst_s=1)
    for number in range(100):
        taken(quotas, 3, f"device-{number}")
    assert len(quotas._buckets) == 10 and len(quotas.refused()) <= 11


def test_each_refusal_is_told_once_to_whoever_writes_it_down() -> None:
    quotas, clock = made(messages_per_s=1, burst_s=1)
    taken(quotas, 3)
    assert quotas.untold() == {"kitchen-01": 2} and quotas.untold() == {}
    assert quotas.over() == {"kitchen-01": 2}
    clock.now_s += module.RECENT_S
    assert quotas.over() == {} and quotas.refused() == {"kitchen-01": 2}


def test_without_settings_there_is_no_limit() -> None:
    quotas, _ = made()
    assert taken(quotas, 10_000, size=1 << 30) == 10_000


class HalfFullStore:
    """As much of a store as Hoard asks."""

    def __init__(self, folder: object, kept: dict[str, int]) -> None:
        self.folder, self.kept = folder, kept

    def kept_bytes(self) -> dict[str, int]:
        return self.kept


@pytest.mark.parametrize(
    ("free", "kept", "full"),
    [
        (399, {"noisy-01": 60, "quiet-01": 40}, {"noisy-01"}),
        (401, {"noisy-01": 60, "quiet-01": 40}, set()),
        (399, {"noisy-01": 50, "quiet-01": 50}, set()),
        (399, {"noisy-01": 60}, set()),
    ],
)
def test_who_holds_most_of_a_disk_that_is_nearly_full_adds_nothing(
    free: int, kept: dict[str, int], full: set[str], tmp_path
) -> None:
    quotas, _ = made()
    hoard = Hoard(HalfFullStore(tmp_path, kept), quotas, 0.5, 100, lambda folder: free)  # type: ignore[arg-type]
    hoard.look()
    assert set(quotas.full) == full
    assert taken(quotas, 1, "noisy-01") == (not full)
    assert taken(quotas, 1, "quiet-01") == 1
    Hoard(HalfFullStore(tmp_path, kept), quotas, 0.5, 100, lambda folder: 10_000).look()  # type: ignore[arg-type]
    assert taken(quotas, 1, "noisy-01") == 1, "with room again it may go on"
