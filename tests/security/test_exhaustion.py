"""One device that sends a hundred times what it may, beside forty-nine that behave: what it costs them, in counts.

`./dev bench ingest --noisy` measures the same in milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from pixeltrail_bridge.ingest import Ingest, penalties, seals
from pixeltrail_bridge.ingest.quotas import QuotaSettings
from pixeltrail_bridge.ingest.settings import IngestSettings
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.mapping.chunks import map_chunk, map_sync
from pixeltrail_bridge.mapping.settings import MappingSettings
from pixeltrail_bridge.sources.base import Arrival, Presence
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.security.kit import Browser, MqttClient, bridge, chunk, sync, wait_heard, wait_until

RATE, BURST_S, SECONDS, QUIET = 20, 1.0, 5, 49
NOISY = "noisy-01"


class Line:
    """The way back to all devices, remembering the watermark that each was told."""

    name = "line"

    def __init__(self) -> None:
        self.sent = 0

    def send(self, device_id: str, data: bytes) -> bool:
        self.sent += 1
        return True


class World:
    """An ingest without threads, and a clock that is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "store.db")
        quotas = QuotaSettings(messages_per_s=RATE, bytes_per_s=100_000, burst_s=BURST_S, streams_per_h=60)
        settings = IngestSettings(mapping=MappingSettings(), min_free_bytes=0, quotas=quotas)
        self.ingest = Ingest(self.store, settings, map_chunk=map_chunk, map_sync=map_sync)
        self.now_s = time.monotonic()
        self.ingest.quotas._now_s = lambda: self.now_s
        self.line, self.sent, self.taken = Line(), Counter[str](), Counter[str]()

    def send(self, device: str, data: bytes) -> bool:
        self.sent[device] += 1
        is_taken = self.ingest.receive(Arrival(device, data, 1_760_000_000_000, self.line))
        self.taken[device] += is_taken
        return is_taken


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def streams_of(count: int) -> list[tuple[str, bytes]]:
    return [(f"quiet-{number:02}", b"quiet-%02d" % number) for number in range(count)]


def test_the_others_never_notice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid and invalid noise in turn, a hundred times the quota; each quiet device sends half of its own."""
    decoded: Counter[str] = Counter()
    real = seals.decode

    def counted(arrival: Arrival) -> object:
        decoded[arrival.device_id or ""] += 1
        return real(arrival)

    monkeypatch.setattr(seals, "decode", counted)
    quiet, places = streams_of(QUIET), Counter[int]()
    seq = noise = 0
    for tick in range(SECONDS * RATE // 2):  # each quiet device sends once a tick
        world.now_s += 2 / RATE if tick else 0
        for device, stream in quiet:
            assert world.send(device, chunk(stream, seq)), f"{device} was refused"
        for _ in range(200):
            valid = noise % 2 == 0
            world.send(NOISY, chunk(b"noisy-01", noise // 2) if valid else b"\xff" * 500)
            noise += 1
        seq += 1
        places[world.ingest.health.queued_messages] += 1
        world.ingest.commit_queued()
    assert world.sent[NOISY] == SECONDS * RATE * 100
    may = RATE * BURST_S + RATE * SECONDS
    assert may - 2 * RATE <= world.taken[NOISY] <= may
    assert decoded[NOISY] == world.taken[NOISY], "what is refused is not even decoded"
    assert world.ingest.quotas.refused() == {NOISY: world.sent[NOISY] - world.taken[NOISY]}
    # What stands in the queue at once, and so what a message waits for: little more than without the noise.
    assert max(places) <= QUIET + RATE * BURST_S
    for device, stream in quiet:
        (row,) = world.store.streams(device)
        assert (row.stream, row.watermark) == (stream, seq)


def test_what_was_refused_comes_again_and_nothing_is_lost(world: World) -> None:
    """The device keeps what is not acked: it goes back to the first that is missing, as the custody protocol asks."""
    total, acked = 200, 0
    world.send(NOISY, sync(NOISY, b"noisy-01", total))
    for _ in range(1_000):
        for seq in range(acked, min(acked + 16, total)):
            world.send(NOISY, chunk(b"noisy-01", seq))
        world.ingest.commit_queued()
        (row,) = world.store.streams(NOISY)
        acked = row.watermark
        if acked == total:
            break
        world.now_s += 0.1
    assert acked == total and world.ingest.quotas.refused()[NOISY] > 0
    assert [one.seq for one in world.store.chunks(NOISY, b"noisy-01")] == list(range(total))
    assert world.store.counters(NOISY)[NOISY]["over_quota"] > 0, "and a person can see it"


def test_streams_and_words_of_the_broker_count_as_well(world: World) -> None:
    for number in range(100):
        world.now_s += 0.1
        world.send(NOISY, chunk(number.to_bytes(8), 0))
    world.ingest.commit_queued()
    assert 60 <= len(world.store.streams(NOISY)) <= 61
    for number in range(10_000):
        world.ingest.note(Presence("quiet-01", bool(number % 2)))
    assert world.ingest.health.queued_messages <= RATE * BURST_S + 1


def test_names_that_are_invented_do_not_fill_anything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixeltrail_bridge.ingest import quotas

    monkeypatch.setattr(quotas, "_MOST_NEW", 30.0)
    assert world.send("known-01", b"x")
    for number in range(1_000):
        world.send(f"invented-{number}", b"x")
    assert sum(world.taken.values()) <= 31
    assert world.send("known-01", b"x")


def test_the_queue_is_bounded_in_bytes(tmp_path: Path) -> None:
    settings = IngestSettings(queue_bytes=10_000, min_free_bytes=0)
    ingest = Ingest(SqliteStore(tmp_path / "store.db"), settings, map_chunk=map_chunk, map_sync=map_sync)
    taken = [ingest.receive(Arrival("quiet-01", b"x" * 1_000, 0, Line())) for _ in range(50)]
    assert taken == [True] * 10 + [False] * 40 and ingest.health.refused_messages == 40


def test_through_a_real_broker_and_onto_the_page(tmp_path: Path) -> None:
    """The smoke form: a flood from one client while others send; all of theirs is kept, and a person is told."""
    quotas = ("quotas.messages_per_s=20", "quotas.burst_s=2")
    with (
        bridge(tmp_path, *quotas) as one,
        MqttClient(one.mqtt_port or 0) as noisy,
        MqttClient(one.mqtt_port or 0) as quiet,
    ):
        assert noisy.entered() and quiet.entered()
        wait_heard(one, quiet)
        ended = threading.Event()

        def flood() -> None:
            for number in range(4_000):
                noisy.client.publish(
                    "pt/v1/noisy-01/up", chunk(b"noisy-01", number) if number % 2 else b"\xff" * 900
                )
            ended.set()

        threading.Thread(target=flood, daemon=True).start()
        for seq in range(10):
            for device, stream in streams_of(5):
                quiet.publish(f"pt/v1/{device}/up", chunk(stream, seq))
        wait_until(ended.is_set)
        for device, _ in streams_of(5):
            wait_until(lambda device=device: [row.watermark for row in one.store.streams(device)] == [10])  # type: ignore[misc]
        refused = one.ingest.quotas.refused
        wait_until(lambda: refused().get(NOISY, 0) > 2_000)  # what was sent may still be on its way
        assert set(refused()) == {NOISY}
        problems = Browser(one.web_port or 0).get("/api/health").json["problems"]
        assert any(NOISY in words and "above the quota" in words for words in problems)


def test_who_goes_on_far_above_its_quota_is_kept_out_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the broker inside, where devices have keys: what it sends then reaches nobody. The others stay connected."""
    monkeypatch.setattr(penalties, "LAST_S", 1.0)
    monkeypatch.setattr(penalties, "FIRST_S", 600.0)
    ring = KeyRing(tmp_path / "keys")
    secrets = {device: ring.add(device, 0) for device in (NOISY, "quiet-01")}
    with bridge(tmp_path, "quotas.messages_per_s=1", "quotas.burst_s=20") as one:
        port = one.mqtt_port or 0
        with MqttClient(port, "quiet-01", secrets["quiet-01"]) as quiet:
            assert quiet.entered()
            wait_heard(one, quiet, "quiet-01")
            with MqttClient(port, NOISY, secrets[NOISY]) as noisy:
                assert noisy.entered()

                def flood() -> bool:
                    for _ in range(50):
                        noisy.client.publish(f"pt/v1/{NOISY}/up", b"\xff" * 500)
                    return not noisy.words.empty()

                wait_until(flood)
                assert noisy.word("disconnected")
            problems = Browser(one.web_port or 0).get("/api/health").json["problems"]
            assert any(NOISY in words and "kept out" in words for words in problems)
            assert not _enters(port, NOISY, secrets[NOISY])
            kept = one.worker.links._penalties if one.worker else None
            for record in kept._records.values() if kept else ():
                record.until_s = 0.0  # its time is over
            wait_until(lambda: _enters(port, NOISY, secrets[NOISY]))
            assert quiet.words.empty(), "nobody else was dropped"


def _enters(port: int, user: str, secret: str) -> bool:
    with MqttClient(port, user, secret) as client:
        return client.entered()
