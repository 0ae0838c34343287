"""What a run came to: what devices were promised against the store, and the store against what Segment's stand-in took.

The events that must have come follow from the stored chunks alone: each call's ID is made of its place, so one call
under two IDs, an event of nothing and a call without an event all show. Their order is the order of these places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.mapping.calls import message_id
from pixeltrail_bridge.store.base import Store
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.messages import Chunk, GapReason, Identify, Screen, Track

from tests.support import harness
from tests.support.vendors import Taken, taken_of_log

from .killer import Fault

_SHOWN = 5
_CALLS = (Track, Screen, Identify)
_SUMMARY = "Display Changed"
Place = tuple[bytes, int, int]  # stream, seq, index


@dataclass
class Verdict:
    """`lost`: accepted and not stored, or stored and not delivered. `doubled`: stored twice, or under two IDs."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, list[str]]:
        names = ("lost", "doubled", "disordered", "stuck", "unexplained")
        return {name: getattr(self, name) for name in names}

    @property
    def is_good(self) -> bool:
        return not any(self.kinds.values())

    def __str__(self) -> str:
        return "; ".join(f"{len(found)} {name} {found[:_SHOWN]}" for name, found in self.kinds.items())


def judge(store: Store, account: dict[str, Any], boards: Sequence[dict[str, Any]], log: Path) -> Verdict:
    """`account` is the fleet's, `boards` what each of them printed; all workers have settled everything."""
    verdict = Verdict()
    taken = list(taken_of_log(log))
    ids = Counter(one.message_id for one in taken)
    verdict.doubled += [f"taken twice: {one}" for one, count in ids.items() if count > 1]
    calls: dict[str, dict[str, Place]] = {}
    chunks = 0
    for device in store.devices():
        stored = Counter(_places(store, device.device_id))
        chunks += len(stored)
        verdict.doubled += [
            f"stored twice: {device.device_id} {place}" for place, count in stored.items() if count > 1
        ]
        calls[device.device_id] = dict(_calls(store, device.device_id))
    _judge_custody(verdict, store, account, boards)
    _judge_events(verdict, store, calls, taken)
    _judge_order(verdict, calls, taken)
    _judge_rest(verdict, store)
    verdict.figures |= {
        "devices": account["tally"]["devices"],
        "boards": len(boards),
        "chunks_made": account["tally"]["made"],
        "chunks_acked": account["tally"]["acked"],
        "chunks_stored": chunks,
        "resends": account["tally"]["counts"].get("resends", 0),
        "duplicates_refused": sum(one.get("duplicates", 0) for one in store.counters().values()),
        "calls": sum(len(found) for found in calls.values()),
        "events_delivered": len(ids),
        "gaps": len(store.gaps()),
        "sessions": len(store.sessions()),
    }
    return verdict


def _places(store: Store, device_id: str) -> Iterator[tuple[bytes, int]]:
    for row in store.streams(device_id):
        yield from ((row.stream, chunk.seq) for chunk in store.chunks(device_id, row.stream))


def _calls(store: Store, device_id: str) -> Iterator[tuple[str, Place]]:
    for row in store.streams(device_id):
        for stored in store.chunks(device_id, row.stream):
            chunk = decode_uplink(stored.data)
            assert isinstance(chunk, Chunk)
            for record in chunk.records:
                if isinstance(record.body, _CALLS):
                    place = (row.stream, chunk.seq, record.index)
                    yield message_id(device_id, *place), place


def _judge_custody(
    verdict: Verdict, store: Store, account: dict[str, Any], boards: Sequence[dict[str, Any]]
) -> None:
    for ledger in account["streams"]:
        device, stream = ledger["device_id"], bytes.fromhex(ledger["stream"])
        seqs = {chunk.seq for chunk in store.chunks(device, stream)}
        missing = set(range(ledger["acked"])) - seqs
        if missing:
            verdict.lost.append(f"{device}: {len(missing)} chunks accepted, not stored, {min(missing)} first")
        if max(seqs, default=-1) >= ledger["made"]:
            verdict.unexplained.append(f"{device}: chunk {max(seqs)} was never made")
        if ledger["acked"] < ledger["made"]:
            verdict.stuck.append(f"{device}: {ledger['made'] - ledger['acked']} chunks were never accepted")
    for board in boards:
        (row,) = store.streams(board["device_id"])
        if sum(1 for _ in store.chunks(board["device_id"], row.stream)) < row.watermark:
            verdict.lost.append(f"{board['device_id']}: a chunk below its watermark is not stored")


def _judge_events(
    verdict: Verdict, store: Store, calls: dict[str, dict[str, Place]], taken: Sequence[Taken]
) -> None:
    """Each call came, each event of the store came, and nothing else did."""
    delivered = {one.message_id for one in taken}
    for device, expected in calls.items():
        verdict.lost += [
            f"never delivered: {device} {place}" for one, place in expected.items() if one not in delivered
        ]
    made = {event.message_id: event for event in store.events(limit=100_000_000)}
    verdict.lost += [f"an event never delivered: {one}" for one in made.keys() - delivered]
    verdict.unexplained += [f"delivered, not stored: {one}" for one in delivered - made.keys()]
    of_records = {one for expected in calls.values() for one in expected}
    for event in made.values():
        if event.type != "track" and event.message_id not in of_records:
            verdict.doubled.append(f"another message ID than its place gives: {event.message_id}")
        verdict.stuck += [
            f"{row.state} at {row.sink} after {row.attempts} attempts ({row.answer}): {event.message_id}"
            for row in event.deliveries
            if row.state != "sent"
        ]
    _judge_summaries(verdict, taken)


def _judge_summaries(verdict: Verdict, taken: Sequence[Taken]) -> None:
    """No two of a device tell of the same chunk: two projectors at one stream would show here."""
    last: dict[str, int] = {}
    summaries = [one for one in taken if one.event == _SUMMARY]
    for one in sorted(summaries, key=lambda one: one.properties["first_seq"]):
        if one.properties["first_seq"] < last.get(one.device_id, -1):
            verdict.doubled.append(f"two summaries of {one.device_id} at chunk {one.properties['first_seq']}")
        last[one.device_id] = one.properties["last_seq"]


def _judge_order(verdict: Verdict, calls: dict[str, dict[str, Place]], taken: Sequence[Taken]) -> None:
    """Calls of a stream came as it made them; the stand-in keeps the first of each."""
    newest: dict[tuple[str, bytes], Place] = {}
    for one in taken:
        place = calls.get(one.device_id, {}).get(one.message_id)
        if place is None:
            continue
        key = (one.device_id, place[0])
        if key in newest and place < newest[key]:
            verdict.disordered.append(f"{one.device_id}: {place[1:]} came after {newest[key][1:]}")
        newest[key] = place


def _judge_rest(verdict: Verdict, store: Store) -> None:
    verdict.unexplained += [
        f"dead letter of {one.device_id}: {one.kind}: {one.reason}" for one in store.dead_letters(limit=1_000)
    ]
    verdict.unexplained += [
        f"gap of reason {gap.reason}: {gap.device_id} {gap.first}-{gap.end}"
        for gap in store.gaps()
        if gap.reason != GapReason.OUTBOX_FULL
    ]


def judge_boards(verdict: Verdict, store: Any, boards: Sequence[dict[str, Any]], shown: list[bytes]) -> None:
    """The replay of each is what it showed, picture by picture."""
    for board in boards:
        try:
            harness.judge_paced_frames(harness.replay_of(store, board["device_id"]), shown)
        except AssertionError as error:
            verdict.unexplained.append(f"replay of {board['device_id']}: {error}")
