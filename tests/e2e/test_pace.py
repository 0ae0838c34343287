"""A display faster than its link: pictures converge, the unflagged are exact, and every refresh is accounted for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pixeltrail_bridge import simulate
from pixeltrail_bridge.wire.messages import Vitals

from tests.support import corpus, harness

from .rig import World, recorded, rig

DEVICE = "paced-board"


PIECE_BYTES = 64  # carried at a time, as a UART's FIFO would be emptied
# The kernel holds 8 KB of a pseudo-terminal: what is left of the sequence must fill this.
OUTBOX_BYTES = 4096


class Slow:
    """A line that carries `bytes_per_s` to the host: the pair waits for it, so the rest stays with the device."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    def __call__(self, data: bytes) -> bytes:
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + len(data) / self._bytes_per_s
        time.sleep(self._free_at - now)
        return data


def vitals_of(world: World) -> dict[int, int]:
    """The last vitals that the device sent."""
    with world.bridge.store() as store:
        numbers = {}
        for chunk in harness.chunks_of(store, DEVICE):
            for record in chunk.records:
                if isinstance(record.body, Vitals):
                    numbers = dict(record.body.values)
        return numbers


@pytest.mark.parametrize(
    ("name", "bytes_per_s", "speed"),
    [
        ("lv_benchmark", 1_200, 3),
        pytest.param("lv_benchmark", 600, 3, marks=pytest.mark.slow),
        pytest.param("lv_benchmark", 1_200, 6, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(200)
def test_the_picture_converges_over_a_slow_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bytes_per_s: int, speed: float
) -> None:
    monkeypatch.setattr(simulate, "_READ_BYTES", PIECE_BYTES)
    pictures = recorded(corpus.load(name))
    with simulate.PtyPair(to_host=Slow(bytes_per_s)) as line:
        settings = {"serial": {"ports": [line.host_path]}, "mqtt": {"enabled": False}}
        with rig(tmp_path, settings) as world:
            board = world.play(
                DEVICE,
                name,
                f"serial://{line.device_path}",
                pace=True,
                speed=speed,
                vitals_interval_s=1,
                outbox_bytes=OUTBOX_BYTES,
            )
            counters = world.finish(board, timeout_s=120)
            with world.bridge.store() as store:
                replay = harness.replay_of(store, DEVICE)
                harness.judge_custody(store, DEVICE)
                harness.judge_events(store, DEVICE, counters["ticks"], world.server)
            unflagged = harness.judge_paced_frames(replay, pictures)
            judge_account(replay, pictures, unflagged, counters)
            vitals = vitals_of(world)
            assert vitals[4] > 0, f"vitals tell of no skipped refresh: {vitals}"


def judge_account(
    replay: harness.Replay, pictures: list[bytes], unflagged: list[int], counters: dict[str, int]
) -> None:
    """What the device counted is what came, and unflagged, mixed and skipped make up all that was shown."""
    mixed = sum(picture.is_mixed for picture in replay.pictures)
    assert counters["mixed"] == mixed
    assert counters["frames"] == len(replay.pictures)
    blank = len(replay.pictures) - mixed - len(unflagged)
    assert blank in (0, 1), "only what stood there before anything was drawn is neither mixed nor recorded"
    changes = len(harness.without_repeats(pictures))
    repeats = keyframes_without_news(replay)
    shown = len(replay.pictures) - blank - repeats + counters["skipped"]
    assert shown == changes, (
        f"{changes} different pictures were shown; {len(unflagged)} unflagged, {mixed} mixed and "
        f"{counters['skipped']} skipped make {shown} ({repeats} keyframes repeat what was there)"
    )
    assert counters["skipped"] + mixed > len(pictures) // 10, "the link was too fast to prove anything"


def keyframes_without_news(replay: harness.Replay) -> int:
    pairs = zip(replay.pictures, replay.pictures[1:], strict=False)
    return sum(later.is_keyframe and later.data == earlier.data for earlier, later in pairs)
