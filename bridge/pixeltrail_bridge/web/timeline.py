"""The timeline of a session as the player draws it, read from the index that the projector wrote.

A long session is thinned: at most MOST_FRAMES moments, each standing for the frames up to the next one, with the flags
of all of them and the largest share that one of them changed. Times are ms since the session's start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..replay import clips as index
from ..replay.recording import Recording
from ..store import clips, search
from ..store.database import SqlStore
from ..wire.messages import gap_reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Json = dict[str, Any]
MOST_FRAMES: Final = 4_000
MOST_MARKS: Final = 5_000
MOST_VITALS: Final = 1_000
MOST_KEYFRAMES: Final = 4_000
MOST_GAPS: Final = 2_000
MOST_IDLE: Final = 1_000  # stretches: the longest, which is what skipping them is for
EXACT_FRAMES: Final = (
    400_000  # beyond, frames are not looked at one by one: clips of ten seconds are fine enough
)
MOST_EVENT_TIMES: Final = 50_000
IDLE_MS: Final = 5_000
_MARKS = tuple[int, str, dict[str, Any]]
_decode_marks = msgspec.json.Decoder(list[_MARKS]).decode


def signature(store: SqlStore, device_id: str, session_id: int) -> str | None:
    """Changes whenever the timeline does; None when there is no such session."""
    found = search.find_session(store, device_id, session_id)
    if found is None:
        return None
    row = found.row
    marked = clips.newest_clip(store, device_id, session_id)
    parts = (row.start_ms, row.last_ms, row.end_ms or 0, found.frames, found.events, found.gaps, *marked)
    return "-".join(f"{part:x}" for part in parts)


def build(store: SqlStore, recording: Recording, summaries: str = "") -> Json:
    """Everything but the pictures. Reads, and decodes nothing unless the session is older than the index.

    `summaries` names events that the bridge makes of the pictures: they are no sign of life.
    """
    device_id, session_id = recording.device_id, recording.session_id
    bounds = clips.clip_bounds(store, device_id, session_id)
    keyframes = recording.keyframes()
    if not bounds and keyframes:
        frames, marks = _decoded(recording)
    else:
        frames = _frames(store, recording, bounds)
        marks = _marks(store, recording)
    at, flags, changed = frames
    duration_ms = max(
        recording.end_ms - recording.start_ms,
        int(at[-1]) if len(at) else 0,
        marks[-1]["at_ms"] if marks else 0,
    )
    shown, vitals, is_marks_thinned = _sorted_out(marks)
    return {
        "duration_ms": duration_ms,
        "frames": _thinned(at, flags, changed, duration_ms),
        "thinned": len(at) > MOST_FRAMES or sum(one.frames for one in bounds) > len(at),
        "keyframes": _every_nth(keyframes, MOST_KEYFRAMES),
        "marks": shown,
        "marks_thinned": is_marks_thinned,
        "gaps": _gaps(store, recording, keyframes, duration_ms),
        "idle": _idle(store, recording, at, changed, marks, duration_ms, summaries),
        "vitals": vitals,
    }


Frames = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _frames(store: SqlStore, recording: Recording, bounds: Sequence[clips.ClipBounds]) -> Frames:
    """When each frame was shown, its flags and changed share in 1/1000; for very long sessions, of clips."""
    import numpy as np

    if sum(one.frames for one in bounds) > EXACT_FRAMES:
        with_frames = [one for one in bounds if one.frames]
        at = np.array([one.from_ms for one in with_frames], np.int64)
        flags = np.array([bool(one.keyframes) | bool(one.mixed) << 1 for one in with_frames], np.int64)
        changed = np.array([one.changed for one in with_frames], np.int64)
        return _placed(at, recording.start_ms), flags, changed
    entry = np.dtype([("at", "<u4"), ("flags", "u1"), ("changed", "<u2")])
    images = clips.clip_images(store, recording.device_id, recording.session_id)
    found = [np.frombuffer(data, entry, len(data) // index.ENTRY.size) for _, data in images]
    starts = [np.full(len(part), from_ms, np.int64) for (from_ms, _), part in zip(images, found, strict=True)]
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, none
    every = np.concatenate(found)
    at = np.concatenate(starts) + every["at"].astype(np.int64)
    return _placed(at, recording.start_ms), every["flags"].astype(np.int64), every["changed"].astype(np.int64)


def _placed(host_ms: NDArray[np.int64], start_ms: int) -> NDArray[np.int64]:
    """Ms since the start, which never fall."""
    import numpy as np

    return np.maximum.accumulate(np.maximum(host_ms - start_ms, 0))


def _decoded(recording: Recording) -> tuple[Frames, list[Json]]:
    """The same for a session that was recorded before there was an index."""
    import numpy as np

    rows = [
        (
            one.at_ms,
            (index.KEY if one.is_keyframe else 0) | (index.MIXED if one.is_mixed else 0),
            index.changed_share(one.display, one.rectangles),
        )
        for one in recording.pictures()
    ]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    marks = [{"at_ms": m.at_ms, "kind": m.kind, "values": m.values} for m in recording.marks()]
    return (columns[:, 0], columns[:, 1], columns[:, 2]), marks


def _marks(store: SqlStore, recording: Recording) -> list[Json]:
    now_ms, found = 0, []
    has_started = False
    for from_ms, data in clips.clip_marks(store, recording.device_id, recording.session_id):
        for offset, kind, values in _decode_marks(data):
            now_ms = max(now_ms, from_ms + offset - recording.start_ms)
            if kind == "session_start" and has_started:
                continue  # a stream that continues a session repeats its start
            has_started |= kind == "session_start"
            found.append({"at_ms": now_ms, "kind": kind, "values": values})
    return found


def _sorted_out(marks: list[Json]) -> tuple[list[Json], list[Json], bool]:
    """Marks without gaps and vitals, vitals apart, and whether some are left out: the moves of fingers go first."""
    shown = [one for one in marks if one["kind"] not in ("vitals", "gap")]
    vitals = [{"at_ms": m["at_ms"], "values": m["values"]} for m in marks if m["kind"] == "vitals"]
    is_thinned = len(shown) > MOST_MARKS
    if is_thinned:
        shown = [m for m in shown if m["kind"] != "touch" or m["values"].get("phase") != "move"]
    return _every_nth(shown, MOST_MARKS), _every_nth(vitals, MOST_VITALS), is_thinned


def _thinned(
    at: NDArray[np.int64], flags: NDArray[np.int64], changed: NDArray[np.int64], duration_ms: int
) -> list[tuple[int, int, float]]:
    import numpy as np

    if len(at) > MOST_FRAMES:
        bins = at * MOST_FRAMES // (duration_ms + 1)
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        at = at[first]
        flags = np.bitwise_or.reduceat(flags, first)
        changed = np.maximum.reduceat(changed, first)
    return list(zip(at.tolist(), flags.tolist(), (changed / index.WHOLE).tolist(), strict=True))


def _every_nth(items: list[Any], most: int) -> list[Any]:
    return items[:: -(-len(items) // most)] if len(items) > most else items


def _gaps(store: SqlStore, recording: Recording, keyframes: Sequence[int], duration_ms: int) -> list[Json]:
    """A gap ends with the next keyframe; one that only refused input or calls ends where it is told."""
    found = []
    for gap in store.gaps(recording.device_id, recording.session_id)[:MOST_GAPS]:
        at_ms = max(0, gap.host_ms - recording.start_ms)
        end_ms = next((key for key in keyframes if key >= at_ms), duration_ms)
        found.append(
            {
                "at_ms": at_ms,
                "end_ms": max(at_ms, end_ms) if gap.end > gap.first else at_ms,
                "reason": gap_reason(gap.reason),
                "frames": gap.frames,
                "inputs": gap.inputs,
                "calls": gap.calls,
            }
        )
    return sorted(found, key=lambda one: one["at_ms"])


def _idle(
    store: SqlStore,
    recording: Recording,
    at: NDArray[np.int64],
    changed: NDArray[np.int64],
    marks: Iterable[Json],
    duration_ms: int,
    summaries: str,
) -> list[tuple[int, int]]:
    """Stretches in which nothing changed and nobody did anything."""
    import numpy as np

    touched = [one["at_ms"] for one in marks if one["kind"] in ("touch", "key")]
    events = search.event_times(store, recording.device_id, recording.session_id, MOST_EVENT_TIMES, summaries)
    called = [min(duration_ms, max(0, time_ms - recording.start_ms)) for time_ms in events]
    active = np.concatenate([[0], at[changed > 0], touched, called, [duration_ms]]).astype(np.int64)
    active.sort()
    lengths = np.diff(active)
    places = np.flatnonzero(lengths >= IDLE_MS)
    places = np.sort(places[np.argsort(-lengths[places], kind="stable")[:MOST_IDLE]])
    return list(zip(active[places].tolist(), active[places + 1].tolist(), strict=True))
