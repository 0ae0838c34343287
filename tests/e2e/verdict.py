"""What a run of the hammer comes to: custody, delivery, and whether the devices' journals explain the rest."""

from __future__ import annotations

import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pixeltrail_bridge.mapping.calls import message_id
from pixeltrail_bridge.store.base import Store
from pixeltrail_bridge.wire.messages import GapReason

from tests.support.fleet import EVENT, Journal, Made
from tests.support.vendors import taken_of_log

_SHOWN = 5
_STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
Place = tuple[str, bytes, int]  # device, stream, seq


@dataclass
class Verdict:
    """`lost`: accepted and not stored, or stored and not delivered. `doubled`: stored twice, or under two IDs."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.unexplained)

    def __str__(self) -> str:
        kinds = ("lost", "doubled", "stuck", "unexplained")
        return "; ".join(
            f"{len(getattr(self, kind))} {kind} {getattr(self, kind)[:_SHOWN]}" for kind in kinds
        )


def judge(store: Store, journal: Journal, delivered: Path) -> Verdict:
    """`delivered` is the server's log. The bridge has been stopped, the devices have ended."""
    verdict = Verdict()
    stored, twice = _stored(store, journal)
    verdict.doubled += [f"stored twice: {_name(place)}" for place in twice]
    accepted = {place for place in journal.made if place[2] < journal.acked.get(place[:2], 0)}
    verdict.lost += [f"accepted, not stored: {_name(place)}" for place in sorted(accepted - stored)]
    verdict.unexplained += [
        f"stored, never made: {_name(place)}" for place in sorted(stored - set(journal.made))
    ]
    passed = _passed(verdict, store, journal, stored & set(journal.made))
    events = _delivered(delivered)
    _judge_calls(verdict, store, [journal.made[place] for place in sorted(passed)], events)
    _judge_rows(verdict, store)
    _judge_letters_and_gaps(verdict, store, [journal.made[place] for place in passed])
    verdict.figures |= {
        "chunks_accepted": len(accepted),
        "chunks_stored": len(stored),
        "calls": sum(journal.made[place].calls for place in passed),
        "chunks_above_a_hole": len(stored) - len(passed),
        "events_delivered": len(events),
        "streams": len(journal.acked),
        "resends_by_devices": journal.resent,
        "duplicates_refused": sum(one.get("duplicates", 0) for one in store.counters().values()),
    }
    return verdict


def _stored(store: Store, journal: Journal) -> tuple[set[Place], list[Place]]:
    found = Counter(
        (device.device_id, row.stream, chunk.seq)
        for device in store.devices()
        for row in store.streams(device.device_id)
        for chunk in store.chunks(device.device_id, row.stream)
    )
    return set(found), [place for place, count in found.items() if count > 1]


def _passed(verdict: Verdict, store: Store, journal: Journal, stored: set[Place]) -> set[Place]:
    """What lies below the watermark of its stream. What lies above waits for a chunk that its device, which was
    killed, can send no more: it was never acked, and nothing is owed."""
    below: set[Place] = set()
    for device in store.devices():
        rows = store.streams(device.device_id)
        for row in rows:
            mine = {place for place in stored if place[:2] == (device.device_id, row.stream)}
            below |= {place for place in mine if place[2] < row.watermark}
            acked = journal.acked.get((device.device_id, row.stream), 0)
            if acked > row.watermark:
                verdict.lost.append(f"acked {acked}, watermark {row.watermark}: {row.stream.hex()}")
            if row is rows[-1] and any(place[2] >= row.watermark for place in mine):
                verdict.stuck.append(f"a hole in the newest stream of {device.device_id} at {row.watermark}")
    return below


def _delivered(log: Path) -> list[tuple[str, str]]:
    """Place and message ID of each event that the server took; a line that a kill cut off was never confirmed."""
    return [(one.properties["place"], one.message_id) for one in taken_of_log(log) if one.event == EVENT]


def _judge_calls(
    verdict: Verdict, store: Store, stored: Iterable[Made], events: list[tuple[str, str]]
) -> None:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for place, one in events:
        ids[place].add(one)
    verdict.doubled += [f"two message IDs: {place}" for place, found in ids.items() if len(found) > 1]
    expected = {
        f"{made.device}/{made.stream.hex()}/{made.seq}/{index}": message_id(*made.place, index)
        for made in stored
        for index in range(made.calls)
    }
    missing = [place for place in expected if place not in ids]
    known = {event.message_id: event for event in store.events(limit=100_000_000)} if missing else {}
    for place in missing:
        event = known.get(expected[place])
        fate = f"event {event.id}: {event.deliveries}" if event else "no event was made of it"
        verdict.lost.append(f"never delivered: {place}, {fate}")
    for place, found in ids.items():
        if place not in expected:
            verdict.unexplained.append(f"delivered, not stored: {place}")
        elif found != {expected[place]}:
            verdict.doubled.append(f"another message ID than its place gives: {place}")


def _judge_rows(verdict: Verdict, store: Store) -> None:
    """Nothing waits and nothing is leased."""
    for event in store.events(limit=100_000_000):
        verdict.stuck += [
            f"{row.state} at {row.sink} after {row.attempts} attempts ({row.answer}): {event.message_id}"
            for row in event.deliveries
            if row.state != "sent"
        ]


def _judge_letters_and_gaps(verdict: Verdict, store: Store, stored: list[Made]) -> None:
    strange = Counter(made.device for made in stored if made.strange)
    letters: Counter[str] = Counter()
    for letter in store.dead_letters(limit=100_000_000):
        if letter.kind == "record":
            letters[letter.device_id] += letter.count
        else:
            verdict.unexplained.append(f"dead letter of {letter.device_id}: {letter.kind}: {letter.reason}")
    verdict.unexplained += [
        f"{device}: {strange[device]} records nobody can read, {letters[device]} dead letters"
        for device in strange | letters
        if strange[device] != letters[device]
    ]
    told = Counter({made.place: made.refused for made in stored if made.refused})
    gaps = Counter[Place]()
    for gap in store.gaps():
        if gap.reason == GapReason.OUTBOX_FULL:
            gaps[gap.device_id, gap.stream, gap.seq] += gap.calls
        else:
            verdict.lost.append(f"gap of reason {gap.reason}: {gap.device_id} {gap.first}-{gap.end}")
    verdict.unexplained += [f"gap at {_name(place)}" for place in told | gaps if told[place] != gaps[place]]
    verdict.figures |= {"dead_letters": sum(letters.values()), "gaps": len(gaps)}


def _name(place: Place) -> str:
    return f"{place[0]} {place[1].hex()} {place[2]}"


def report(verdicts: dict[str, Verdict]) -> str:
    """A page of Markdown, with a part for each store."""
    first = next(iter(verdicts.values())).figures
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, CPython {platform.python_version()}"
    lines = [
        "# Kills",
        "",
        f"Written by `./dev bench ingest --kills {sum(first.get('kills', {}).values())} --seed {first.get('seed')} "
        "--report FILE`; `tests/e2e/hammer.py` says what is done, `tests/e2e/verdict.py` how it is judged.",
        "",
        f"Machine: {machine}. Chunks of 100 B to 4 KB, with 1 to 12 records.",
        "",
    ]
    for store, verdict in verdicts.items():
        lines += [f"## {_STORES.get(store, store)}", "", *_part(verdict), ""]
    return "\n".join(lines)


def _part(verdict: Verdict) -> list[str]:
    figures = verdict.figures
    kills = figures.get("kills", {})
    rows = {
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "rows that never end": len(verdict.stuck),
        "dead letters or gaps that nothing explains": len(verdict.unexplained),
        "kills": sum(kills.values()),
        **{f"... of the {role}": count for role, count in sorted(kills.items())},
        "seconds": figures.get("seconds"),
        "chunks accepted": figures["chunks_accepted"],
        "chunks stored": figures["chunks_stored"],
        "... above a hole that a killed device left": figures["chunks_above_a_hole"],
        "calls in the others, and events delivered": f"{figures['calls']:,}, {figures['events_delivered']:,}",
        "starts of devices (streams that were confirmed)": figures["streams"],
        "chunks that devices sent again": figures["resends_by_devices"],
        "chunks that the bridge had already": figures["duplicates_refused"],
        "faults in answers of the server": figures.get("faults_of_the_server"),
        "records that nobody can read, each a dead letter": figures["dead_letters"],
        "refusals of a full outbox, each a gap": figures["gaps"],
    }
    table = [
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
        for name, value in rows.items()
    ]
    times = [
        f"| {role} | {len(found)} | {median(found):.2f} | {_p95(found):.2f} | {max(found):.2f} |"
        for role, found in sorted(figures.get("recovery_s", {}).items())
    ]
    return [
        "| figure | |",
        "|---|---|",
        *table,
        "",
        "Seconds from a kill to the next progress: the next chunk that is accepted, for a server the next event. "
        "The starts of the processes are in them, and so are pauses of up to half a second before some of those.",
        "",
        "| killed | times | median | 95 % | longest |",
        "|---|---|---|---|---|",
        *times,
    ]


def _p95(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.95)]
