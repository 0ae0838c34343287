"""The figures of a soak over its time, one strip for each: they should be flat."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

LEFT, TOP, WIDTH, HEIGHT, SPACE = 170, 20, 760, 70, 26
LINE, INK, GRID, GROUND = "#4a7fb5", "#222222", "#dddddd", "#ffffff"
STRIPS = (
    ("memory_mb", "Memory of the bridge, MB"),
    ("rate", "Messages a second"),
    ("queue", "Messages in the queue"),
    ("lag_chunks", "Chunks replay is behind"),
    ("waiting", "Events that wait"),
    ("online", "Devices online"),
)


def draw(samples: Sequence[dict[str, float]]) -> Image.Image:
    rows = [dict(one) for one in samples]
    for before, now in zip(rows, rows[1:], strict=False):
        now["rate"] = (now["messages"] - before["messages"]) / max(now["s"] - before["s"], 0.001)
    rows = rows[1:]
    image = Image.new("RGB", (LEFT + WIDTH + 70, TOP + len(STRIPS) * (HEIGHT + SPACE) + 20), GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    end_s = rows[-1]["s"]
    for number, (name, title) in enumerate(STRIPS):
        top = TOP + number * (HEIGHT + SPACE)
        most = max(max(one[name] for one in rows), 1.0)
        pen.text((LEFT - 10, top + HEIGHT // 2), title, INK, font, anchor="rm")
        for share in (0.0, 0.5, 1.0):
            y = top + HEIGHT * (1 - share)
            pen.line((LEFT, y, LEFT + WIDTH, y), GRID)
        pen.text((LEFT + WIDTH + 8, top), f"{most:,.0f}", INK, font, anchor="lm")
        points = [(LEFT + WIDTH * one["s"] / end_s, top + HEIGHT * (1 - one[name] / most)) for one in rows]
        pen.line(points, LINE, 2)
    bottom = TOP + len(STRIPS) * (HEIGHT + SPACE) - SPACE + 6
    for share in (0.0, 0.5, 1.0):
        pen.text((LEFT + WIDTH * share, bottom), f"{end_s * share / 60:.0f} min", INK, font, anchor="ma")
    return image
