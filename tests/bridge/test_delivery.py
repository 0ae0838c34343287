import asyncio
import random
from dataclasses import dataclass, field

import pytest
from pixeltrail_bridge.delivery import Delivery
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.mapping.calls import Settled
from pixeltrail_bridge.sinks.base import FIRST_WAIT_MS, MAX_WAIT_MS, backoff_ms
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.bridge.sinks.rows import NOW_MS, MemoryOutbox, call, row
from tests.support.segment_server import Fault
from tests.support.vendors import VENDORS, Vendor, taken

each_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=str)


class Time:
    """A clock that only a test turns."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class ListSink:
    """Takes what it is given; `answers` may hold something else to do first."""

    name: str = "list"
    alarm: str | None = None
    paused_until_ms: int = 0
    answers: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    is_closed: bool = False

    async def deliver(self, rows):
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return [Settled(one.id, "retry", answer, "later", NOW_MS + 1_000) for one in rows]
        self.taken += [one.id for one in rows]
        return [Settled(one.id, "sent", 200) for one in rows]

    async def close(self):
        self.is_closed = True


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def deliver(outbox, sink, until_, *, clock=None, before=None):
    clock = clock or Time()

    async def run():
        delivery = Delivery(outbox, [sink], now_ms=clock, pace_s=0)
        await delivery.start()
        try:
            if before:
                await before(delivery)
            await until(until_)
        finally:
            await delivery.stop()
        return delivery.health[sink.name]

    return asyncio.run(run())


def test_delivers_what_waits_and_stops_clean():
    outbox, sink = MemoryOutbox(row(n) for n in range(1_200)), ListSink()
    health = deliver(outbox, sink, lambda: not outbox.waiting)
    assert sink.taken == list(range(1_200))
    assert (health.sent, health.state, sink.is_closed) == (1_200, "stopped", True)


def test_new_calls_wake_it():
    outbox, sink = MemoryOutbox(), ListSink()

    async def before(delivery):
        await until(lambda: delivery.health["list"].state == "idle")
        outbox.add(row(1))
        delivery.wake()

    deliver(outbox, sink, lambda: not outbox.waiting, before=before)
    assert sink.taken == [1]


def test_settings_that_come_during_a_delivery_are_not_judged_by_it():
    """A wrong host is mended while it is asked: nothing waits for its sake, and nothing is said of the right one."""
    outbox, is_asked, may_answer = MemoryOutbox([row(1)]), asyncio.Event(), asyncio.Event()

    class Sink(ListSink):
        async def deliver(self, rows):
            if self.answers:
                is_asked.set()
                await may_answer.wait()
                self.alarm, self.paused_until_ms = "the host is wrong", NOW_MS + 60_000
            return await super().deliver(rows)

    sink = Sink(answers=[404])

    async def before(delivery):
        await is_asked.wait()
        sink.alarm = None  # as update() leaves it
        delivery.renew(sink)
        may_answer.set()

    health = deliver(outbox, sink, lambda: not outbox.waiting, before=before)
    assert (sink.taken, health.alarm, health.retried) == ([1], None, 1)


def test_a_trickle_goes_out_together_a_backlog_at_once():
    """A call alone costs two commits and a request: what comes while a pace lasts goes with the next."""
    outbox, sink = MemoryOutbox(row(n) for n in range(1_200)), ListSink()

    async def run():
        delivery = Delivery(outbox, [sink], now_ms=Time(), pace_s=60)
        await delivery.start()
        await until(lambda: not outbox.waiting)
        outbox.add(row(2_000))
        delivery.wake()
        await until(lambda: delivery.health["list"].sent == 1_200)
        await asyncio.sleep(0.1)  # time to be taken, for one who would
        async with asyncio.timeout(30):
            await delivery.stop()  # which no pace holds up

    asyncio.run(run())
    assert sink.taken == list(range(1_200)) and list(outbox.waiting)


def test_a_retry_waits_and_holds_up_only_its_device():
    clock, outbox = Time(), MemoryOutbox([row(1, "dev-a")])
    sink = ListSink(answers=[503])

    async def before(delivery):
        await until(lambda: delivery.health["list"].retried == 1)
        outbox.add(row(2, "dev-a"), row(3, "dev-b"))
        delivery.wake()
        await until(lambda: sink.taken == [3])
        clock.now_ms += 1_000
        delivery.wake()

    deliver(outbox, sink, lambda: not outbox.waiting, clock=clock, before=before)
    assert sink.taken == [3, 1, 2]


def test_a_clock_that_is_put_back_makes_nothing_wait_for_it():
    clock, outbox = Time(), MemoryOutbox([row(1)])
    sink = ListSink(answers=[503])

    async def before(delivery):
        await until(lambda: delivery.health["list"].retried == 1)
        sink.paused_until_ms = clock.now_ms + 60_000
        clock.now_ms -= 86_400_000
        delivery.wake()

    deliver(outbox, sink, lambda: not outbox.waiting, clock=clock, before=before)
    assert sink.taken == [1]


def test_a_paused_sink_is_left_alone_until_its_time():
    clock, outbox = Time(), MemoryOutbox([row(1)])
    sink = ListSink(paused_until_ms=NOW_MS + 20, alarm="check segment.write_key")

    async def before(delivery):
        await until(lambda: delivery.health["list"].state == "waiting")
        assert sink.taken == []
        clock.now_ms += 20

    deliver(outbox, sink, lambda: not outbox.waiting, clock=clock, before=before)
    assert sink.taken == [1]


def test_a_fault_in_a_sink_strands_nothing():
    clock, outbox, sink = Time(), MemoryOutbox([row(1)]), ListSink(answers=[ValueError("a bug")])

    async def before(delivery):
        await until(lambda: delivery.health["list"].alarm is not None)
        assert "a bug" in delivery.health["list"].alarm
        clock.now_ms += MAX_WAIT_MS * 2
        sink.alarm = None

    health = deliver(outbox, sink, lambda: not outbox.waiting, clock=clock, before=before)
    assert (health.sent, health.retried, health.alarm) == (1, 1, None)


def test_a_sink_that_forgets_a_call_is_found_out():
    class Forgetful(ListSink):
        async def deliver(self, rows):
            return (await super().deliver(rows))[: len(self.taken) // 2 or None]

    clock, outbox, sink = Time(), MemoryOutbox([row(1), row(2)]), Forgetful()

    async def before(delivery):
        await until(lambda: delivery.health["list"].alarm is not None)
        assert "given 2 calls and settled 1" in delivery.health["list"].alarm
        sink.taken = []
        sink.__class__ = ListSink
        clock.now_ms += MAX_WAIT_MS * 2

    assert deliver(outbox, sink, lambda: not outbox.waiting, clock=clock, before=before).retried == 2


def test_a_database_that_fails_is_tried_again():
    class Failing(MemoryOutbox):
        failures = 2

        def lease(self, *arguments):
            if self.failures:
                self.failures -= 1
                raise StoreError("disk is full")
            return super().lease(*arguments)

    outbox, sink = Failing([row(1)]), ListSink()

    async def before(delivery):
        await until(lambda: delivery.health["list"].alarm is not None)
        assert "disk is full" in delivery.health["list"].alarm
        while outbox.waiting:
            delivery.wake()
            await asyncio.sleep(0.002)

    assert deliver(outbox, sink, lambda: not outbox.waiting, before=before).alarm is None


def test_what_was_sent_is_written_down_once_the_database_can():
    """Or a full disk would leave leases behind, and the devices wait until those run out."""

    class Failing(MemoryOutbox):
        failures = 3

        def settle(self, *arguments):
            if self.failures:
                self.failures -= 1
                raise StoreError("disk is full")
            super().settle(*arguments)

    outbox, sink = Failing([row(1)]), ListSink()
    assert deliver(outbox, sink, lambda: not outbox.waiting).alarm is None
    assert sink.taken == [1], "it was sent once"


@each_vendor
def test_a_crash_between_sending_and_settling_sends_the_same_id_again(vendor: Vendor):
    server, outbox = vendor.make_server(set()), MemoryOutbox([row(1), row(2)])

    async def run():
        runner = await server.start()
        first = vendor.make_sink(server.url)
        await first.deliver(outbox.lease(vendor.name, 10, NOW_MS, 300_000))  # and never settles
        await first.close()
        delivery = Delivery(outbox, [vendor.make_sink(server.url)])
        await delivery.start()
        await until(lambda: not outbox.waiting)
        await delivery.stop()
        await runner.cleanup()

    asyncio.run(run())
    assert [event.message_id for event in taken(server)] == ["px-kitchen-01-1", "px-kitchen-01-2"]
    assert server.duplicates == 2


@each_vendor
@pytest.mark.parametrize("seed", range(4))
def test_every_event_ends_sent_or_dead_whatever_the_server_does(seed, vendor: Vendor):
    """Delivery law: each event arrives, in its device's order, or is a dead letter with a reason."""
    dice = random.Random(seed)
    kinds = ["status", "close", "half", "wrong_json", "page"]
    faults = [Fault(dice.choice(kinds), dice.choice([400, 401, 413, 429, 500, 503])) for _ in range(30)]
    large = set(dice.sample(range(300), 10))
    paddings = [vendor.too_large if n in large else dice.choice([0, 100, 10_000]) for n in range(300)]
    rows = [row(n, f"dev-{n % 5}", padding=padding) for n, padding in enumerate(paddings)]
    server = vendor.make_server({rows[17].message_id, rows[180].message_id})
    server.faults.extend(faults)
    clock, outbox = Time(), MemoryOutbox()

    async def run():
        runner = await server.start()
        sink = vendor.make_sink(server.url, now_ms=clock)
        delivery = Delivery(outbox, [sink], now_ms=clock, pace_s=0)
        await delivery.start()
        for at in range(0, 300, 60):
            outbox.add(*rows[at : at + 60])
        async with asyncio.timeout(30):
            while outbox.waiting:
                clock.now_ms += 20_000
                delivery.wake()
                await asyncio.sleep(0.002)
        await delivery.stop()
        await runner.cleanup()

    asyncio.run(run())
    dead = {n for n, one in outbox.settled.items() if one.state == "dead"}
    assert large | {17, 180} <= dead
    assert all(outbox.settled[n].answer for n in dead)
    for device in range(5):
        arrived = [e.message_id for e in taken(server) if e.device_id == f"dev-{device}"]
        assert arrived == [one.message_id for one in rows[device::5] if one.message_id in arrived]
        sent = {one.message_id for one in rows[device::5] if one.id not in dead}
        assert sent <= set(arrived)


def test_backoff_doubles_to_a_minute_with_jitter():
    assert [backoff_ms(n, lambda: 0.0) for n in (0, 1, 2, 7, 50)] == [
        500,
        1_000,
        2_000,
        MAX_WAIT_MS,
        MAX_WAIT_MS,
    ]
    assert backoff_ms(0, lambda: 1.0) == FIRST_WAIT_MS * 1.1


@each_vendor
def test_with_the_real_store_nothing_is_lost_doubled_or_out_of_order_over_restarts(tmp_path, vendor: Vendor):
    dice = random.Random(5)
    store = SqliteStore(tmp_path / "pixeltrail.db", [vendor.name])
    server = vendor.make_server({"px-dev-01-7"})
    server.faults.extend(Fault(dice.choice(["status", "close", "half"]), 503) for _ in range(12))
    calls = [call(n, f"dev-0{n % 3}", padding=vendor.too_large if n == 20 else 0) for n in range(120)]
    clock, window_s = Time(), 0.02

    def put(tx):
        for device in range(3):
            tx.add_device(f"dev-0{device}", b"{}", NOW_MS)
        tx.enqueue_calls(calls)

    async def run():
        nonlocal window_s
        runner = await server.start()
        async with asyncio.timeout(60):
            while store.pending(vendor.name):
                sink = vendor.make_sink(server.url, batch_events=20, now_ms=clock)
                delivery = Delivery(store, [sink], now_ms=clock, pace_s=0)
                await delivery.start()
                await asyncio.sleep(dice.random() * window_s)
                window_s *= 1.1  # a slow machine gets somewhere, too
                clock.now_ms += 20_000
                await delivery.stop(grace_s=0)  # wherever it is: between sending and settling, too
        await runner.cleanup()

    store.commit_batch(put)
    asyncio.run(run())
    events = {row.message_id: row.deliveries[0] for row in store.events(limit=1_000)}
    dead = {message_id: one.answer for message_id, one in events.items() if one.state == "dead"}
    assert set(dead) == {"px-dev-01-7", "px-dev-02-20"}
    assert "bytes" in dead["px-dev-02-20"]
    assert {one.state for one in events.values()} == {"sent", "dead"}
    for device in range(3):
        arrived = [e.message_id for e in taken(server) if e.device_id == f"dev-0{device}"]
        assert arrived == [one.message_id for one in calls[device::3] if one.message_id not in dead]
    store.close()
