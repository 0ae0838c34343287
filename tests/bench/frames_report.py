"""What `./dev bench frames` found, as Markdown and as a picture."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw, ImageFont

STEP_MS = 5.0
_LEFT, _TOP, _WIDTH, _ROW = 250, 64, 760, 30
_LEAST_MS = 20.0
_MOST_MS = 150.0  # what is longer is written beside its line
_TICKS_MS = (20, 33, 50, 67, 83, 100, 117, 133, 150)
_WITH, _WITHOUT = "#4a7fb5", "#c9c9c9"
_INK, _GRID, _GROUND = "#222222", "#dddddd", "#ffffff"
_INTRODUCTION = """\
An app on the simulated board draws 30 frames a second by its own clock, and looks at it around everything it does.
`tests/bench/frames_board/main.py` is the app, `tests/bench/frames_faults.py` what happens beside it: real brokers,
sockets, name servers, TLS, pseudo-terminals and littlefs. What strikes does so after a quarter of the frames; what
hangs from the start does so from the first frame on. Each run has a twin without the recorder, right before or after
it.
"""
_FRAMES = """\
*Interval*: from one finished picture to the next, with the recorder, and in brackets as a multiple of the twin's.
*Late*: finished more than a quarter of a period (8.3 ms) behind its time, without the recorder and with it. *Own*: the
same without the time that Linux let the app wait for a processor. *Waited*: that time, as a share of the run, without
and with. The pauses in which the app itself fills the flash or the heap are not counted, on either side.
"""
_STEPS = """\
The longest of each, in ms, as the app's clock saw it, and *own*: without what Linux let it wait for a processor
meanwhile. With TLS nearly every poll belongs to a key exchange, which `on_busy` announces; that is listed apart.
*Refresh* is `show()` with the hook. These are milliseconds of this machine: [steps.md](steps.md) counts what a
microcontroller takes. To ask a pseudo-terminal for bytes, Linux waits for a worker of its own (`flush_work` in
`n_tty_poll`), which counts as no wait of the app: with other work on the machine, polls of serial lines show it.
"""
_COUNTED = """\
*Skipped*: refreshes that were not captured, of 30 a second where `max_fps` is 15. *Refused*: frames, and calls, for
which the outbox had no room, told as gaps. *Off*: parts that the recorder turned off.
"""


def report(figures: list[dict[str, Any]], argv: list[str]) -> str:
    every = [figure["detail"] for figure in figures]
    lines = [
        "# Frame times beside every fault",
        "",
        f"Written by `{_command(argv)}`.",
        f"Runs: {every[0]['runs']}. Machine: {every[0]['machine']}.",
        "",
        *_INTRODUCTION.splitlines(),
        "",
        *_verdict(every),
        "",
        "![Intervals between frames, with the recorder and without](../images/frames.png)",
        "",
        "## Frames",
        "",
        *_FRAMES.splitlines(),
        "",
        "| scenario | frames | interval, median ms | p99 | longest | late, % | own, % | waited, % |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *map(_frames_row, every),
        "",
        "## Steps",
        "",
        *_STEPS.splitlines(),
        "",
        "| scenario | poll | own | poll of a key exchange, own | refresh | own | refresh without the recorder | call |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *map(_steps_row, every),
        "",
        "## What happened, and what the recorder counted",
        "",
        *_COUNTED.splitlines(),
        "",
        "| scenario | it happened | captured | skipped | refused | errors | line errors | sent again | off |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
        *map(_counted_row, every),
    ]
    return "\n".join(lines) + "\n"


def _command(argv: list[str]) -> str:
    """As it was given, but for where files lie."""
    files = ("--report", "--plot")
    words = ["FILE" if before in files else word for before, word in zip(["", *argv], argv, strict=False)]
    return " ".join(["./dev bench frames", *words])


def _verdict(every: list[dict[str, Any]]) -> list[str]:
    """The claim, as far as these figures carry it."""
    poll = max(every, key=lambda detail: detail["with"]["own_poll"])
    show = max(every, key=lambda detail: detail["with"]["own_show"])
    late = sum(detail["with"]["own_late"] * detail["with"]["frames"] for detail in every) / 100
    twins = sum(detail["without"]["own_late"] * detail["without"]["frames"] for detail in every) / 100
    frames = sum(detail["with"]["frames"] for detail in every)
    above = [
        detail["scenario"]
        for detail in every
        if max(detail["with"]["own_poll"], detail["with"]["own_show"]) > STEP_MS
    ]
    step = f"the {STEP_MS:g} ms of `max_step_ms`"
    kept = f"**Above {step}: {', '.join(above)}.**" if above else f"None is above {step}."
    return [
        f"The longest poll took {poll['with']['own_poll']:.2f} ms of its own ({poll['scenario']}), the longest refresh"
        f" {show['with']['own_show']:.2f} ms ({show['scenario']}).",
        f"{kept} Of {frames:,} frames with the recorder {late:.0f} were late by themselves, of as many without it"
        f" {twins:.0f}.",
    ]


def _frames_row(detail: dict[str, Any]) -> str:
    ours, twin, ratios = detail["with"], detail["without"], detail["ratios"]
    intervals = " | ".join(f"{ours[name]:.1f} ({ratios[name]:.2f})" for name in ("median", "p99", "max"))
    pairs = " | ".join(f"{twin[name]:.1f}, {ours[name]:.1f}" for name in ("late", "own_late", "waited"))
    return f"| {detail['scenario']} | {ours['frames']:,} | {intervals} | {pairs} |"


def _steps_row(detail: dict[str, Any]) -> str:
    ours, twin = detail["with"], detail["without"]
    names = ("poll", "own_poll", "key_exchange", "show", "own_show")
    numbers = " | ".join(f"{ours[name]:.2f}" if ours[name] else "" for name in names)
    return f"| {detail['scenario']} | {numbers} | {twin['show']:.2f} | {ours['call']:.2f} |"


def _counted_row(detail: dict[str, Any]) -> str:
    count, what = detail["happened"]
    found = detail["counted"]
    refused = f"{found['refused']:,}, {found['refused_calls']:,}"
    names = ("errors", "line_errors", "resent")
    numbers = " | ".join(f"{found[name]:,}" for name in names)
    head = (
        f"| {detail['scenario']} | {count:,} {what} | {found['frames']:,} | {found['skipped']:,} | {refused}"
    )
    return f"{head} | {numbers} | {', '.join(found['off'])} |"


# ---- the picture --------------------------------------------------------------------


def draw(figures: list[dict[str, Any]]) -> Image.Image:
    """A row for each scenario: from the median to the 99th percentile a bar, to the longest a line; twins below."""
    every = [figure["detail"] for figure in figures]

    def x_of(ms: float) -> float:
        return _LEFT + _WIDTH * (min(max(ms, _LEAST_MS), _MOST_MS) - _LEAST_MS) / (_MOST_MS - _LEAST_MS)

    bottom = _TOP + _ROW * len(every)
    image = Image.new("RGB", (_LEFT + _WIDTH + 60, bottom + 30), _GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for tick in _TICKS_MS:
        pen.line((x_of(tick), _TOP, x_of(tick), bottom), _GRID)
        pen.text((x_of(tick), bottom + 6), str(tick), _INK, font, anchor="ma")
    pen.text((_LEFT, 14), "ms from frame to frame: median to 99 % (bar), to the longest (line)", _INK, font)
    x = float(_LEFT)
    for colour, name in ((_WITH, "with the recorder"), (_WITHOUT, "the same app without it")):
        pen.rectangle((x, 38, x + 12, 50), colour)
        pen.text((x + 18, 36), name, _INK, font)
        x += 40 + pen.textlength(name, font)
    for number, detail in enumerate(every):
        middle = _TOP + _ROW * number + _ROW // 2
        pen.text((_LEFT - 10, middle), detail["scenario"], _INK, font, anchor="rm")
        for y, name, colour in ((middle - 6, "with", _WITH), (middle + 6, "without", _WITHOUT)):
            of = detail[name]
            pen.line((x_of(of["median"]), y, x_of(of["max"]), y), colour)
            pen.rectangle((x_of(of["median"]) - 2, y - 4, x_of(of["p99"]) + 2, y + 4), colour)
            if of["max"] > _MOST_MS:
                pen.text((_LEFT + _WIDTH + 6, y), f"{of['max']:,.0f}", _INK, font, anchor="lm")
    return image
