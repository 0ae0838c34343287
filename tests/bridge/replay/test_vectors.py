"""The golden frames of S-CX, as an encoder made them: schema/vectors/frames_cx.json."""

from __future__ import annotations

import json

import pytest
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Display, Frame, PixelFormat

from tests.support.requirements import ROOT

VECTORS = json.loads((ROOT / "schema" / "vectors" / "frames_cx.json").read_text())


@pytest.mark.parametrize("use_numba", [False, True], ids=["plain", "compiled"])
def test_valid_vectors(use_numba: bool) -> None:
    for entry in VECTORS["valid"]:
        d = entry["display"]
        format = PixelFormat(d["format"])
        display = Display(
            d["width"], d["height"], format, d["strip_width"], d["strip_rows"], d["references"], None, 0
        )
        canvas = Canvas(display, use_numba)
        for step in entry["steps"]:
            shown = [canvas.apply(Frame(flags, bytes.fromhex(payload))) for flags, payload in step["parts"]]
            assert shown[-1] is not None
            assert canvas.picture.hex() == step.get("shown", step["drawn"]), d
