"""What a run measured, as text, as JSON, as Markdown for a board's README, and as one HTML page with plots in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from .runner import Result

HEADS: Final = (
    *("Scenario", "Passed", "Shown", "Frames", "Mixed", "Refused", "Bytes", "Bytes a frame"),
    *("Poll mean", "Poll longest", "Refresh mean", "Heap left", "Heap grown", "Gaps", "Resent"),
)
_PALETTE: Final = {"poll": "#2f6fde", "refresh": "#d8743a", "bytes": "#3a9d6a"}
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1d2330;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:.3rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid #dde2ea}
th:first-child,td:first-child{text-align:left}
.ok{color:#207a48}.bad{color:#b3261e;font-weight:600}
figure{margin:1.5rem 0 2rem}figcaption{color:#5b6475;font-size:13px}
svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#3c4454}
.wide{overflow-x:auto}
@media(prefers-color-scheme:dark){body{background:#14181f;color:#e4e8ef}th,td{border-color:#303744}
svg text{fill:#c3cad6}figcaption{color:#98a2b3}.ok{color:#5cc98c}.bad{color:#ff8a80}}
"""


@dataclass(frozen=True, slots=True)
class Report:
    board: str
    device: str
    """The port, or `sim`."""
    link: str
    display: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def is_measured(self) -> bool:
        """Times of a process say nothing about a chip."""
        return self.device != "sim"


def facts(report: Report) -> dict[str, Any]:
    return {
        "board": report.board,
        "device": report.device,
        "link": report.link,
        "display": report.display,
        "passed": report.passed,
        "scenarios": [_facts(result) for result in report.results],
    }


def as_json(report: Report) -> str:
    return json.dumps(facts(report), indent=2) + "\n"


def _facts(result: Result) -> dict[str, Any]:
    verdict, told = result.verdict, result.figures
    stats = told.get("stats", {})
    return {
        "name": result.scenario.name,
        "about": result.scenario.about,
        "passed": result.passed,
        "problems": list(result.problems),
        "shown": result.shown,
        "frames": verdict.frames,
        "keyframes": verdict.keyframes,
        "mixed": verdict.mixed,
        "mixed_share": round(verdict.mixed / verdict.frames, 4) if verdict.frames else 0.0,
        "wrong": verdict.wrong,
        "bytes": verdict.size_bytes,
        "bytes_a_frame": round(verdict.size_bytes / verdict.frames) if verdict.frames else 0,
        "refused_frames": stats.get("refused", 0),
        "refused_calls": stats.get("refused_calls", 0),
        "skipped": stats.get("skipped", 0),
        "resent": stats.get("resent", 0),
        "errors": stats.get("errors", 0),
        "gaps": verdict.gaps,
        "streams": verdict.streams,
        "calls": verdict.calls,
        "poll": told.get("polls", {}),
        "refresh": told.get("refreshes", {}),
        "call": told.get("calls", {}),
        "heap_grown_bytes": told.get("grown", 0),
        "heap_free_before_bytes": told.get("free_before", 0),
        "heap_free_after_bytes": told.get("free_after", 0),
        "took_ms": told.get("took_ms", 0),
    }


def rows(report: Report) -> list[list[str]]:
    """Cells of the table, as HEADS names them."""
    return [_cells(one) for one in facts(report)["scenarios"]]


def _cells(one: Mapping[str, Any]) -> list[str]:
    poll, refresh = one["poll"], one["refresh"]
    return [
        one["name"],
        "yes" if one["passed"] else "NO",
        f"{one['shown']:,}",
        f"{one['frames']:,}",
        f"{100 * one['mixed_share']:.1f} %",
        f"{one['refused_frames'] + one['refused_calls']:,}",
        f"{one['bytes']:,}",
        f"{one['bytes_a_frame']:,}",
        _us(poll.get("mean_us")),
        _us(poll.get("longest_us")),
        _us(refresh.get("mean_us")),
        f"{one['heap_free_after_bytes']:,}",
        f"{one['heap_grown_bytes']:,}",
        f"{one['gaps']:,}",
        f"{one['resent']:,}",
    ]


def _us(value: int | None) -> str:
    if value is None:
        return ""
    return f"{value:,} us" if value < 10_000 else f"{value / 1000:,.1f} ms"


def origin(report: Report) -> str:
    """One sentence: what was measured, and how far that goes."""
    what = f"{report.board}, {report.display}, over {report.link}"
    if report.is_measured:
        return f"Measured on {what}, at {report.device}."
    return f"On sim, a process of this computer in place of {what}: its times are *unmeasured* for the chip."


def as_markdown(report: Report) -> str:
    lines = [origin(report), "", "| " + " | ".join(HEADS) + " |", "|---|---|" + "---:|" * (len(HEADS) - 2)]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows(report)]
    return "\n".join(lines) + "\n"


def as_html(report: Report) -> str:
    """A page that needs nothing else."""
    found = facts(report)["scenarios"]
    names = [one["name"] for one in found]
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADS)
    body = "".join(_row(one) for one in found)
    problems = "".join(
        f"<li><b>{escape(one['name'])}</b>: {escape(text)}</li>" for one in found for text in one["problems"]
    )
    longest = [_ms(one["poll"], "longest_us") for one in found]
    mean = [_ms(one["poll"], "mean_us") for one in found]
    plots = [
        figure(
            "Longest and mean step (rec.poll)",
            "Milliseconds, logarithmic. The dark part is the mean.",
            bars(names, longest, mean),
        ),
        figure(
            "Steps by their length",
            "Share of all steps; each column is twice as long as the one before it.",
            histogram({one["name"]: one["poll"].get("buckets", []) for one in found}),
        ),
        figure(
            "Bytes a frame",
            "Chunks with everything in them, divided by the frames that became visible.",
            bars(names, [one["bytes_a_frame"] for one in found], [], unit="B", color="bytes"),
        ),
    ]
    title = f"Hardware in the loop: {report.board}"
    verdict = '<p class="ok">Everything passed.</p>' if report.passed else f'<ul class="bad">{problems}</ul>'
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>\n'
        f"<h1>{escape(title)}</h1><p>{escape(origin(report)).replace('*', '')}</p>{verdict}\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'
        + "\n".join(plots)
        + "\n</html>\n"
    )


def _row(one: Mapping[str, Any]) -> str:
    name, passed, *cells = _cells(one)
    kind = "ok" if one["passed"] else "bad"
    return (
        f'<tr><td title="{escape(one["about"])}">{escape(name)}</td><td class="{kind}">{passed}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )


def _ms(times: Mapping[str, Any], name: str) -> float:
    return int(times.get(name, 0)) / 1000


def figure(title: str, caption: str, drawing: str) -> str:
    return f"<figure><h2>{escape(title)}</h2>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


_LEFT, _WIDE, _HIGH, _GAP = 120, 640, 22, 8


def bars(
    names: Sequence[str],
    values: Sequence[float],
    inner: Sequence[float],
    unit: str = "ms",
    color: str = "poll",
) -> str:
    """A bar for each name, on a logarithmic scale; `inner` lies within it."""
    import math

    low = min([value for value in (*values, *inner) if value > 0], default=1) / 2
    high = max(values, default=1) or 1

    def length(value: float) -> float:
        return _WIDE * math.log(value / low) / math.log(high / low) if value > low else 0

    parts = []
    for at, (name, value) in enumerate(zip(names, values, strict=True)):
        y = at * (_HIGH + _GAP)
        parts.append(_text(_LEFT - 8, y + 15, name, "end"))
        parts.append(_box(_LEFT, y, length(value), _HIGH, _PALETTE[color], 0.45 if inner else 0.85))
        if inner:
            parts.append(_box(_LEFT, y, length(inner[at]), _HIGH, _PALETTE[color], 1))
        told = f"{value:,.2f} {unit}" if unit == "ms" else f"{value:,.0f} {unit}"
        parts.append(_text(_LEFT + length(value) + 6, y + 15, told))
    return _svg(_LEFT + _WIDE + 110, len(names) * (_HIGH + _GAP), parts)


def histogram(buckets: Mapping[str, Sequence[int]]) -> str:
    """Rows of squares, darker where more steps were that long."""
    shown = {name: counts for name, counts in buckets.items() if sum(counts)}
    last = max((at for counts in shown.values() for at, count in enumerate(counts) if count), default=0)
    side = 34
    parts = []
    for at, (name, counts) in enumerate(shown.items()):
        y = at * (_HIGH + _GAP)
        parts.append(_text(_LEFT - 8, y + 15, name, "end"))
        total = sum(counts)
        for bucket in range(last + 1):
            share = counts[bucket] / total
            parts.append(_box(_LEFT + bucket * side, y, side - 2, _HIGH, "#8892a4", 0.12))
            if share:
                parts.append(
                    _box(_LEFT + bucket * side, y, side - 2, _HIGH, _PALETTE["poll"], 0.25 + 0.75 * share)
                )
    foot = len(shown) * (_HIGH + _GAP) + 14
    for bucket in range(0, last + 1, 2):
        us = 1 << bucket
        label = f"{us} us" if us < 1000 else f"{us / 1000:.0f} ms"
        parts.append(_text(_LEFT + bucket * side, foot, label))
    return _svg(_LEFT + (last + 2) * side, foot + 6, parts)


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">{"".join(parts)}</svg>'
    )


def _box(x: float, y: float, width: float, height: float, color: str, opacity: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height}" rx="3" fill="{color}" '
        f'fill-opacity="{opacity:.2f}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
