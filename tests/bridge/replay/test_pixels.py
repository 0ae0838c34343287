from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay import pixels
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.replay.formats import picture_bytes
from pixeltrail_bridge.wire.messages import Display, Frame, PixelFormat

from tests.support.requirements import ROOT

VECTORS = json.loads((ROOT / "schema" / "vectors" / "frames.json").read_text())
BOTH = pytest.mark.parametrize("use_numba", [False, True], ids=["plain", "compiled"])


def display_of(entry: dict[str, Any]) -> Display:
    d = entry["display"]
    format = PixelFormat(d["format"])
    return Display(d["width"], d["height"], format, d["strip_width"], d["strip_rows"], 0, None, 0)


def blank(display: Display) -> bytearray:
    return bytearray(picture_bytes(display.format, display.width, display.height))


@BOTH
def test_valid_vectors(use_numba: bool) -> None:
    for entry in VECTORS["valid"]:
        canvas = Canvas(display_of(entry), use_numba)
        for step in entry["steps"]:
            shown = [canvas.apply(Frame(flags, bytes.fromhex(payload))) for flags, payload in step["parts"]]
            assert shown[-1] is not None
            assert canvas.picture.hex() == step.get("shown", step["drawn"]), entry["display"]


@BOTH
@pytest.mark.parametrize("entry", VECTORS["invalid"], ids=lambda entry: entry["why"].replace(" ", "-"))
def test_invalid_vectors(entry: dict[str, Any], use_numba: bool) -> None:
    display = display_of(entry)
    decoder = pixels.Decoder(display, use_numba)
    with pytest.raises(FrameError, match=r"frame payload, byte \d+: "):
        decoder.paint(bytes.fromhex(entry["payload"]), blank(display))


def test_the_example_of_the_specification() -> None:
    display = Display(20, 2, PixelFormat.MONO_HLSB, 16, 1, 0, None, 0)
    picture = blank(display)
    assert pixels.Decoder(display, False).paint(bytes.fromhex("0001000182ff81f042"), picture) == [
        (0, 0, 3, 2)
    ]
    assert picture.hex() == "ff81f0" * 2


DISPLAYS = (
    Display(20, 2, PixelFormat.MONO_HLSB, 16, 1, 0, None, 0),
    Display(40, 20, PixelFormat.MONO_VLSB, 16, 8, 0, None, 0),
    Display(50, 200, PixelFormat.RGB565, 32, 1, 0, None, 0),
)
# payloads that go further than noise does
SHAPED = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\x00\x01\x00\x01", b"\x00\x00\x00\x00", b"\x00\x00\x80\x01\x07", b"\x00\x81\x00\x00"]
        ),
        st.sampled_from([b"\x3f\x00", b"\x7f\x80\x01", b"\x41", b"\x82abcdef", b"\xc0\xc1", b"\x05"]),
        st.binary(max_size=6),
    ),
    max_size=40,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(display=st.sampled_from(DISPLAYS), payload=st.one_of(st.binary(max_size=200), SHAPED))
@example(DISPLAYS[0], b"")
def test_any_bytes_paint_or_are_refused_alike(display: Display, payload: bytes) -> None:
    results = []
    for use_numba in (False, True):
        picture = blank(display)
        try:
            rectangles: Any = pixels.Decoder(display, use_numba).paint(payload, picture)
        except FrameError as error:
            rectangles = str(error)
        else:
            assert sum(width * rows for _, _, width, rows in rectangles) <= len(picture)
        assert len(picture) == len(blank(display))
        results.append((rectangles, picture))
    assert results[0] == results[1]


def test_work_is_bounded_by_the_display() -> None:
    """A few bytes may paint the whole display, but only once in a part."""
    display = Display(1024, 1024, PixelFormat.RGB565, 32, 1, 0, None, 0)
    whole = bytes.fromhex("001f00ff07") + bytes.fromhex("3fc0ff3f")
    decoder = pixels.Decoder(display)
    assert decoder.paint(whole, blank(display)) == [(0, 0, 2048, 1024)]
    with pytest.raises(FrameError, match="byte 9: the rectangles cover more than the whole display"):
        decoder.paint(whole * 400, blank(display))


@pytest.mark.parametrize(
    ("format", "strip_width", "strip_rows"),
    [
        (PixelFormat.MONO_HLSB, 12, 1),
        (PixelFormat.GS4_HMSB, 3, 1),
        (PixelFormat.GS8, 8, 8),
        (PixelFormat.MONO_VLSB, 8, 1),
    ],
)
def test_strips_that_are_no_whole_bytes(format: PixelFormat, strip_width: int, strip_rows: int) -> None:
    with pytest.raises(FrameError, match="not whole bytes"):
        pixels.Decoder(Display(32, 32, format, strip_width, strip_rows, 0, None, 0))


def test_import_is_light() -> None:
    """Nothing compiles before the first frame."""
    heavy = ("numba", "numpy", "PIL")
    script = f"import sys, pixeltrail_bridge.replay.timeline; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_checksum_is_fnv_1a() -> None:
    assert pixels.checksum(b"") == 0x811C9DC5
    assert pixels.checksum(b"foobar") == 0xBF9CF968
