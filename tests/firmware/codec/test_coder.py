"""The coder and the host's painter: every picture comes back, no part is larger than its room, all ports agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.operations import Painter
from pixeltrail_bridge.replay.pixels import checksum
from pixeltrail_bridge.replay.states import STATES
from pixeltrail_bridge.wire.messages import Display, PixelFormat

from tests.firmware.codec import make_coded
from tests.firmware.codec.coder_rig import Pair
from tests.firmware.codec.coding import without_unused_bits
from tests.support import armhf, micropython

SCRIPT = Path(__file__).parent / "encode_coded.py"
VECTORS = json.loads(make_coded.PATH.read_text())


def display(shape: dict[str, int]) -> Display:
    return Display(
        shape["width"],
        shape["height"],
        PixelFormat(shape["format"]),
        shape["strip_width"],
        shape["strip_rows"],
        shape["references"],
        None,
        0,
    )


class TestVectors:
    def test_the_states_are_those_of_both_sides(self) -> None:
        states = json.loads(make_coded.STATES_PATH.read_text())
        assert states == make_coded.states()
        assert [p << 16 | zero << 8 | one for p, zero, one in states] == list(STATES)

    def test_the_coder_writes_them(self) -> None:
        assert make_coded.PATH.read_text() == make_coded.text(make_coded.vectors()), (
            "the wire changed, or a fault"
        )

    def test_the_coder_under_micropython_writes_them(self) -> None:
        assert int(micropython.run(SCRIPT, make_coded.PATH, heap="16m")) == len(VECTORS["valid"])

    def test_the_coder_on_32_bits_writes_them(self) -> None:
        assert int(armhf.run(SCRIPT, make_coded.PATH, heap="16m")) == len(VECTORS["valid"])

    @pytest.mark.parametrize("use_numba", [False, True])
    def test_the_painter_reads_them(self, use_numba: bool) -> None:
        for entry in VECTORS["valid"]:
            shape = entry["display"]
            painter = Painter(display(shape), use_numba)
            painter.reset()
            format = PixelFormat(shape["format"])
            picture = bytearray(formats.picture_bytes(format, shape["width"], shape["height"]))
            for step in entry["steps"]:
                painter.paint(bytes.fromhex(step["payload"]), picture, bytes(picture))
                assert f"{checksum(picture):08x}" == step["checksum"]

    @pytest.mark.parametrize("entry", VECTORS["invalid"], ids=lambda entry: entry["why"])
    def test_the_painter_refuses(self, entry: dict) -> None:
        painter = Painter(display(entry["display"]), use_numba=False)
        painter.reset()
        shape = entry["display"]
        picture = bytearray(
            formats.picture_bytes(PixelFormat(shape["format"]), shape["width"], shape["height"])
        )
        with pytest.raises(FrameError, match="byte"):
            painter.paint(bytes.fromhex(entry["payload"]), picture, bytes(picture))


@st.composite
def drawings(draw: st.DrawFn, size: int) -> bytes:
    kind = draw(st.sampled_from(["noise", "tiles", "smooth", "sparse"]))
    if kind == "noise":
        return draw(st.randoms(use_true_random=False)).randbytes(size)
    if kind == "tiles":
        tile = draw(st.binary(min_size=1, max_size=40))
        return (tile * (size // len(tile) + 1))[:size]
    if kind == "smooth":
        step = draw(st.integers(1, 40))
        return bytes(i * step // 16 & 255 for i in range(size))
    picture = bytearray(size)
    for at in draw(st.lists(st.integers(0, size - 1), max_size=20)):
        picture[at] = draw(st.integers(0, 255))
    return bytes(picture)


class TestRoundTrips:
    @pytest.mark.parametrize("format", PixelFormat)
    @settings(max_examples=15, deadline=None)
    @given(data=st.data())
    def test_every_picture_comes_back(self, format: PixelFormat, data: st.DataObject) -> None:
        width, height = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 40))
        pair = Pair(width, height, format, gap=data.draw(st.integers(0, 3)), strip_width=8)
        for _ in range(2):
            drawn = data.draw(drawings(pair.row_bytes * pair.rows))
            pair.draw(drawn)
            pair.send(0, pair.columns, 0, pair.rows, data.draw(st.integers(420, 1000)))
            assert pair.picture == without_unused_bits(drawn, width, height, format)

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_rectangles_anywhere(self, data: st.DataObject) -> None:
        pair = Pair(70, 30, data.draw(st.sampled_from(list(PixelFormat))))
        size = pair.row_bytes * pair.rows
        pair.draw(data.draw(drawings(size)))
        pair.send(0, pair.columns, 0, pair.rows)
        shown = bytes(pair.picture)
        pair.draw(drawn := data.draw(drawings(size)))
        column = data.draw(st.integers(0, pair.columns - 1))
        columns = data.draw(st.integers(1, pair.columns - column))
        row = data.draw(st.integers(0, pair.rows - 1))
        rows = data.draw(st.integers(1, pair.rows - row))
        pair.send(column, columns, row, rows, above=False)
        left = column * pair.painter.geometry.strip_bytes
        right = min(left + columns * pair.painter.geometry.strip_bytes, pair.row_bytes)
        expected = bytearray(shown)
        for y in range(row, row + rows):
            at = y * pair.row_bytes
            expected[at + left : at + right] = drawn[at + left : at + right]
        assert pair.picture == without_unused_bits(bytes(expected), 70, 30, pair.format)


def test_noise_is_hardly_larger_than_its_bytes() -> None:
    for format in PixelFormat:
        pair = Pair(64, 32, format)
        size = pair.row_bytes * pair.rows
        pair.draw(make_coded.random.Random(7).randbytes(size))
        total = sum(len(part) for part in pair.send(0, pair.columns, 0, pair.rows, room=60000))
        assert total <= size + 8 + 4 * pair.row_bytes


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(PixelFormat)))
def test_any_bytes_are_painted_or_refused(payload: bytes, format: PixelFormat) -> None:
    pair = Pair(40, 20, format)
    try:
        pair.painter.paint(payload, pair.picture, bytes(pair.picture))
    except FrameError as error:
        assert str(error).startswith("frame payload, byte ")


def test_a_changed_byte_is_never_a_crash() -> None:
    pair = Pair(40, 20, PixelFormat.RGB565)
    pair.draw(bytes(i * i & 255 for i in range(pair.row_bytes * pair.rows)))
    pair.open()
    pair.coder.rectangle(0, pair.columns, 0, pair.rows, False)
    payload = pair.close()
    for at in range(0, len(payload), 7):
        pair.painter.reset()
        bad = bytearray(payload)
        bad[at] ^= 0x10
        try:
            pair.painter.paint(bytes(bad), pair.picture, bytes(pair.picture))
        except FrameError:
            pass


def test_an_empty_part_is_no_bytes() -> None:
    pair = Pair(8, 8, PixelFormat.GS8)
    pair.open()
    assert pair.close() == b""


def test_a_part_without_room_takes_nothing() -> None:
    pair = Pair(40, 20, PixelFormat.GS8)
    for room in (0, 1, 50, 100, 150):
        pair.open(room)
        assert pair.coder.rectangle(0, 1, 0, 1, False) == 0
        assert pair.coder.copy(0, 1, 0, 1, 1) is (room > 91)
        assert len(pair.close()) <= room
