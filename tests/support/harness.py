"""What the laws say of a run with recorded pictures and counted events, and how a run is told when they are broken.

The device shows every picture of a sequence and numbers its `Tick` events 0, 1, 2 ...; `judge_*` compare that with
what a bridge kept and sent. Each raises AssertionError with counts and places, not with the pictures themselves.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixeltrail_bridge.replay.timeline import Moment, Timeline
from pixeltrail_bridge.store.base import EventRow
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.messages import Chunk, GapReason

from . import cddl
from .bridge_process import database_of
from .vendors import Taken, taken

TICK = "Tick"
NUMBER = "n"
_ALL = 1_000_000
_SHOWN_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that became visible, as the store gives it back."""

    moment: Moment
    data: bytes

    @property
    def is_mixed(self) -> bool:
        return self.moment.shown is not None and self.moment.shown.is_mixed

    @property
    def is_keyframe(self) -> bool:
        return self.moment.shown is not None and self.moment.shown.is_keyframe


@dataclass(frozen=True, slots=True)
class Replay:
    pictures: list[Picture]
    errors: list[str]
    """Frames that could not be painted."""


def chunks_of(store: SqlStore, device_id: str) -> Iterator[Chunk]:
    """Every chunk of a device's sessions, in order, none twice, each as schema/wire.cddl wants it."""
    seen = set()
    for session in store.sessions(device_id):
        for stored in store.session_chunks(device_id, session.session_id):
            place = (stored.stream, stored.seq)
            if place not in seen:
                seen.add(place)
                cddl.check(stored.data, "chunk")
                chunk = decode_uplink(stored.data)
                assert isinstance(chunk, Chunk), f"{stored.device_id} seq {stored.seq} is no chunk"
                yield chunk


def replay_of(store: SqlStore, device_id: str) -> Replay:
    replay = Replay([], [])
    line, stream = Timeline(), None
    for chunk in chunks_of(store, device_id):
        if chunk.stream != stream:
            line, stream = Timeline(), chunk.stream
        for moment in line.feed(chunk):
            if moment.error is not None:
                replay.errors.append(f"seq {moment.seq} record {moment.index}: {moment.error}")
            if moment.shown is not None and line.canvas is not None:
                replay.pictures.append(Picture(moment, bytes(line.canvas.picture)))
    return replay


# --- replay law ---------------------------------------------------------------------------


def without_repeats(pictures: Iterable[bytes]) -> list[bytes]:
    """A keyframe may repeat what is shown; only changes count."""
    found: list[bytes] = []
    for picture in pictures:
        if not found or found[-1] != picture:
            found.append(picture)
    return found


def judge_every_frame(replay: Replay, recorded: Iterable[bytes]) -> None:
    """Lock-step: each recorded picture was shown once, in order, exactly and unflagged, and nothing else."""
    mixed = sum(picture.is_mixed for picture in replay.pictures)
    got = without_repeats(picture.data for picture in replay.pictures)
    expected = without_repeats(recorded)
    if got and not any(got[0]) and any(expected[0]):
        got = got[1:]  # the display before anything was drawn
    assert not replay.errors, f"{len(replay.errors)} frames could not be painted: {_some(replay.errors)}"
    assert not mixed, f"{mixed} of {len(replay.pictures)} frames are flagged mixed in lock-step"
    assert got == expected, _difference(got, expected)


def judge_paced_frames(replay: Replay, recorded: Sequence[bytes]) -> list[int]:
    """At pace: each unflagged frame is a recorded picture, in order, and the last is the last one.

    Returns the index of the recorded picture that each unflagged frame shows.
    """
    assert not replay.errors, f"{len(replay.errors)} frames could not be painted: {_some(replay.errors)}"
    assert replay.pictures, "nothing was shown"
    places: list[int] = []
    at = 0
    for number, picture in enumerate(replay.pictures):
        is_undrawn = not any(picture.data) and not places and picture.data not in recorded
        if picture.is_mixed or is_undrawn:
            continue
        try:
            at = recorded.index(picture.data, at)
        except ValueError:
            where = "an earlier one" if picture.data in recorded else "no recorded picture"
            raise AssertionError(
                f"frame {number} of {len(replay.pictures)} (seq {picture.moment.seq}) is unflagged and shows {where}"
            ) from None
        places.append(at)
    assert replay.pictures[-1].data == recorded[-1], "the last frame is not the last recorded picture"
    assert not replay.pictures[-1].is_mixed, "the display rests, and its last frame is flagged mixed"
    return places


def judge_frames_around(pictures: Sequence[Picture], recorded: Sequence[bytes], gap: range) -> None:
    """Before and after a gap each recorded picture was shown exactly and in order; after it, from a keyframe on."""
    before = [picture for picture in pictures if picture.moment.seq < gap.start]
    after = [picture for picture in pictures if picture.moment.seq >= gap.stop]
    assert len(before) + len(after) == len(pictures), "a frame lies in the gap"
    assert after, "nothing was shown after the gap"
    assert after[0].is_keyframe, "the first frame after the gap is no keyframe"
    shown = without_repeats(recorded)
    got = without_repeats(picture.data for picture in before)
    if got and not any(got[0]):
        got = got[1:]
    assert got == shown[: len(got)], f"before the gap: {_difference(got, shown[: len(got)])}"
    got = without_repeats(picture.data for picture in after)
    assert got == shown[-len(got) :], f"after the gap: {_difference(got, shown[-len(got) :])}"


def judge_identity(store: SqlStore, other: SqlStore, device_id: str) -> None:
    """What both stores made of one record has one message ID, and one record has one: none is told twice."""
    ticks = [
        {row.message_id: ticks_of([row])[0] for row in s.events(device_id, limit=_ALL) if row.event == TICK}
        for s in (store, other)
    ]
    for found in ticks:
        doubled = [n for n, times in Counter(found.values()).items() if times > 1]
        assert not doubled, f"ticks have two message IDs: {_some(doubled)}"
    numbers = [{n: message_id for message_id, n in found.items()} for found in ticks]
    both = numbers[0].keys() & numbers[1].keys()
    changed = [n for n in both if numbers[0][n] != numbers[1][n]]
    assert both and not changed, f"ticks changed their message IDs: {_some(changed)}"


@contextlib.contextmanager
def opened(data: Path) -> Iterator[SqliteStore]:
    """The store of a data folder that no bridge uses."""
    store = SqliteStore(database_of(data))
    try:
        yield store
    finally:
        store.close()


def _difference(got: list[bytes], expected: list[bytes]) -> str:
    first = next(
        (n for n, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b),
        min(len(got), len(expected)),
    )
    known = Counter(expected)
    missing = sum((Counter(expected) - Counter(got)).values())
    foreign = sum(picture not in known for picture in got)
    return (
        f"{len(got)} different pictures decoded, {len(expected)} recorded; the first difference is at {first}; "
        f"{missing} recorded ones are missing, {foreign} decoded ones were never shown"
    )


# --- delivery law -------------------------------------------------------------------------


def ticks_of(events: Iterable[EventRow]) -> list[int]:
    return [json.loads(row.payload)["properties"][NUMBER] for row in events if row.event == TICK]


def judge_events(store: SqlStore, device_id: str, count: int, server: Any | None) -> None:
    """Ticks 0 .. count-1 are complete and single, at the store and at the server; every event reached the server.

    A window of display changes may close just now, so some events may be made, wait and go out meanwhile.
    """
    before = [] if server is None else _taken_of(server, device_id)
    rows = store.events(device_id, limit=_ALL)
    ids = Counter(row.message_id for row in rows)
    assert max(ids.values(), default=0) <= 1, (
        f"message IDs are used twice: {_some(i for i in ids if ids[i] > 1)}"
    )
    refused = sum(gap.calls for gap in store.gaps(device_id))
    judge_numbers("the store", ticks_of(rows), count, refused)
    if server is None:
        return
    sent = _taken_of(server, device_id)
    numbers = [event.properties[NUMBER] for event in sent if event.event == TICK]
    judge_numbers("the server", numbers, count, refused)
    at_server = {event.message_id for event in sent}
    due = [row for row in rows if all(one.state != "waiting" for one in row.deliveries)]
    never = [row for row in due if row.message_id not in at_server]
    assert not never, (
        f"{len(never)} events of the store never came: {_some(f'{r.event} {r.message_id}' for r in never)}"
    )
    foreign = {event.message_id for event in before} - set(ids)
    assert not foreign, f"{len(foreign)} events at the server are not in the store: {_some(foreign)}"
    assert not server.problems, f"the server complains: {_some(server.problems)}"


def _taken_of(server: Any, device_id: str) -> list[Taken]:
    return [event for event in taken(server) if event.device_id == device_id]


def judge_custody(store: SqlStore, device_id: str) -> None:
    """No chunk that was acked is missing: while the store is the same one, no device may have freed what it lacks."""
    freed = [(gap.first, gap.end) for gap in store.gaps(device_id) if gap.reason == GapReason.FREED]
    assert not freed, f"the device freed chunks that were never committed: seqs {_some(freed)}"
    letters = [
        f"{letter.kind}: {letter.reason}" for letter in store.dead_letters() if letter.device_id == device_id
    ]
    assert not letters, f"dead letters: {_some(letters)}"


def judge_numbers(where: str, numbers: list[int], count: int, refused: int) -> None:
    """`refused` calls are told in gap records: exactly that many may be missing."""
    counted = Counter(numbers)
    doubled = sorted(n for n in counted if counted[n] > 1)
    missing = sorted(set(range(count)) - set(counted))
    assert not doubled, f"ticks came twice at {where}: {_some(doubled)}"
    assert set(counted) <= set(range(count)), (
        f"ticks at {where} were never sent: {_some(set(counted) - set(range(count)))}"
    )
    assert len(missing) == refused, (
        f"{len(missing)} of {count} ticks are missing at {where}, gap records tell of {refused}: {_some(missing)}"
    )


def _some(items: Iterable[object]) -> str:
    listed = [str(item) for item in items]
    more = f" and {len(listed) - _SHOWN_AT_MOST} more" if len(listed) > _SHOWN_AT_MOST else ""
    return ", ".join(listed[:_SHOWN_AT_MOST]) + more
