"""The committer as a thread: it wakes, batches, acks after the commit, and stops with nothing left behind."""

from __future__ import annotations

import threading
from pathlib import Path

from pixeltrail_bridge.ingest import Arrival
from pixeltrail_bridge.sources.base import LinkState, Presence, TextLine
from pixeltrail_bridge.wire import messages as m

from tests.support.ingest import DEVICE, Bench, track_chunk


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
    bench.close()


def test_a_disk_that_is_nearly_full_stops_acks_in_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "a.db", min_free_bytes=1 << 60)
    bench.ingest.receive(Arrival(DEVICE, track_chunk(0), 1, bench.channel))
    bench.ingest._stopping.set()
    bench.ingest.commit_queued()
    assert bench.ingest.health.state == "failing" and "free some space" in bench.ingest.health.error.lower()
    assert not bench.channel.sent and bench.stored() == []
    bench.close()
