"""What was recorded on the way and is sent again changes nothing. (Forged and altered messages: signed ones.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.security.kit import chunk, sync
from tests.support.ingest import DEVICE, Bench

STREAM = b"stream-1"


def rows(bench: Bench) -> dict[str, Any]:
    tables = ("chunks", "events", "deliveries", "streams", "sessions", "gaps", "dead_letters")
    return {table: bench.store._all(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def test_a_whole_capture_sent_again_adds_no_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.db")
    capture = [sync(DEVICE, STREAM, 20), *(chunk(STREAM, seq) for seq in range(20)), sync(DEVICE, STREAM, 20)]
    bench.feed(*capture)
    before = rows(bench)
    assert before["chunks"] == 20
    for again in (capture, capture[::-1], capture[5:9] * 3):
        bench.feed(*again)
    assert rows(bench) == before
    bench.close()


def test_an_old_chunk_with_other_content_is_kept_apart(tmp_path: Path) -> None:
    """Whoever alters what was acked gets a dead letter, and the first stays."""
    bench = Bench(tmp_path / "store.db")
    bench.feed(sync(DEVICE, STREAM, 2), chunk(STREAM, 0), chunk(STREAM, 1))
    bench.feed(chunk(STREAM, 0, "Altered"))
    assert [letter.kind for letter in bench.store.dead_letters()] == ["conflict"]
    assert bench.stored(STREAM) == [0, 1]
    assert all(b"Altered" not in one.data for one in bench.store.chunks(DEVICE, STREAM))
    bench.close()


def test_a_stream_sent_again_under_another_devices_name_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.db")
    bench.feed(sync(DEVICE, STREAM, 1), chunk(STREAM, 0))
    before = rows(bench)
    bench.feed(chunk(STREAM, 0), chunk(STREAM, 1), device_id="thief-01")
    after = rows(bench)
    assert after["chunks"] == before["chunks"] and after["streams"] == before["streams"]
    assert {letter.device_id for letter in bench.store.dead_letters()} == {"thief-01"}
    bench.close()
