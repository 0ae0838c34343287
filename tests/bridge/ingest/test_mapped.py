"""Ingest with the real mapping: refused calls, opt-out orders, and remote settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.sessions.remote import RemoteRule
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.ingest import DEVICE, STREAM, Bench, sync


def records_chunk(seq: int, *bodies: m.Body) -> bytes:
    records = tuple(m.Record(index, seq * 10, body) for index, body in enumerate(bodies))
    return encode_uplink(m.Chunk(STREAM, seq, seq * 10, records))


@pytest.fixture
def mapped(tmp_path: Path):
    bench = Bench(tmp_path / "store.db", map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
    yield bench
    bench.close()


HELLO = m.Hello(DEVICE, 1, 1, "sim", "0.1.0", "coffee", "1.2", 0, None, "micropython")
FRAME = m.Frame(m.FrameFlag.KEY | m.FrameFlag.FIRST | m.FrameFlag.LAST, b"\0\0\0\0")
ROOM = 1 << 42  # later than any time a test orders something


def begin(bench: Bench) -> None:
    bench.feed(sync(0, 0), now_ms=ROOM)
    display = m.Display(8, 8, m.PixelFormat.MONO_VLSB, 8, 8, 0, None, 0)
    bench.feed(records_chunk(0, HELLO, display, m.SessionStart(0, True, None)), now_ms=ROOM)


def test_a_call_that_no_sink_may_see_is_a_dead_letter(mapped: Bench) -> None:
    begin(mapped)
    reserved = m.Track("[Amplitude] Session Start", {"a": 1})
    mapped.feed(records_chunk(1, m.Track("Good", {}), reserved, m.Group("", {})), now_ms=ROOM)
    assert [name for name, _ in mapped.events()] == ["Good"]
    letters = mapped.store.dead_letters()
    assert [(one.kind, one.device_id, one.stream, one.seq) for one in letters] == [
        ("call", DEVICE, STREAM, 1)
    ] * 2
    assert "Amplitude's own" in letters[0].reason and b"Session Start" in letters[0].raw
    assert mapped.store.counters()[DEVICE] == {"dead_letters": 2, "refused_calls": 2}


def order(bench: Bench, opted_out: bool) -> None:
    bench.ingest.order_opt_out(DEVICE, opted_out)
    bench.ingest.commit_queued()


def kept(bench: Bench, seq: int) -> bool:
    bench.feed(records_chunk(seq, FRAME), now_ms=ROOM)
    return seq in bench.stored()


def test_an_ordered_opt_out_holds_before_the_device_has_heard_of_it(mapped: Bench) -> None:
    begin(mapped)
    assert kept(mapped, 1)
    order(mapped, True)
    assert not kept(mapped, 2)
    mapped.feed(sync(2, 3), now_ms=ROOM)
    mapped.feed(records_chunk(3, m.OptOut(True)), now_ms=ROOM)
    before = len(mapped.channel.of(m.OptOutOrder))
    assert before >= 1
    mapped.feed(records_chunk(4, m.OptOut(False)), now_ms=ROOM)  # the app lifts it: that is the last word
    mapped.feed(sync(5, 5), now_ms=ROOM)
    assert len(mapped.channel.of(m.OptOutOrder)) == before
    assert kept(mapped, 5)


def test_an_ordered_opt_out_beats_what_the_device_said_before_it_heard_of_it(mapped: Bench) -> None:
    begin(mapped)
    order(mapped, True)
    mapped.feed(records_chunk(1, m.OptOut(False)), now_ms=ROOM)
    assert not kept(mapped, 2)
    mapped.feed(sync(3, 3), now_ms=ROOM)
    assert mapped.channel.of(m.OptOutOrder)[-1] == m.OptOutOrder(True)


def test_an_order_that_is_taken_back_is_as_if_it_had_not_been(mapped: Bench) -> None:
    begin(mapped)
    order(mapped, True)
    order(mapped, False)
    assert kept(mapped, 1)
    mapped.feed(sync(2, 2), now_ms=ROOM)
    sent = len(mapped.channel.of(m.OptOutOrder))
    mapped.feed(sync(2, 2), now_ms=ROOM)
    assert len(mapped.channel.of(m.OptOutOrder)) == sent


def test_an_order_to_opt_in_waits_for_the_device_that_opted_out(mapped: Bench) -> None:
    begin(mapped)
    mapped.feed(records_chunk(1, m.OptOut(True)), now_ms=ROOM)
    order(mapped, False)
    assert not kept(mapped, 2)
    mapped.feed(sync(3, 3), now_ms=ROOM)
    assert m.OptOutOrder(False) in mapped.channel.of(m.OptOutOrder)
    mapped.feed(records_chunk(3, m.OptOut(False)), now_ms=ROOM)
    assert kept(mapped, 4)


def test_an_ordered_opt_out_survives_a_restart(tmp_path: Path) -> None:
    settings = {"map_chunk": map_chunk, "map_sync": map_sync, "mapping": MappingSettings()}
    bench = Bench(tmp_path / "store.db", **settings)
    begin(bench)
    order(bench, True)
    bench.close()
    bench = Bench(tmp_path / "store.db", **settings)
    assert not kept(bench, 1)
    bench.feed(sync(2, 2), now_ms=ROOM)
    assert bench.channel.of(m.OptOutOrder)[-1] == m.OptOutOrder(True)
    bench.close()


def test_remote_settings_answer_a_sync(tmp_path: Path) -> None:
    rule = RemoteRule(devices=("device-?",), settings={"sample_rate": 0.5}, ttl_s=600)
    settings = {"map_chunk": map_chunk, "map_sync": map_sync, "mapping": MappingSettings(remote=(rule,))}
    bench = Bench(tmp_path / "store.db", **settings)
    for second in range(4):
        bench.feed(sync(0, 0, device_id="somebody-else"), now_ms=ROOM + second * 1_000)
    assert bench.channel.of(m.Config) == [m.Config({"sample_rate": 0.5}, 600)] * 2
    bench.ingest.set_mapping(MappingSettings())
    bench.feed(sync(0, 0), now_ms=ROOM + 9_000)
    assert bench.channel.of(m.Config)[-1] == m.Config({}, 60)
    bench.close()
