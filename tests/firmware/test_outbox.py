"""The ring against a plain list."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pixeltrail.outbox import CALLS, CONTROL, FRAMES, Outbox


def seqs(dropped: tuple[array[int], int]) -> list[int]:
    runs, count = dropped
    assert all(tag == 3 for tag in runs[:count:3])
    return [seq for i in range(0, count, 3) for seq in range(runs[i + 1], runs[i + 2])]


def put(outbox, level, seq, data, is_replay):
    """A chunk, of which the caller knows that there is room."""
    assert outbox.reserve(level, len(data)) >= len(data)
    write(outbox, seq, data, is_replay)


def write(outbox, seq, data, is_replay):
    start = outbox.start_of_next()
    outbox.buffer[start : start + len(data)] = data
    outbox.commit(seq, len(data), 3 | 256 if is_replay else 3)


class RingMachine(RuleBasedStateMachine):
    """A list of (seq, data, is_replay) is the truth; `sent` of them are before the cursor."""

    def __init__(self):
        super().__init__()
        self.outbox = Outbox(1400)
        self.kept: list[tuple[int, bytes, bool]] = []
        self.sent = 0
        self.seq = 0

    @rule(
        size=st.integers(1, 520),
        level=st.sampled_from((FRAMES, CALLS, CONTROL)),
        is_replay=st.booleans(),
        frees=st.integers(0, 2),
    )
    def append(self, size, level, is_replay, frees):
        room = self.outbox.reserve(level, 512)
        assert room >= min(512, self.outbox.room(level))
        if size > room:
            return
        data = bytes((self.seq + i) & 0xFF for i in range(size))
        start = self.outbox.start_of_next()
        self.outbox.buffer[start : start + size] = data
        for _ in range(min(frees, len(self.kept))):  # between opening and closing a chunk, acks may come
            self.free()
        self.outbox.room(FRAMES)
        assert self.outbox.start_of_next() == start, "the open chunk was moved"
        self.outbox.commit(self.seq, size, 3 | 256 if is_replay else 3)
        self.kept.append((self.seq, data, is_replay))
        self.seq += 1

    @precondition(lambda self: self.kept)
    @rule()
    def free(self):
        self.outbox.free()
        self.kept.pop(0)
        self.sent = max(0, self.sent - 1)

    @precondition(lambda self: self.sent < len(self.kept))
    @rule()
    def send(self):
        at = self.outbox.next_to_send()
        assert self.slot(at) == self.kept[self.sent]
        self.outbox.mark_sent(at, self.outbox.length(at))
        self.sent += 1

    @rule()
    def go_back(self):
        self.outbox.go_back()
        self.sent = 0

    @rule()
    def purge(self):
        dropped = seqs(self.outbox.purge())
        assert not self.outbox.is_purging()
        assert dropped == [seq for seq, _, is_replay in self.kept if is_replay]
        self.sent = sum(not is_replay for _, _, is_replay in self.kept[: self.sent])
        self.kept = [slot for slot in self.kept if not slot[2]]

    def slot(self, at):
        outbox = self.outbox
        start = outbox.start(at)
        data = bytes(outbox.buffer[start : start + outbox.length(at)])
        return outbox.seq(at), data, bool(outbox.buffer[at + 7])

    @invariant()
    def agrees(self):
        outbox = self.outbox
        assert (outbox.count, outbox.sent) == (len(self.kept), self.sent)
        assert outbox.unsent == sum(len(data) for _, data, _ in self.kept[self.sent :])
        assert outbox.used <= outbox.size
        if self.kept:
            assert self.slot(outbox.oldest()) == self.kept[0]
            assert outbox.tag(outbox.oldest()) == 3
        else:
            assert outbox.oldest() == -1 and outbox.used == 0
        if self.sent == len(self.kept):
            assert outbox.next_to_send() == -1


TestRing = RingMachine.TestCase
TestRing.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_every_level_leaves_room_for_the_next():
    outbox = Outbox(4096)
    assert outbox.room(FRAMES) == 4096 * 3 // 4 - 8
    assert outbox.room(CALLS) == 4096 - 256 - 8
    assert outbox.room(CONTROL) == 4096 - 8
    seq = 0
    while outbox.room(FRAMES) >= 100:
        put(outbox, FRAMES, seq, bytes(100), True)
        seq += 1
    assert outbox.used <= 3072
    while outbox.room(CALLS) >= 100:
        put(outbox, CALLS, seq, bytes(100), False)
        seq += 1
    for _ in range(3):
        assert outbox.room(CONTROL) >= 70
        put(outbox, CONTROL, seq, bytes(70), False)
        seq += 1


def test_nothing_admitted_is_evicted():
    outbox = Outbox(1024)
    while outbox.room(CONTROL) > 50:
        put(outbox, CONTROL, outbox.count, bytes(50), True)
    assert outbox.seq(outbox.oldest()) == 0
    assert outbox.room(CONTROL) < 50


@pytest.mark.parametrize("goes_back", [False, True])
def test_a_purge_of_a_large_outbox_takes_pieces(goes_back: bool) -> None:
    """Calls come between them; what is acked meanwhile is freed afterwards."""
    seed = random.Random(1)
    outbox = Outbox(1 << 17)
    chunks: list[tuple[int, bytes, bool]] = []

    def fill(level: int, is_replay: bool) -> None:
        data = seed.randbytes(seed.randint(20, 900))
        put(outbox, level, len(chunks), data, is_replay)
        chunks.append((len(chunks), data, is_replay))

    for _ in range(40):  # so that the ring turns
        fill(CALLS, False)
    while outbox.count > 5:
        outbox.free()
    while outbox.room(CALLS) > 8000:
        fill(CALLS, seed.random() < 0.4)
    chunks = chunks[35:]
    for _ in range(12):
        at = outbox.next_to_send()
        outbox.mark_sent(at, outbox.length(at))
    pieces = 1
    base = chunks[0][0]
    gone = seqs(outbox.purge())
    while outbox.is_purging():
        pieces += 1
        if pieces < 4:
            data = seed.randbytes(300)
            put(outbox, CALLS, base + len(chunks), data, False)
            chunks.append((base + len(chunks), data, False))
        assert outbox.free_below(3, base + 1, -1)
        assert outbox.count_run(1 << 16) == 0
        if goes_back:
            outbox.go_back()
        gone += seqs(outbox.purge())
    assert pieces > 4
    assert gone == [seq for seq, _, is_replay in chunks if is_replay]
    sent = 0 if goes_back else sum(not is_replay for _, _, is_replay in chunks[:12])
    left = [(seq, data) for seq, data, is_replay in chunks if not is_replay]
    assert (outbox.count, outbox.sent) == (len(left), sent)
    for seq, data in left:
        at = outbox.oldest()
        start = outbox.start(at)
        assert (outbox.seq(at), bytes(outbox.buffer[start : start + outbox.length(at)])) == (seq, data)
        outbox.free()
    assert outbox.oldest() == -1
