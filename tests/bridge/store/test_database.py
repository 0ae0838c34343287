"""Both stores: one transaction at a time, the outbox, and the reads."""

from __future__ import annotations

import threading

import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.mapping.calls import Call, Settled
from pixeltrail_bridge.sessions.state import GapRow, SessionRow
from pixeltrail_bridge.store import letters
from pixeltrail_bridge.store.base import SEQ_SPAN, Fill, Keyframe, NewChunk, Projection, StreamSave
from pixeltrail_bridge.store.database import SqlStore

from tests.support.bridge_process import wait_until
from tests.support.stores import Place

A, B = b"stream-a", b"stream-b"


@pytest.fixture
def store(place: Place):
    store = place.open(("one", "two"))

    def begin(tx) -> None:
        for device_id, stream in (("device-a", A), ("device-b", B)):
            tx.add_stream(tx.add_device(device_id, b"{}", 1), stream, b"{}", b"{}", 1)

    store.commit_batch(begin)
    yield store
    store.close()


def call(name: str, device_id: str = "device-a", session_id: int = 5) -> Call:
    return Call(f"px-{name}", device_id, session_id, "track", name, {"name": name}, 1)


def enqueue(store: SqlStore, *calls: Call) -> int:
    return store.commit_batch(lambda tx: store.enqueue_calls(tx, calls))


def names(rows) -> list[str]:
    return [row.message_id.removeprefix("px-") for row in rows]


def test_a_failed_batch_leaves_nothing(store: SqlStore) -> None:
    def fail(tx) -> None:
        tx.count("device-a", "x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.commit_batch(fail)
    assert store.counters() == {}


def test_the_bridge_id_belongs_to_the_store(store: SqlStore, place: Place) -> None:
    again, copy = place.open(), place.copy().open()
    assert len(store.bridge_id) == 8 and store.bridge_id == again.bridge_id == copy.bridge_id
    again.close()
    copy.close()


def test_a_text_may_hold_anything(store: SqlStore) -> None:
    name = "a\0b \U0001f600"
    enqueue(store, Call("px-1", "device-a", 5, "track", name, {"name": name}, 1))
    store.commit_batch(lambda tx: tx.add_dead_letter("device-a", "record", "no \0 here", b"\0", 1))
    (event,), (letter,) = store.events(), store.dead_letters()
    assert event.payload == '{"name":"a\\u0000b \U0001f600"}'.encode() and letter.raw == b"\0"


def test_threads_read_while_one_writes(store: SqlStore) -> None:
    seen = []

    def work(tx) -> None:
        tx.count("device-a", "x")
        thread = threading.Thread(target=lambda: seen.append(store.counters()))
        thread.start()
        thread.join()

    store.commit_batch(work)
    assert seen == [{}] and store.counters() == {"device-a": {"x": 1}}


# ---- outbox ---------------------------------------------------------------------


def test_an_event_is_kept_once_and_owed_to_each_sink(store: SqlStore) -> None:
    assert enqueue(store, call("e1"), call("e2"), call("e1")) == 2
    assert enqueue(store, call("e1")) == 0
    assert (store.pending("one"), store.pending("two"), store.pending("three")) == (2, 2, 0)
    (first, _) = store.events()
    assert (first.payload, [d.sink for d in first.deliveries]) == (b'{"name":"e1"}', ["one", "two"])


def test_a_lease_keeps_others_away_and_ends(store: SqlStore, place: Place) -> None:
    enqueue(store, call("e1"), call("e2"))
    assert names(store.lease("one", 1, 0, 100)) == ["e1"]
    assert store.lease("one", 10, 50, 100) == [], "the device's head is leased"
    assert names(store.lease("two", 10, 50, 100)) == ["e1", "e2"], "each sink has its own"
    assert names(store.lease("one", 10, 101, 100)) == ["e1", "e2"]
    store.close()
    later = place.open(("one",))
    later.release_leases("one")
    rows = wait_until(lambda: later.lease("one", 10, 102, 100), "its holder has ended")
    assert names(rows) == ["e1", "e2"]
    later.close()


def test_a_new_process_tries_at_once_what_the_last_one_put_off(store: SqlStore) -> None:
    """Whoever mended a wrong key and started again does not wait for the pause that it had caused."""
    enqueue(store, call("e1"), call("e2"))
    late = [Settled(row.id, "retry", 401, "wrong key", 60_000) for row in store.lease("one", 10, 0, 100)]
    store.settle("one", late, 50)
    assert store.lease("one", 10, 200, 100) == []
    store.release_leases("one")
    rows = store.lease("one", 10, 200, 100)
    assert names(rows) == ["e1", "e2"] and rows[0].attempts == 1, "the attempts still count"


def test_a_head_that_waits_holds_back_its_device_alone(store: SqlStore) -> None:
    enqueue(store, call("a1"), call("a2"), call("b1", "device-b"))
    rows = store.lease("one", 10, 0, 100)
    assert names(rows) == ["a1", "a2", "b1"]
    retry = Settled(rows[0].id, "retry", 503, "busy", 1_000)
    store.settle(
        "one", [retry, Settled(rows[1].id, "retry", None, "", 0), Settled(rows[2].id, "sent", 200)], 50
    )
    assert store.lease("one", 10, 500, 100) == []
    again = store.lease("one", 10, 1_000, 100)
    assert names(again) == ["a1", "a2"] and again[0].attempts == 1
    store.settle("one", [Settled(again[0].id, "dead", 400, "too large")], 1_001)
    (letter,) = store.dead_deliveries()
    assert (letter.kind, letter.reason, letter.device_id, letter.count) == ("one", "too large", "device-a", 2)
    assert store.requeue_dead("one", [letter.id]) == 1 and store.pending("one") == 2


def test_devices_take_turns(store: SqlStore) -> None:
    enqueue(store, *(call(f"a{n}") for n in range(5)), *(call(f"b{n}", "device-b") for n in range(5)))
    taken: list[str] = []
    while rows := store.lease("one", 3, 0, 100):
        assert len(rows) <= 3
        taken += names(rows)
        store.settle("one", [Settled(row.id, "sent", 200) for row in rows], 0)
    assert "b0" in taken[:4] and len(taken) == 10
    for device in "ab":
        assert [name for name in taken if name[0] == device] == [f"{device}{n}" for n in range(5)]


def test_what_waits_is_counted(store: SqlStore) -> None:
    assert store.fill() == {}
    enqueue(store, call("e1"), call("e22"))
    both = Fill(2, len(b'{"name":"e1"}' + b'{"name":"e22"}'))
    assert store.fill() == {"one": both, "two": both}
    first, second = store.lease("one", 2, 0, 100)
    store.settle("one", [Settled(first.id, "dead", 400), Settled(second.id, "retry", 503)], 1)
    assert store.fill()["one"] == Fill(1, len(b'{"name":"e22"}'))
    kept_up = store.fill()
    store._fill = None
    assert store.fill() == kept_up
    store.requeue_dead("one")
    assert store.fill()["one"] == both


# ---- reads ----------------------------------------------------------------------


def put(store: SqlStore, number: int, *chunks: tuple[int, int | None]) -> None:
    rows = [NewChunk(number * SEQ_SPAN + seq, 9, b"%d" % seq, session, 100 + seq) for seq, session in chunks]
    store.commit_batch(lambda tx: tx.put_chunks(rows))


def test_chunks_in_seq_order(store: SqlStore) -> None:
    put(store, 1, *((seq, 5) for seq in range(200)))
    put(store, 2, (0, 5))
    store.commit_batch(lambda tx: tx.put_chunks([NewChunk(SEQ_SPAN + 300, 9, b"bad", fault="unreadable")]))
    assert [chunk.seq for chunk in store.chunks("device-a", A)] == list(range(200))
    assert [chunk.data for chunk in store.chunks("device-a", A, 5, 8)] == [b"5", b"6", b"7"]
    assert list(store.chunks("device-b", A)) == []


def test_a_session_brings_what_its_decoder_needs(store: SqlStore) -> None:
    put(store, 1, *((seq, 4 if seq < 50 else 5) for seq in range(60)))
    put(store, 2, (0, 6))

    def work(tx) -> None:
        tx.put_heads([(1, 0, False), (1, 1, True), (1, 40, True), (1, 55, True)])
        tx.put_spans([(1, 5, 1, 52, 55), (1, 5, 1, 50, 57), (1, 4, 1, 0, 49)])

    store.commit_batch(work)
    assert [chunk.seq for chunk in store.session_chunks("device-a", 5)] == [1, *range(40, 58)]
    assert [chunk.seq for chunk in store.session_chunks("device-a", 4)] == list(range(50))
    assert list(store.session_chunks("device-b", 5)) == []


def test_projection(store: SqlStore) -> None:
    store.commit_batch(lambda tx: tx.save_streams([StreamSave(1, 7, b"{}", b"{}", 2)]))
    assert store.streams_to_project() == [Projection("device-a", A, 0, 7)]
    assert (store.projection(A), store.projection_state(A)) == (0, None)

    def work(tx) -> None:
        tx.set_projection(A, 7, '{"x":1}')
        tx.add_keyframe(A, 3, 1, 99)
        tx.put_spans([(1, 5, 1, 0, 7)])

    store.commit_batch(work)
    assert store.streams_to_project() == []
    assert (store.projection(A), store.projection_state(A)) == (7, b'{"x":1}')
    assert store.keyframes("device-a", 5) == [Keyframe(A, 3, 1, 99)]


def test_lists(store: SqlStore) -> None:
    session = SessionRow("device-a", 5, 0, 1, A, 100, 200, None, True, False, "user")
    gap = GapRow("device-a", 5, A, 3, 0, 1, 3, 0, 0, 2, 1, 150)

    def work(tx) -> None:
        tx.put_sessions([session, SessionRow("device-b", 6, 0, 1, B, 50, 60, 60, False, True, None)])
        tx.put_gaps([gap])
        tx.set_online("device-b", False)

    store.commit_batch(work)
    enqueue(store, call("a"), call("b", "device-b", 6))
    assert [row.session_id for row in store.sessions()] == [6, 5]
    assert store.sessions("device-a") == [session]
    assert store.gaps("device-a", 5) == [gap] == store.gaps() and store.gaps("device-b") == []
    a, b = store.devices()
    assert (a.device_id, a.stream, a.sessions, bool(a.is_online), bool(b.is_online)) == (
        "device-a",
        A,
        1,
        True,
        False,
    )
    assert names(store.events("device-b")) == ["b"] and names(store.events("device-b", 5)) == []
    assert names(store.events(after_id=1)) == ["b"]


def test_dead_letters_are_capped(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "MAX_LETTERS", 3)

    def work(tx) -> None:
        for n in range(6):
            tx.add_dead_letter("device-a", "record", "bad", b"%d" % n, n)
        tx.add_dead_letter("device-a", "record", "bad", b"0", 99)

    store.commit_batch(work)
    rows = store.dead_letters()
    assert [(row.raw, row.count) for row in rows] == [(b"0", 2), (b"1", 1), (b"2", 1)]
    assert (rows[0].first_ms, rows[0].last_ms) == (0, 99)
    assert store.counters() == {"device-a": {"dead_letters": 7, "dead_letters_not_kept": 3}}
    assert store.purge_dead_letters([rows[0].id]) == 1 and len(store.dead_letters()) == 2
    assert store.purge_dead_letters() == 2


def test_a_count_that_is_begun_anew_harms_no_commit(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dlq retry` on the page, while something is committed: between the look at the counts and their change."""
    enqueue(store, call("a"))
    store.fill()
    rows = store.lease("one", 10, 1_000, 5_000)
    store.settle("one", [Settled(rows[0].id, "dead", 400, "no")], 1_000)
    is_requeued, is_counting, commit = threading.Event(), threading.Event(), store.commit_batch

    class Changes(list[tuple[str, Fill]]):
        """Those of a commit, while whose counting the other thread goes on."""

        def __iter__(self):
            is_counting.set()
            requeuing.join(0.05)  # it may have to wait for us
            yield from super().__iter__()

    def work(tx) -> None:
        tx.enqueue_calls([call("b")])
        tx.filled = Changes(tx.filled)

    def commit_and_wait(other):
        result = commit(other)
        is_requeued.set()
        assert is_counting.wait(20)
        return result

    monkeypatch.setattr(store, "commit_batch", commit_and_wait)
    requeuing = threading.Thread(target=store.requeue_dead, args=("one",))
    requeuing.start()
    assert is_requeued.wait(20)
    commit(work)
    requeuing.join()
    assert store.fill()["one"].events == 2


def test_a_duty_that_is_ours_is_never_told_as_lost(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, hold = [], store._hold
    assert store.hold("packing")
    monkeypatch.setattr(store, "_hold", lambda duty: (seen.append(dict(store.duties)), hold(duty))[1])
    assert store.hold("packing")
    assert seen == [{"packing": True}], "asked while the server answers"

    def fail(duty: str) -> bool:
        raise StoreError("away")

    monkeypatch.setattr(store, "_hold", fail)
    with pytest.raises(StoreError):
        store.hold("packing")
    assert store.duties == {"packing": False}
