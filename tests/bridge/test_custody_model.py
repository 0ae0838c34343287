"""Custody and delivery as a model: whatever happens to line, bridge, store and sink, no acked call is without an end.

Hypothesis sends, repeats, reorders, loses, crashes, restores and jumps; the laws are checked after every step, and at
the end, when the line has become good, every call that a device ever made must have come to something.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pixeltrail_bridge.wire import messages as m

from tests.support.custody import Spot, World
from tests.support.stores import Place, PostgresPlace, SqlitePlace

which = st.sampled_from(["device-1", "device-2"])


class Custody(RuleBasedStateMachine):
    def __init__(self, make_place: Callable[[], Place]) -> None:
        super().__init__()
        self.world = World(make_place())
        self.restores = 0
        self.watermarks: dict[bytes, int] = {}

    # ---- devices ----------------------------------------------------------------

    @rule(device_id=which, count=st.integers(1, 3))
    def call(self, device_id: str, count: int) -> None:
        self.world.devices[device_id].call(self.world.now_ms, count)

    @rule(device_id=which)
    def change_session(self, device_id: str) -> None:
        self.world.devices[device_id].change_session(self.world.now_ms)

    @rule(device_id=which, reboot=st.booleans())
    def new_stream(self, device_id: str, reboot: bool) -> None:
        self.world.devices[device_id].begin(self.world.now_ms, reboot=reboot)

    @rule(device_id=which, data=st.data())
    def give_up_a_chunk(self, device_id: str, data: st.DataObject) -> None:
        device = self.world.devices[device_id]
        if held := sorted(device.streams[-1].held):
            device.drop(self.world.now_ms, data.draw(st.sampled_from(held)))

    # ---- the line ---------------------------------------------------------------

    @rule(device_id=which, with_sync=st.booleans())
    def send(self, device_id: str, with_sync: bool) -> None:
        for stream in self.world.devices[device_id].streams:
            if with_sync:
                self.world.line.append((device_id, stream.sync(self.world.now_ms)))
            self.world.line += [(device_id, data) for data in stream.held.values()]

    @rule(data=st.data(), crash=st.booleans(), deaf=st.booleans(), again=st.booleans())
    def arrive(self, data: st.DataObject, crash: bool, deaf: bool, again: bool) -> None:
        """Some of what is on the line, in any order; `again` leaves it there, to come once more."""
        line = self.world.line
        order = data.draw(st.permutations(range(len(line))).map(lambda order: order[:12]))
        messages = [line[index] for index in order]
        if not again:
            self.world.line = [line[index] for index in range(len(line)) if index not in order]
        self.world.is_deaf = deaf
        self.world.receive(messages, crash=crash)
        self.world.is_deaf = False

    @rule()
    def lose_the_line(self) -> None:
        self.world.line.clear()

    @precondition(lambda self: self.world.line)
    @rule(data=st.data(), event=st.sampled_from(["Other", "Bytes"]))
    def spoil(self, data: st.DataObject, event: str) -> None:
        """A message comes with other bytes under its key, as from a device with a damaged memory."""
        from pixeltrail_bridge.wire.decode import decode_uplink
        from pixeltrail_bridge.wire.encode import encode_uplink

        index = data.draw(st.integers(0, len(self.world.line) - 1))
        device_id, message = self.world.line[index]
        chunk = decode_uplink(message)
        if isinstance(chunk, m.Chunk) and all(isinstance(r.body, m.Track) for r in chunk.records):
            records = tuple(m.Record(r.index, r.time_ms, m.Track(event, {})) for r in chunk.records)
            changed = m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, records)
            self.world.line.append((device_id, encode_uplink(changed)))

    # ---- bridge, clock, sink ----------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule()
    def back_up(self) -> None:
        if len(self.world.copies) < 3:
            self.world.back_up()

    @precondition(lambda self: self.world.copies)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.world.restore(data.draw(st.integers(0, len(self.world.copies) - 1)))
        self.restores += 1
        self.watermarks = {}

    @rule(by_ms=st.sampled_from([1, 20, 3_000, 7_000, 3_600_000, -4_000, -90_000, -86_400_000]))
    def time_passes_or_jumps(self, by_ms: int) -> None:
        self.world.now_ms += by_ms

    @rule(outcome=st.sampled_from(["sent", "retry", "dead", "lost"]), limit=st.integers(1, 10))
    def deliver(self, outcome: str, limit: int) -> None:
        self.world.deliver(outcome, limit)

    # ---- laws -------------------------------------------------------------------

    @invariant()
    def what_was_acked_is_stored_and_no_watermark_goes_back(self) -> None:
        store = self.world.store
        for device_id in self.world.devices:
            for row in store.streams(device_id):
                assert row.watermark >= self.watermarks.get(row.stream, 0), "a watermark went back"
                self.watermarks[row.stream] = row.watermark
                assert self.world.acked.get(row.stream, 0) <= row.watermark, "acked before it was stored"
                here = {chunk.seq for chunk in store.chunks(device_id, row.stream)}
                gaps = [gap for gap in store.gaps(device_id) if gap.stream == row.stream]
                for seq in set(range(row.watermark)) - here:
                    assert any(gap.first <= seq < gap.end for gap in gaps), f"seq {seq} is nowhere"

    @invariant()
    def session_ids_only_rise(self) -> None:
        """What a device is told is what it was told of that session before, or above all that came before."""
        for told in self.world.told.values():
            known: dict[tuple[int, int], set[int]] = {}
            newest = 0
            for session, session_id in told:
                assert session_id in known.get(session, ()) or session_id > newest, "a session ID fell back"
                known.setdefault(session, set()).add(session_id)
                newest = max(newest, session_id)

    @invariant()
    def what_waits_is_counted(self) -> None:
        store = self.world.store
        kept_up = store.fill()
        store._fill = None
        assert {s: f for s, f in kept_up.items() if f.events} == store.fill()

    def teardown(self) -> None:
        try:
            self._settle_down()
            self._judge()
        finally:
            self.world.store.close()

    def _settle_down(self) -> None:
        """A good line, and time."""
        world = self.world
        for _ in range(6):
            for device in world.devices.values():
                for stream in list(device.streams):
                    world.receive([(device.device_id, stream.sync(world.now_ms))])
                    world.receive([(device.device_id, data) for data in list(stream.held.values())])
        assert not any(stream.held for device in world.devices.values() for stream in device.streams), "stuck"
        world.now_ms += 10 * 86_400_000
        while world.store.pending("sink"):
            before = world.store.pending("sink")
            world.deliver("sent", 100)
            assert world.store.pending("sink") < before, "a call is stuck in the outbox"

    def _judge(self) -> None:
        world, store = self.world, self.world.store
        freed = [gap for gap in store.gaps() if gap.reason == m.GapReason.FREED]
        for gap in freed if not self.restores else ():
            spots = {Spot(gap.device_id, gap.stream, seq) for seq in range(gap.first, gap.end)}
            assert spots <= world.devices[gap.device_id].given_up, "no other store was told of it"
        for device in world.devices.values():
            for message_id, spot in device.calls.items():
                is_freed = any(g.stream == spot.stream and g.first <= spot.seq < g.end for g in freed)
                ended = message_id in world.delivered or message_id in world.dead
                assert ended or spot in device.given_up or is_freed, f"{spot} came to nothing"
        events = store.events(limit=1_000_000)
        assert len({event.message_id for event in events}) == len(events)


def run(make_place: Callable[[], Place], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Custody(make_place),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_custody_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> None:
    run(lambda: SqlitePlace(tmp_path_factory.mktemp("custody") / "store.db"), 25, 30)


def test_custody_on_postgres(postgres_server) -> None:
    run(lambda: PostgresPlace(postgres_server.url), 4, 25)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_custody_at_length(tmp_path_factory: pytest.TempPathFactory) -> None:
    run(lambda: SqlitePlace(tmp_path_factory.mktemp("custody") / "store.db"), 400, 60)
