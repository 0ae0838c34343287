"""The bench of one noisy device, for a moment: its counts hold, whatever the clock says."""

from __future__ import annotations

from tests.bench import noisy


def test_the_noise_is_refused_and_nobody_else() -> None:
    (figure,) = noisy.measure(1.5, 1)
    detail = figure["detail"]
    assert figure["name"] == "ingest.noisy_p99" and figure["value"] > 0
    assert detail["noise_refused"] > 0
    assert detail["others_refused"] == detail["others_unacked"] == 0
    assert detail["chunks"]["quiet"] > 50 and detail["chunks"]["noisy"] > 50
