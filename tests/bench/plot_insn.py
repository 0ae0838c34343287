"""Draws docs/images/instructions.png from the JSON of `./dev bench insn`: python -m tests.bench.plot_insn FILE

One row for each sequence, instructions per coded pixel: coding as a bar, with the search for moves a tick. The line is
the target of each kind.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.support.requirements import ROOT

PATH = ROOT / "docs" / "images" / "instructions.png"
LEFT, TOP, WIDTH, ROW = 150, 64, 700, 30
MOST = 500
TARGETS = {"insn.coded_pixel": 90, "insn.coded_pixel_mono": 165}
BAR, TICK, TARGET = "#4a7fb5", "#d0542c", "#2a8c62"
INK, GRID, GROUND = "#222222", "#dddddd", "#ffffff"


def x_of(value: float) -> float:
    return LEFT + WIDTH * min(value, MOST) / MOST


def draw(figures: list[dict[str, Any]]) -> Image.Image:
    rows = sum(len(figure["detail"]["sequences"]) for figure in figures)
    bottom = TOP + ROW * rows
    image = Image.new("RGB", (LEFT + WIDTH + 60, bottom + 30), GROUND)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    for value in range(0, MOST + 1, 100):
        pen.line((x_of(value), TOP, x_of(value), bottom), GRID)
        pen.text((x_of(value), bottom + 6), str(value), INK, font, anchor="ma")
    _legend(pen, font)
    top = TOP
    for figure in figures:
        top = _kind(pen, font, figure, top)
    return image


def _kind(pen: ImageDraw.ImageDraw, font: Any, figure: dict[str, Any], top: int) -> int:
    searched = figure["detail"]["sequences_with_search_for_moves"]
    begun = top
    for name, value in figure["detail"]["sequences"].items():
        middle = top + ROW // 2
        pen.text((LEFT - 10, middle), name, INK, font, anchor="rm")
        pen.rectangle((LEFT, middle - 7, x_of(value), middle + 7), BAR)
        end = x_of(searched[name])
        pen.line((end, middle - 12, end, middle + 12), TICK, 3)
        if searched[name] > MOST:
            pen.text((end + 6, middle), f"{searched[name]:.0f}", TICK, font, anchor="lm")
        top += ROW
    at = x_of(TARGETS[figure["name"]])
    pen.line((at, begun + 3, at, top - 3), TARGET, 2)
    return top


def _legend(pen: ImageDraw.ImageDraw, font: Any) -> None:
    pen.text((LEFT, 14), "instructions per coded pixel, 32-bit Arm", INK, font)
    x = LEFT
    for colour, name in (
        (BAR, "coding"),
        (TICK, "with the search for moves"),
        (TARGET, "target of the mean"),
    ):
        pen.rectangle((x, 38, x + 12, 50), colour)
        pen.text((x + 18, 36), name, INK, font)
        x += 40 + round(pen.textlength(name, font))


def main(argv: list[str]) -> None:
    figures = json.loads(Path(argv[0]).read_text())["figures"]
    draw([figure for figure in figures if figure["name"] in TARGETS]).save(PATH, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
