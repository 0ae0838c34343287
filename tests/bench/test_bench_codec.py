"""The peers decode what they code, for any picture; the figures have the names and the arithmetic they should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench import bench_codec
from tests.bench.peers import boxes, tiles

SHAPE = (70, 83)


def pictures(bits: int) -> list[NDArray[np.uint16]]:
    """Blank, one pixel, text-like, few colours, noise."""
    seed = np.random.default_rng(bits)
    top = 1 << bits
    blank = np.zeros(SHAPE, np.uint16)
    dot = blank.copy()
    dot[40, 50] = top - 1
    text = blank.copy()
    text[::3, ::2] = top - 1
    text[20:30] = 1
    few = seed.integers(0, min(top, 5), SHAPE).astype(np.uint16).repeat(2, axis=1)[:, : SHAPE[1]]
    noise = seed.integers(0, top, SHAPE).astype(np.uint16)
    return [blank, dot, text, few, noise, dot]


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
@pytest.mark.parametrize("peer", [tiles.Hextile, tiles.Trle, tiles.Zrle], ids=lambda peer: peer.__name__)
def test_tile_peers_decode_what_they_code(peer: type, bits: int) -> None:
    coder = peer(bits, SHAPE)  # compares inside
    sequence = pictures(bits)
    sizes = [coder.code(before, after) for before, after in zip(sequence, sequence[1:], strict=False)]
    raw = SHAPE[0] * SHAPE[1] * (2 if bits == 16 else 1)
    assert all(0 < size < raw * 1.1 + 500 for size in sizes)
    assert sizes[0] < 100


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_png(bits: int) -> None:
    coder = boxes.Png(bits)
    sequence = pictures(bits)
    assert coder.code(sequence[0], sequence[1]) < 120
    assert all(coder.code(before, after) > 8 for before, after in zip(sequence, sequence[1:], strict=False))


@pytest.mark.parametrize(
    "peer", [boxes.Zlib9Xor, boxes.Lz4, boxes.Heatshrink], ids=lambda peer: peer.__name__
)
def test_byte_peers(peer: type) -> None:
    sequence = [picture.astype(np.uint8) for picture in pictures(8)]
    assert all(peer().code(before, after) > 8 for before, after in zip(sequence, sequence[1:], strict=False))


def test_rectangles_cover_what_changed() -> None:
    before = np.zeros(SHAPE, np.uint16)
    after = before.copy()
    after[0, 0] = after[69, 82] = after[17:50, 20:60] = 1
    covered = np.zeros(SHAPE, bool)
    for x, y, width, height in tiles.rectangles(before, after):
        assert not covered[y : y + height, x : x + width].any()
        covered[y : y + height, x : x + width] = True
    assert covered[before != after].all()


def test_figures() -> None:
    results = [
        bench_codec.Result("a", 2, ours=10, chunk_heads=3, zstd=11, peers={"zrle": 20, "png": 40}),
        bench_codec.Result("b", 2, ours=80, chunk_heads=3, zstd=11, peers={"zrle": 40, "png": 20}),
    ]
    values = {figure["name"]: figure["value"] for figure in bench_codec.figures(results)}
    assert values == {
        "codec.bytes_vs_zrle": pytest.approx(1.0),
        "codec.bytes_vs_best_peer": pytest.approx(2**0.5),
        "codec.below_zstd_share": 0.5,
    }
