"""Draws docs/images/codec.png from what `./dev bench codec --json FILE` left: python -m tests.bench.plot_codec FILE

One row for each sequence, bytes per changed frame on a logarithmic scale: ours as a bar, peers as ticks.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.support.requirements import ROOT

PATH = ROOT / "docs" / "images" / "codec.png"
LEFT, TOP, WIDTH, ROW = 190, 64, 820, 30
LEAST, MOST = 10, 30_000
PEERS = {
    "zrle": ("#d0542c", "ZRLE"),
    "best": ("#7a5ab8", "best per-record peer"),
    "zstd": ("#2a8c62", "zstd -19, whole file"),
}
OURS = "#4a7fb5"
INK, GRID, GROUND = "#222222", "#dddddd", "#ffffff"
NOT_PEERS = ("name", "frames", "ours", "chunk_heads", "zstd")


def x_of(size: float) -> float:
    return LEFT + WIDTH * math.log(max(size, LEAST) / LEAST) / math.log(MOST / LEAST)


def draw(sequences: list[dict[str, Any]]) -> Image.Image:
    height = TOP + ROW * len(sequences) + 30
    image = Image.new("RGB", (LEFT + WIDTH + 30, height), GROUND)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    bottom = TOP + ROW * len(sequences)
    for size in (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000):
        pen.line((x_of(size), TOP, x_of(size), bottom), GRID)
        pen.text((x_of(size), bottom + 6), f"{size:,}", INK, font, anchor="ma")
    _legend(pen, font)
    for number, sequence in enumerate(sequences):
        middle = TOP + ROW * number + ROW // 2
        pen.text((LEFT - 10, middle), sequence["name"], INK, font, anchor="rm")
        pen.rectangle((LEFT, middle - 7, x_of(sequence["ours"]), middle + 7), OURS)
        peers = {**sequence, "best": min(size for name, size in sequence.items() if name not in NOT_PEERS)}
        for name, (colour, _) in PEERS.items():
            pen.line((x_of(peers[name]), middle - 12, x_of(peers[name]), middle + 12), colour, 3)
    return image


def _legend(pen: ImageDraw.ImageDraw, font: Any) -> None:
    pen.text((LEFT, 14), "bytes per changed frame", INK, font)
    x = LEFT
    for colour, name in ((OURS, "S-CX"), *PEERS.values()):
        pen.rectangle((x, 38, x + 12, 50), colour)
        pen.text((x + 18, 36), name, INK, font)
        x += 40 + round(pen.textlength(name, font))


def main(argv: list[str]) -> None:
    figures = json.loads(Path(argv[0]).read_text())["figures"]
    (figure,) = (figure for figure in figures if figure["name"] == "codec.bytes_vs_zrle")
    draw(figure["detail"]["sequences"]).save(PATH, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
