"""Ingest: any order in, one order out; what cannot be kept is named; and no ack before its commit."""

from __future__ import annotations

import itertools
from pathlib import Path

import cbor2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.sessions.state import StreamState
from pixeltrail_bridge.sources.base import host_ms
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.ingest import DEVICE, STREAM, Bench, gap_chunk, sync, track_chunk
from tests.support.stores import Place

counter = itertools.count()


@pytest.fixture
def bench(place: Place):
    bench = Bench(place)
    yield bench
    bench.close()


def test_in_order(bench: Bench) -> None:
    bench.feed(*(track_chunk(seq) for seq in range(3)))
    assert bench.stored() == [0, 1, 2]
    assert [name for name, _ in bench.events()] == ["Event 0", "Event 1", "Event 2"]
    assert bench.channel.watermark == 3
    assert (bench.committed[-1].stream, bench.committed[-1].watermark) == (STREAM, 3)
    chunk = next(bench.store.chunks(DEVICE, STREAM))
    assert (chunk.session_id, chunk.host_ms, chunk.data) == (7, 1_000_000, track_chunk(0))


def test_a_new_stream_is_acked_with_zero(bench: Bench) -> None:
    bench.feed(sync(0, 5))
    assert bench.channel.sent == [(DEVICE, m.Ack(STREAM, 0, 16, bench.store.bridge_id))]


def test_a_hole_holds_back_what_is_beyond(bench: Bench) -> None:
    bench.feed(track_chunk(0), track_chunk(2))
    assert bench.channel.watermark == 1 and bench.stored() == [0, 2]
    assert bench.store.holes(STREAM) == [(1, 2)]
    assert [chunk.session_id for chunk in bench.store.chunks(DEVICE, STREAM)] == [7, None]
    bench.feed(track_chunk(1))
    assert bench.channel.watermark == 3 and bench.store.holes(STREAM) == []
    assert [name for name, _ in bench.events()] == ["Event 0", "Event 1", "Event 2"]
    assert [chunk.session_id for chunk in bench.store.chunks(DEVICE, STREAM)] == [7, 7, 7]


def test_a_gap_record_opens_the_way(bench: Bench) -> None:
    bench.feed(track_chunk(0), gap_chunk(5, 1, 5))
    assert bench.channel.watermark == 6
    (gap,) = bench.store.gaps(DEVICE)
    assert (gap.seq, gap.first, gap.end, gap.frames, gap.reason) == (5, 1, 5, 1, m.GapReason.OUTBOX_FULL)


def test_a_gap_record_beyond_a_hole_waits_for_the_rest(bench: Bench) -> None:
    bench.feed(track_chunk(0), gap_chunk(5, 2, 5))
    assert bench.channel.watermark == 1
    bench.feed(track_chunk(1))
    assert bench.channel.watermark == 6


def test_a_chunk_that_came_before_its_gap_still_counts(bench: Bench) -> None:
    bench.feed(track_chunk(0), track_chunk(3), gap_chunk(5, 1, 5))
    assert bench.channel.watermark == 6
    assert [name for name, _ in bench.events()] == ["Event 0", "Event 3"]


def test_duplicates_are_counted_and_acked(bench: Bench) -> None:
    bench.feed(track_chunk(0), track_chunk(0))
    bench.feed(track_chunk(0), track_chunk(2), track_chunk(2))
    assert bench.store.counters()[DEVICE] == {"duplicates": 3}
    assert bench.channel.watermark == 1 and len(bench.events()) == 1


def test_an_unreadable_first_chunk_is_no_reason_for_another_stream(bench: Bench) -> None:
    """A device whose hello nobody can read would begin one stream after the other, several a second."""
    bench.feed(cbor2.dumps([1, STREAM, 0, 0, 0]), track_chunk(1))
    (row,) = bench.store.streams(DEVICE)
    assert bench.channel.watermark == 2
    assert msgspec.json.decode(row.state, type=StreamState).midway is False


def test_other_bytes_under_one_key_are_a_conflict(bench: Bench) -> None:
    bench.feed(track_chunk(0), track_chunk(0, text="other"))
    (letter,) = bench.store.dead_letters()
    assert (letter.kind, letter.seq, letter.raw) == ("conflict", 0, track_chunk(0, text="other"))
    assert bench.store.counters()[DEVICE]["conflicts"] == 1
    assert bench.channel.of(m.NewStream) == [m.NewStream(STREAM)]
    assert bench.stored() == [0] and bench.channel.watermark == 1


def test_poison_takes_its_place_and_ends(bench: Bench) -> None:
    poison = encode_uplink(m.Chunk(STREAM, 1, 10, ()))
    bench.feed(track_chunk(0), poison, track_chunk(2), poison)
    assert bench.channel.watermark == 3
    assert [name for name, _ in bench.events()] == ["Event 0", "Event 2"]
    (letter,) = bench.store.dead_letters()
    assert (letter.kind, letter.stream, letter.seq, letter.raw, letter.count) == (
        "undecodable",
        STREAM,
        1,
        poison,
        2,
    )
    assert bench.stored() == [0, 2]


def test_poison_without_a_head_is_only_a_letter(bench: Bench) -> None:
    bench.feed(b"\xff\x00nonsense", b"", track_chunk(0))
    assert [letter.kind for letter in bench.store.dead_letters()] == ["undecodable"] * 2
    assert bench.channel.watermark == 1


def test_a_bad_record_costs_itself_alone(bench: Bench) -> None:
    import cbor2

    data = cbor2.dumps([1, STREAM, 0, 5, 0, [7, "Good", {}], 0, [7, 12, {}], 0, [99], 0, [7, "Also", {}]])
    bench.feed(data)
    assert [name for name, _ in bench.events()] == ["Good", "Also"]
    (letter,) = bench.store.dead_letters()
    assert (
        letter.kind == "record" and "track event" in letter.reason and letter.raw == cbor2.dumps([7, 12, {}])
    )
    assert bench.store.counters()[DEVICE] == {"dead_letters": 1, "unknown_records": 1}


def test_unknown_kinds_of_message_are_counted(bench: Bench) -> None:
    bench.feed(bytes.fromhex("82011863"))
    assert bench.store.counters() == {DEVICE: {"unknown_messages": 1}} and bench.store.dead_letters() == []


def test_freed_before_this_store_existed(bench: Bench) -> None:
    bench.feed(track_chunk(2), track_chunk(7), sync(6, 8))
    assert bench.channel.watermark == 6
    gaps = [(gap.first, gap.end, gap.reason) for gap in bench.store.gaps(DEVICE)]
    assert gaps == [(0, 2, m.GapReason.FREED), (3, 6, m.GapReason.FREED)]
    assert [name for name, _ in bench.events()] == ["Event 2"]
    bench.feed(track_chunk(6))
    assert bench.channel.watermark == 8
    assert bench.store.counters()[DEVICE] == {"freed": 5}


def test_a_restored_store_catches_up(bench: Bench, place: Place) -> None:
    bench.feed(*(track_chunk(seq) for seq in range(3)))
    later = Bench(place.copy())  # the device freed 0 to 9 towards the store that was lost
    later.feed(sync(10, 11), track_chunk(10))
    assert later.channel.watermark == 11
    assert [(gap.first, gap.end) for gap in later.store.gaps()] == [(3, 10)]
    assert later.events()[-1] == ("Event 10", b'{"number":4,"seq":10,"text":""}')
    later.close()


def test_sync_is_answered_with_time_only_without_an_epoch(bench: Bench) -> None:
    bench.feed(sync(0, 0, epoch_ms=5))
    assert bench.channel.of(m.Time) == []
    before_ms = host_ms()
    bench.feed(sync(0, 0, epoch_ms=None), now_ms=77_000)
    (answer,) = bench.channel.of(m.Time)
    assert before_ms <= answer.epoch_ms <= host_ms(), "the time of the answer: a sync may have waited"


def test_the_topic_stands_above_the_message(bench: Bench) -> None:
    bench.feed(sync(0, 1, device_id="somebody-else"), track_chunk(0))
    (letter,) = bench.store.dead_letters()
    assert (letter.kind, letter.device_id, letter.raw) == ("mismatch", DEVICE, b"somebody-else")
    assert bench.channel.watermark == 1 and [d.device_id for d in bench.store.devices()] == [DEVICE]


def test_a_stream_has_one_device(bench: Bench) -> None:
    bench.feed(track_chunk(0))
    bench.feed(track_chunk(1), device_id="device-2")
    assert bench.stored() == [0]
    assert bench.store.dead_letters()[0].kind == "mismatch"
    assert bench.channel.sent[-1] == ("device-2", m.NewStream(STREAM))


def test_a_serial_line_needs_a_sync_first(bench: Bench) -> None:
    bench.feed(track_chunk(0), device_id=None)
    assert bench.store.counters() == {"": {"chunks_before_sync": 1}} and not bench.channel.sent
    bench.feed(sync(0, 1), track_chunk(0), device_id=None)
    assert bench.channel.watermark == 1 and bench.stored() == [0]


def test_opt_out_order_is_repeated_until_confirmed(bench: Bench) -> None:
    bench.feed(sync(0, 0))
    bench.ingest.order_opt_out(DEVICE, True)
    bench.ingest.commit_queued()
    bench.feed(sync(0, 0))
    assert bench.channel.of(m.OptOutOrder) == [m.OptOutOrder(True)] * 2


def test_nothing_is_acked_without_a_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixeltrail_bridge.errors import StoreError

    real, failures = bench.store.commit_batch, [StoreError("disk full"), StoreError("disk full")]
    seen: list[str | None] = []

    def fail_after_work(work):
        if failures:
            error = failures.pop()

            def failing(tx):
                work(tx)
                raise error

            return real(failing)
        seen.append(bench.ingest.health.error)
        assert not bench.channel.sent
        return real(work)

    monkeypatch.setattr(bench.store, "commit_batch", fail_after_work)
    bench.feed(track_chunk(0))
    assert seen == ["disk full"] and bench.ingest.health.error is None
    assert bench.channel.watermark == 1 and len(bench.events()) == 1


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    from pixeltrail_bridge.ingest import Arrival

    bench = Bench(tmp_path / "a.db", queue_bytes=100)
    arrival = Arrival(DEVICE, bytes(60), 0, bench.channel)
    assert bench.ingest.receive(arrival) and not bench.ingest.receive(arrival)
    assert bench.ingest.health.refused_messages == 1
    bench.close()


def test_a_fault_of_the_mapper_does_not_stop_the_stream(tmp_path: Path) -> None:
    def broken(*_):
        raise ZeroDivisionError

    bench = Bench(tmp_path / "a.db", map_chunk=broken)
    bench.feed(track_chunk(0))
    assert bench.channel.watermark == 1 and bench.store.dead_letters()[0].kind == "mapping"
    bench.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_equals_the_order(tmp_path: Path, data: st.DataObject) -> None:
    """Shuffled, repeated, lost and resent in any batches, the result is the one of the straight run."""
    count = data.draw(st.integers(1, 12))
    lost = data.draw(st.sets(st.integers(0, count - 1), max_size=3)) - {count - 1}
    sent = {seq: track_chunk(seq) for seq in range(count) if seq not in lost}
    closing = [gap_chunk(count + n, seq, seq + 1) for n, seq in enumerate(sorted(lost))]
    everything = [*sent.values(), *closing]
    straight, mixed = (Bench(tmp_path / f"{next(counter)}.db") for _ in range(2))
    straight.feed(*everything)
    order = data.draw(st.permutations(everything * 2))
    cuts = data.draw(st.sets(st.integers(1, len(order)), max_size=6))
    for start, end in itertools.pairwise([0, *sorted(cuts), len(order)]):
        mixed.feed(*order[start:end])
        if data.draw(st.booleans()):
            mixed.ingest._known.forget()
    assert mixed.events() == straight.events()
    assert mixed.stored() == straight.stored()
    assert mixed.channel.watermark == straight.channel.watermark == count + len(lost)
    assert mixed.store.gaps() == straight.store.gaps()
    assert list(mixed.store.session_chunks(DEVICE, 7)) == list(straight.store.session_chunks(DEVICE, 7))
    straight.close()
    mixed.close()
