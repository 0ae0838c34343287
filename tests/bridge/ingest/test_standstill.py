"""A device whose chunk nobody can read goes on, and no chunk that may still come is given up for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixeltrail_bridge.ingest.standstill import ROUNDS

from tests.support.ingest import DEVICE, STREAM, Bench, sync, track_chunk
from tests.support.stores import Place

POISON = b"\xff\x00head and all"
OTHER = b"\xfe\x01the same"


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    bench = Bench(place)
    yield bench
    bench.close()


def watermark(bench: Bench) -> int:
    (stream,) = bench.store.streams(DEVICE)
    return stream.watermark


def test_its_bytes_take_the_place_and_the_device_goes_on(bench: Bench) -> None:
    chunks = [track_chunk(0), POISON, track_chunk(2), track_chunk(3)]
    bench.feed(sync(0, 0), *chunks)
    assert watermark(bench) == 1
    for _ in range(ROUNDS):
        bench.feed(sync(1, 4), *chunks[1:])
        assert watermark(bench) == 1
    bench.feed(sync(1, 4))
    assert bench.channel.watermark == watermark(bench) == 4
    assert [name for name, _ in bench.events()] == ["Event 0", "Event 2", "Event 3"]
    (letter,) = bench.store.dead_letters()
    assert (letter.stream, letter.seq, letter.raw, letter.count) == (STREAM, 1, POISON, 1 + ROUNDS)
    assert bench.store.counters()[DEVICE]["places_given_up"] == 1
    bench.feed(sync(4, 5), track_chunk(4), POISON)
    assert watermark(bench) == 5 and len(bench.store.dead_letters()) == 1


def test_a_chunk_that_was_lost_is_waited_for(bench: Bench) -> None:
    """One place is missing for two reasons: a chunk lost on the way each time, and a message that nobody can read."""
    bench.feed(sync(0, 0), track_chunk(0), POISON, track_chunk(3))
    for _ in range(3 * ROUNDS):
        bench.feed(sync(1, 4), POISON, track_chunk(3))
    assert watermark(bench) == 1
    bench.feed(track_chunk(1))
    for _ in range(ROUNDS + 1):
        bench.feed(sync(2, 4), POISON)
    assert watermark(bench) == 4


def test_several_take_their_places_in_order(bench: Bench) -> None:
    bench.feed(sync(0, 0), POISON, track_chunk(1), OTHER)
    for _ in range(ROUNDS):
        bench.feed(sync(0, 3), POISON, OTHER)
    bench.feed(sync(0, 3))
    assert watermark(bench) == 3
    letters = sorted(bench.store.dead_letters(), key=lambda letter: letter.id)
    assert [(letter.raw, letter.seq) for letter in letters] == [(POISON, 0), (OTHER, 2)]


def test_noise_costs_a_device_nothing_that_still_comes(bench: Bench) -> None:
    """The same foreign message again and again, while chunks are lost and resent."""
    for seq in range(0, 40, 2):
        bench.feed(sync(seq, seq + 2), POISON, track_chunk(seq + 1))  # the first was lost
        bench.feed(sync(seq, seq + 2), POISON, track_chunk(seq), track_chunk(seq + 1))
    assert watermark(bench) == 40 and len(bench.events()) == 40
    assert "places_given_up" not in bench.store.counters()[DEVICE]


def test_a_restart_does_not_begin_anew(place: Place) -> None:
    for number in range(ROUNDS + 2):
        bench = Bench(place)
        bench.feed(sync(0, 2), POISON, track_chunk(1))
        assert watermark(bench) == (0 if number <= ROUNDS else 2)
        bench.close()


def test_a_window_of_nothing_but_noise_passes_in_the_end(bench: Bench) -> None:
    noise = [b"\xff" + bytes([number]) for number in range(16)]
    for _ in range(ROUNDS + 1):
        bench.feed(sync(0, 20), *noise)
    bench.feed(sync(0, 20))
    assert watermark(bench) == 16
