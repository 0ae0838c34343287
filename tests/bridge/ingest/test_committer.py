"""The committer as a thread: it wakes, batches, acks after the commit, and stops with nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.ingest import Arrival
from pixeltrail_bridge.ingest.quotas import QuotaSettings
from pixeltrail_bridge.sources.base import LinkState, Presence, TextLine
from pixeltrail_bridge.wire import messages as m

from tests.support.ingest import DEVICE, Bench, RecordingChannel, track_chunk


def test_thread_life(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a.db", linger_ms=2)
    acked = threading.Event()
    send = bench.channel.send

    def send_and_tell(device_id: str, data: bytes) -> bool:
        answer = send(device_id, data)
        if bench.channel.watermark == 50:
            acked.set()
        return answer

    bench.channel.send = send_and_tell
    bench.ingest.start()
    assert bench.ingest.health.is_ready
    for seq in range(50):
        bench.ingest.receive(Arrival(DEVICE, track_chunk(seq), 1, bench.channel))
    assert acked.wait(30)
    health = bench.ingest.health
    assert (
        health.messages == 50 and health.queued_messages == health.queued_bytes == 0 and health.commits <= 50
    )
    bench.ingest.receive(Arrival(DEVICE, track_chunk(50), 1, bench.channel))
    bench.ingest.stop()
    assert bench.stored() == list(range(51)) and bench.channel.watermark == 51, "what was queued is committed"
    assert bench.ingest.health.state == "stopped"
    bench.close()


def test_what_comes_soon_after_a_commit_waits_to_be_committed_with_more(tmp_path: Path) -> None:
    """Fifty commits a second are the most; what comes alone waits no longer than it did."""
    bench = Bench(tmp_path / "a.db", linger_ms=2, spacing_ms=60_000)
    waits: list[float] = []
    bench.ingest._stopping.wait = lambda seconds: bool(waits.append(seconds))  # type: ignore[method-assign]
    sent = threading.Semaphore(0)
    send = bench.channel.send
    bench.channel.send = lambda device_id, data: (send(device_id, data), sent.release())[0]
    bench.ingest.start()
    for seq in range(2):
        bench.ingest.receive(Arrival(DEVICE, track_chunk(seq), 1, bench.channel))
        assert sent.acquire(timeout=30)
    bench.ingest.stop()
    assert waits[0] == 0.002 and waits[1] > 1
    bench.close()


def test_what_sources_note(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a.db")
    lines: list[TextLine] = []
    bench.ingest._on_text = lines.append
    bench.feed(track_chunk(0))
    bench.ingest.note(TextLine("port", "hello"))
    bench.ingest.note(LinkState("port", False, "unplugged"))
    bench.ingest.note(Presence(DEVICE, False))
    bench.ingest.commit_queued()
    assert lines == [TextLine("port", "hello")]
    assert bench.ingest.health.sources == {"port": LinkState("port", False, "unplugged")}
    assert not bench.store.devices()[0].is_online
    bench.close()


def test_sending_to_a_device(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a.db")
    request = m.KeyframeRequest(b"stream-1")
    assert not bench.ingest.send(DEVICE, request), "never heard of"
    bench.feed(track_chunk(0))
    assert bench.ingest.send(DEVICE, request) and bench.channel.sent[-1] == (DEVICE, request)
    bench.channel.is_up = False
    assert not bench.ingest.send(DEVICE, request)
    assert not bench.ingest.send("somebody-else", request)
    other = RecordingChannel()
    bench.ingest.reach = other
    assert bench.ingest.send("somebody-else", request), "another worker hears it, and NATS knows where it is"
    assert other.sent == [("somebody-else", request)]
    bench.close()


def test_a_disk_that_is_nearly_full_stops_acks_in_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a.db", min_free_bytes=1 << 60)
    bench.ingest.receive(Arrival(DEVICE, track_chunk(0), 1, bench.channel))
    bench.ingest._stopping.set()
    bench.ingest.commit_queued()
    assert bench.ingest.health.state == "failing" and "free some space" in bench.ingest.health.error.lower()
    assert not bench.channel.sent and bench.stored() == []
    bench.close()


def test_a_batch_that_is_tried_again_begins_its_streams_once(tmp_path: Path) -> None:
    """A database that is away for long may not use up what a device may begin in an hour."""
    bench = Bench(tmp_path / "a.db", quotas=QuotaSettings(streams_per_h=2), retry_ms=(0,))
    commit, failures = bench.store.commit_batch, iter(range(5))

    def fail(work: Callable[..., Any]) -> Any:
        if next(failures, None) is None:
            return commit(work)

        def work_and_fail(tx: Any) -> None:
            work(tx)
            raise StoreError("the database is away")

        return commit(work_and_fail)

    bench.store.commit_batch = fail  # type: ignore[method-assign]
    bench.feed(track_chunk(0))
    assert bench.stored() == [0] and bench.channel.watermark == 1
    bench.close()
