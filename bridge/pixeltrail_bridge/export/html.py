"""A page that plays a recording by itself: the viewer's player, the pictures and the events, in one file.

The page loads nothing, from anywhere, and says so to the browser: its Content-Security-Policy allows the one script and
the one style that it holds, by their digests. What a device or a user wrote stands in the page as JSON without `<`, and
the player shows it as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any, BinaryIO, Final, Protocol

from ..errors import LocalError
from ..replay.marks import GAP, Mark
from .bundle import bundle
from .options import Progress
from .part import Part
from .reels import Frame, reels

MAX_PAGE_BYTES: Final = 256 << 20  # what browsers still open from a disk
IDLE_MS: Final = 5_000  # as the viewer has it
MOST_FRAMES: Final = 4_000
_ENTRY: Final = "offline.js"
Json = dict[str, Any]


class Event(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def payload(self) -> bytes: ...


def write_html(part: Part, events: Iterable[Event], file: BinaryIO, progress: Progress | None = None) -> None:
    """LocalError: there is no picture, or the page would be larger than browsers open."""
    script, style = _script(), _style()
    file.write(
        _HEAD.format(title=html.escape(part.device_id), policy=_policy(script, style), style=style).encode()
    )
    frames: list[Frame] = []
    length_ms = max(1, part.end_ms - part.start_ms)
    for reel in reels(part.pictures()):
        frames += reel.frames
        file.write(b'<script type="text/plain" class="reel" data-from="%d">' % reel.from_ms)
        file.write(base64.b64encode(reel.data) + b"</script>\n")
        if progress is not None:
            progress(min(1.0, frames[-1].at_ms / length_ms))
        _check_size(file)
    if not frames:
        raise LocalError(
            f"session {part.session_id} of {part.device_id} has no picture there; choose another part of it"
        )
    told = _told(part, frames, list(part.marks()), events)
    file.write(b'<script type="application/json" id="session">' + _safe_json(told) + b"</script>\n")
    _check_size(file)
    file.write(f"<script>{script}</script>\n</body>\n</html>\n".encode())


def _check_size(file: BinaryIO) -> None:
    if file.tell() > MAX_PAGE_BYTES:
        raise LocalError(
            f"the page would be larger than {MAX_PAGE_BYTES >> 20} MB, which browsers do not open; export a part with "
            "--from and --to, or the whole as mp4"
        )


def _told(part: Part, frames: Sequence[Frame], marks: Sequence[Mark], events: Iterable[Event]) -> Json:
    """What the player asks its source for, beside pictures."""
    shown = next(part.pictures()).display
    sent: list[Json] = [
        {
            "id": event.id,
            "at_ms": max(0, event.time_ms - part.start_ms),
            "type": event.type,
            "event": event.event,
            "payload": event.payload.decode(),
            "deliveries": [],
        }
        for event in events
    ]
    sent.sort(key=lambda event: event["at_ms"])
    session = {
        "device_id": part.device_id,
        "session_id": part.session_id,
        "start_ms": part.start_ms,
        "end_ms": part.end_ms,
        "is_open": False,
        "user_id": None,
        "frames": len(frames),
        "display": {"width": shown.width, "height": shown.height, "format": shown.format.name},
        "device": {},
    }
    return {"session": session, "timeline": _timeline(part, frames, marks, sent), "events": sent}


def _timeline(part: Part, frames: Sequence[Frame], marks: Sequence[Mark], events: Sequence[Json]) -> Json:
    keyframes = [frame.at_ms for frame in frames if frame.flags & 1]
    last_ms = max(part.end_ms - part.start_ms, frames[-1].at_ms, marks[-1].at_ms if marks else 0)
    active = [0, last_ms, *(frame.at_ms for frame in frames if frame.changed)]
    active += (mark.at_ms for mark in marks if mark.kind in ("touch", "key"))
    active += (event["at_ms"] for event in events)
    active.sort()
    thin = _thinned(frames, last_ms)
    return {
        "duration_ms": last_ms,
        "frames": thin,
        "thinned": len(thin) < len(frames),
        "keyframes": keyframes[:: -(-len(keyframes) // MOST_FRAMES)] if keyframes else [],
        "marks": [
            {"at_ms": mark.at_ms, "kind": mark.kind, "values": mark.values}
            for mark in marks
            if mark.kind not in (GAP, "vitals")
        ],
        "gaps": [_gap(mark, keyframes, last_ms) for mark in marks if mark.kind == GAP],
        "idle": [(a, b) for a, b in zip(active, active[1:], strict=False) if b - a >= IDLE_MS],
        "vitals": [{"at_ms": mark.at_ms, "values": mark.values} for mark in marks if mark.kind == "vitals"],
    }


def _gap(mark: Mark, keyframes: Sequence[int], last_ms: int) -> Json:
    """Chunks that are missing are felt until the next keyframe."""
    has_hole = mark.values["end"] > mark.values["first"]
    end_ms = next((at_ms for at_ms in keyframes if at_ms >= mark.at_ms), last_ms) if has_hole else mark.at_ms
    counts = {name: mark.values[name] for name in ("reason", "frames", "inputs", "calls")}
    return {"at_ms": mark.at_ms, "end_ms": end_ms, **counts}


def _thinned(frames: Sequence[Frame], last_ms: int) -> list[tuple[int, int, float]]:
    """At most MOST_FRAMES moments, each with the flags of all frames up to the next and their largest change."""
    if len(frames) <= MOST_FRAMES:
        return [(frame.at_ms, frame.flags, frame.changed) for frame in frames]
    found: dict[int, tuple[int, int, float]] = {}
    for frame in frames:
        place = frame.at_ms * MOST_FRAMES // (last_ms + 1)
        at_ms, flags, changed = found.get(place, (frame.at_ms, 0, 0.0))
        found[place] = (at_ms, flags | frame.flags, max(changed, frame.changed))
    return list(found.values())


def _safe_json(value: Json) -> bytes:
    """JSON that ends no element: `</script>` and `<!--` need a `<`."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").encode()


@cache
def _script() -> str:
    static = resources.files("pixeltrail_bridge") / "web" / "static"

    def read(path: str) -> str:
        place = resources.files(__package__) / path if path == _ENTRY else static / path
        return place.read_text(encoding="utf-8")

    return bundle(_ENTRY, read)


@cache
def _style() -> str:
    static = resources.files("pixeltrail_bridge") / "web" / "static"
    return "".join((static / name).read_text(encoding="utf-8") for name in ("style.css", "player.css"))


def _policy(script: str, style: str) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    return (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – Pixeltrail</title>
<style>{style}</style>
</head>
<body class="shared">
<main id="page"></main>
<noscript><p class="empty">Playing a recording needs JavaScript.</p></noscript>
"""
