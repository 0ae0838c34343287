"""What is signed is checked before it comes any further, and answered so that the device takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.ingest import Arrival
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink
from pixeltrail_bridge.wire.signed import DeviceKeys

from tests.support.ingest import DEVICE, STREAM, Bench, track_chunk

KEYS = {1: b"1" * 32, 2: b"2" * 32}
OTHER = "device-2"


class Way:
    """A way back that keeps what went down, as it went."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, device_id: str, data: bytes) -> bool:
        self.sent.append(data)
        return True


def sync(now_ms: int, next_seq: int = 0, stream: bytes = STREAM, device_id: str = DEVICE) -> bytes:
    return encode_uplink(m.Sync(stream, 0, next_seq, now_ms, 1, 1, None, device_id))


class World:
    """One device that has keys. `is_line`: it is on a serial line, which does not tell who is there."""

    def __init__(self, path: Path, is_required: bool = True, is_line: bool = False) -> None:
        self.known: dict[str, DeviceKeys] = {DEVICE: DeviceKeys(dict(KEYS), is_required)}
        self.is_line, self.path = is_line, path
        self.count = 0
        self.open()

    def open(self) -> None:
        self.bench = Bench(self.path, keys_of=lambda device_id: self.known.get(device_id))
        self.way = Way()

    def sign(self, message: bytes, key: int = 1, device_id: str = DEVICE) -> bytes:
        self.count += 1
        about = signed.from_device(device_id)
        return signed.sign(KEYS[key], key, self.count.to_bytes(8), about, message)

    def feed(self, *messages: bytes, device_id: str = DEVICE, way: Way | None = None) -> None:
        for data in messages:
            named = None if self.is_line else device_id
            assert self.bench.ingest.receive(Arrival(named, data, 10_000, way or self.way))
        self.bench.ingest.commit_queued()

    def answers(self, key: int = 1, number: int = 0) -> list[m.Downlink]:
        """What went down and is signed with this key in answer to the sync of this number, or else to the newest."""
        about = signed.to_device(DEVICE, (number or self.count).to_bytes(8))
        found = [signed.parse(data) for data in self.way.sent if signed.is_signed(data)]
        return [decode_downlink(one.message) for one in found if signed.is_genuine(one, KEYS[key], about)]

    @property
    def counts(self) -> dict[str, int]:
        return self.bench.store.counters(DEVICE).get(DEVICE, {})

    @property
    def reasons(self) -> list[str]:
        return [letter.reason for letter in self.bench.store.dead_letters()]


@pytest.fixture(params=[False, True], ids=["topic", "line"])
def world(request: Any, tmp_path: Path) -> Any:
    found = World(tmp_path / "store.db", is_line=request.param)
    yield found
    found.bench.close()


def acks(found: list[m.Downlink]) -> list[int]:
    return [one.next for one in found if isinstance(one, m.Ack)]


def test_what_is_signed_is_stored_as_it_was_and_answered(world: World) -> None:
    world.feed(world.sign(sync(5)))
    world.feed(world.sign(track_chunk(0)), world.sign(track_chunk(1)))
    assert [chunk.data for chunk in world.bench.store.chunks(DEVICE, STREAM)] == [
        track_chunk(0),
        track_chunk(1),
    ]
    assert acks(world.answers(number=1)) == [0, 2]
    assert "not_genuine" not in world.counts and not world.reasons


def test_a_resend_signed_anew_is_the_same_chunk(world: World) -> None:
    world.feed(world.sign(sync(5)), world.sign(track_chunk(0)), world.sign(track_chunk(0), key=2))
    assert world.bench.stored() == [0] and world.counts["duplicates"] == 1


def test_what_is_not_signed_is_refused(world: World) -> None:
    """No stream, no ack, no way back; and one letter however many came."""
    world.feed(sync(5), track_chunk(0), track_chunk(1))
    assert world.bench.store.streams(DEVICE) == [] and world.way.sent == []
    assert world.counts["not_genuine"] == (1 if world.is_line else 3)  # the line has not said who is there
    assert len(world.reasons) == 1 and "not signed" in world.reasons[0]


def test_a_device_that_signs_is_not_downgraded(world: World) -> None:
    world.feed(world.sign(sync(5)), world.sign(track_chunk(0)))
    before = list(world.way.sent)
    world.feed(track_chunk(1), sync(90, 7))
    assert world.bench.stored() == [0] and world.way.sent == before
    assert world.counts["not_genuine"] == 2


def test_on_a_line_that_has_said_nothing_a_known_stream_is_no_way_in(tmp_path: Path) -> None:
    world = World(tmp_path / "store.db", is_line=True)
    world.feed(world.sign(sync(5)), world.sign(track_chunk(0)))
    world.feed(track_chunk(1), world.sign(track_chunk(1)), way=Way())
    assert world.bench.stored() == [0]
    assert world.counts["not_genuine"] == 1
    assert world.bench.store.counters("")[""]["chunks_before_sync"] == 1
    world.bench.close()


@pytest.mark.parametrize("bit", [0, 40, 90, 163, 200, -70, -1])
def test_one_bit_is_enough(world: World, bit: int) -> None:
    world.feed(world.sign(sync(5)))
    data = bytearray(world.sign(track_chunk(0)))
    data[(bit // 8) % len(data)] ^= 1 << bit % 8
    world.feed(bytes(data))
    assert world.bench.stored() == [] and acks(world.answers(number=1)) == [0]
    assert world.counts["not_genuine"] == 1


def test_a_number_that_no_key_has_any_more(world: World) -> None:
    world.feed(world.sign(sync(5)))
    world.known[DEVICE] = DeviceKeys({2: KEYS[2]})
    world.feed(world.sign(track_chunk(0)))
    assert world.bench.stored() == [] and "no longer" in world.reasons[0]


def test_a_message_of_another_device_with_the_same_key(tmp_path: Path) -> None:
    world = World(tmp_path / "store.db")
    world.known[OTHER] = world.known[DEVICE]
    world.feed(world.sign(sync(5), device_id=OTHER))
    assert world.bench.store.streams(DEVICE) == [] and world.counts["not_genuine"] == 1
    world.bench.close()


def test_what_went_down_is_nothing_that_comes_up(world: World) -> None:
    world.feed(world.sign(sync(5)))
    world.feed(*world.way.sent)
    assert world.counts["not_genuine"] == len(world.way.sent) == 1


def test_a_signature_of_a_device_without_a_key(tmp_path: Path) -> None:
    """It cannot be checked, so it is not taken; and it leaves no row of a name that anybody can invent."""
    world = World(tmp_path / "store.db")
    world.feed(world.sign(sync(5, device_id=OTHER), device_id=OTHER), device_id=OTHER)
    assert world.bench.store.streams(OTHER) == [] and world.way.sent == []
    assert [letter.device_id for letter in world.bench.store.dead_letters()] == [""]
    assert world.bench.store.counters("")[""]["not_genuine"] == 1
    world.bench.close()


def test_others_need_not_sign(tmp_path: Path) -> None:
    world = World(tmp_path / "store.db")
    world.feed(sync(5, device_id=OTHER), device_id=OTHER)
    assert len(world.bench.store.streams(OTHER)) == 1 and not signed.is_signed(world.way.sent[0])
    world.bench.close()


def test_during_a_change_both_ways_are_open(tmp_path: Path) -> None:
    """`accepted`: it answers as it was asked."""
    world = World(tmp_path / "store.db", is_required=False)
    world.feed(sync(5), track_chunk(0))
    assert [signed.is_signed(data) for data in world.way.sent] == [False]
    world.feed(world.sign(sync(6)), world.sign(track_chunk(1)))
    assert world.bench.stored() == [0, 1] and acks(world.answers()) == []
    assert acks(world.answers(number=1)) == [2]
    world.feed(bytes(world.sign(track_chunk(2))[:-1]) + b"\0")
    assert world.bench.stored() == [0, 1], "a wrong signature is never taken"
    world.bench.close()


def test_the_key_of_the_newest_sync_answers(world: World) -> None:
    world.feed(world.sign(sync(5)))
    assert acks(world.answers(key=1)) == [0] and not world.answers(key=2)
    world.way.sent.clear()
    world.feed(world.sign(sync(6), key=2))
    assert acks(world.answers(key=2)) == [0] and not world.answers(key=1)


def test_an_old_sync_is_no_news(world: World) -> None:
    """It would say that a clock jumped, and have answers go where nobody takes them."""
    old = world.sign(sync(5))
    world.feed(old, world.sign(sync(800)))
    before, line = list(world.way.sent), world.bench.store.streams(DEVICE)[0].line
    world.feed(old, old)
    assert world.way.sent == before and world.bench.store.streams(DEVICE)[0].line == line
    assert world.counts["repeated_syncs"] == 2 and not world.reasons
    world.feed(world.sign(track_chunk(0)))
    assert acks(world.answers(number=2)) == [0, 1]


def test_two_syncs_of_one_moment_both_count(world: World) -> None:
    world.feed(world.sign(sync(5)), world.sign(sync(5)))
    assert "repeated_syncs" not in world.counts and acks(world.answers()) == [0]


def test_another_start_answers_the_sync_that_the_store_knows(world: World) -> None:
    world.feed(world.sign(sync(5)))
    world.bench.close()
    world.open()
    world.feed(track_chunk(9))  # whoever sends that, the store tells of the line that is there
    if world.is_line:
        return
    assert world.way.sent == []
    world.feed(world.sign(track_chunk(0)))
    assert acks(world.answers(number=1)) == [1]


def test_numbers_going_down_rise_also_within_a_moment(world: World) -> None:
    world.feed(world.sign(sync(5)))
    for _ in range(50):
        world.bench.ingest.send(DEVICE, m.KeyframeRequest(STREAM))
    numbers = [signed.parse(data).number for data in world.way.sent]
    assert len(numbers) == 51 and numbers == sorted(set(numbers))


def test_nothing_goes_down_unsigned_to_a_device_that_must_sign(tmp_path: Path) -> None:
    world = World(tmp_path / "store.db", is_required=False)
    world.feed(sync(5))
    world.known[DEVICE] = DeviceKeys(dict(KEYS))
    world.way.sent.clear()
    assert not world.bench.ingest.send(DEVICE, m.OptOutOrder(True))
    world.bench.ingest.order_opt_out(DEVICE, True)
    world.bench.ingest.commit_queued()
    assert world.way.sent == []
    world.feed(world.sign(sync(6)))
    assert m.OptOutOrder(True) in world.answers()
    world.bench.close()


def test_what_is_signed_and_cannot_be_read_keeps_its_place(world: World) -> None:
    """It is the device's own fault, and no stranger's."""
    world.feed(world.sign(sync(5)), world.sign(track_chunk(0)[:-1] + b"\xff"))
    (letter,) = world.bench.store.dead_letters()
    assert (letter.kind, letter.stream, letter.seq) == ("undecodable", STREAM, 0)
    assert acks(world.answers(number=1)) == [1]


def test_who_forges_gives_up_no_places(tmp_path: Path) -> None:
    """Bytes without a place take one when they come again and again; not those that anybody can send."""
    world = World(tmp_path / "store.db")
    world.feed(world.sign(sync(5)))
    for turn in range(6):
        world.feed(b"\xff\xff", b"\xd1\xff", world.sign(sync(10 + turn, 2)))
    assert world.bench.store.streams(DEVICE)[0].watermark == 0
    assert world.counts["not_genuine"] == 12
    world.bench.close()
