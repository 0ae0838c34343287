"""What a recording shows beside its pictures: touches, keys, logs, vitals, and what was lost or hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..wire import messages as m

GAP: Final = "gap"


@dataclass(frozen=True, slots=True)
class Mark:
    """`at_ms` counts from the session's start on the host's time line, `host_ms` since 1970.

    `kind` is one of touch, key, log, vitals, gap, masks, unknown_area, opt_out, display, session_start, session_end;
    `values` can be written as JSON.
    """

    at_ms: int
    host_ms: int
    kind: str
    values: dict[str, Any]


def describe(body: m.Body) -> tuple[str, dict[str, Any]] | None:
    """Kind and values of a record that makes a mark. None: it is a frame, a call, or unknown."""
    make = _KINDS.get(type(body))
    return None if make is None else make(body)


def gap_values(frames: int, inputs: int, calls: int, reason: int, first: int, end: int) -> dict[str, Any]:
    """What was refused, and the sequence numbers first <= seq < end that are not coming."""
    counts = {"frames": frames, "inputs": inputs, "calls": calls}
    return {**counts, "reason": m.gap_reason(reason), "first": first, "end": end}


def phase_name(phase: int) -> str:
    """Of a touch or key, in one word."""
    try:
        return m.Phase(phase).name.lower()
    except ValueError:
        return f"phase {phase}"


def _touch(b: Any) -> tuple[str, dict[str, Any]]:
    return "touch", {"x": b.x, "y": b.y, "phase": phase_name(b.phase)}


def _key(b: Any) -> tuple[str, dict[str, Any]]:
    return "key", {"name": b.name, "state": phase_name(b.phase), "amount": b.amount}


def _vitals(b: Any) -> tuple[str, dict[str, Any]]:
    return "vitals", {m.VITAL_NAMES.get(key, str(key)): value for key, value in b.values.items()}


def _display(b: Any) -> tuple[str, dict[str, Any]]:
    return "display", {
        "width": b.width,
        "height": b.height,
        "format": b.format.name,
        "rotation": b.rotation,
    }


def _area(b: Any) -> tuple[str, dict[str, Any]]:
    return "unknown_area", {"x": b.x, "y": b.y, "width": b.width, "height": b.height}


_KINDS: Final[Mapping[type, Callable[[Any], tuple[str, dict[str, Any]]]]] = {
    m.Touch: _touch,
    m.Key: _key,
    m.Log: lambda b: ("log", {"level": b.level, "text": b.text}),
    m.Vitals: _vitals,
    m.Gap: lambda b: (GAP, gap_values(b.frames, b.inputs, b.calls, b.reason, b.first, b.end)),
    m.Masks: lambda b: ("masks", {"rectangles": [list(one) for one in b.rectangles]}),
    m.UnknownArea: _area,
    m.OptOut: lambda b: ("opt_out", {"opted_out": b.opted_out}),
    m.Display: _display,
    m.SessionStart: lambda b: ("session_start", {"index": b.index, "sampled": b.sampled}),
    m.SessionEnd: lambda b: ("session_end", {"index": b.index}),
}
