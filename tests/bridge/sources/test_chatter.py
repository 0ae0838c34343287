"""What a device prints is told up to a pace, and what is not is counted. Time is turned by hand."""

from __future__ import annotations

from pixeltrail_bridge.sources.chatter import BURST, STEADY_PER_S, Chatter


def test_a_burst_passes_and_then_a_steady_pace() -> None:
    now_s = [0.0]
    chatter = Chatter(lambda: now_s[0])
    line = "x" * 900  # 1,000 with what stands beside it
    assert sum(chatter.take(line) for _ in range(1_000)) == BURST / 1_000
    for _ in range(10):
        now_s[0] += 10
        assert sum(chatter.take(line) for _ in range(1_000)) == 10 * STEADY_PER_S / 1_000
    assert chatter.left_out == 11_000 - BURST / 1_000 - 100 * STEADY_PER_S / 1_000


def test_after_silence_no_more_than_a_burst_passes() -> None:
    now_s = [0.0]
    chatter = Chatter(lambda: now_s[0])
    now_s[0] = 1e9
    assert not chatter.take("x" * (int(BURST) + 1)) and chatter.left_out == 1
