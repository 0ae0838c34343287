"""`./dev bench store [--messages N] [--runs N]`: what ingest commits to either store, without a line in between.

500-byte messages of 50 devices, mapped and acked as in a running bridge. PostgreSQL runs on this machine and takes its
share of the processors; the bridge's own is the second figure.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.services import postgres
from tests.support.stores import Place, PostgresPlace, SqlitePlace

DEVICES = 50
SIZE_BYTES = 500
_START_MS = 1_767_000_000_000


class Deaf:
    """A channel whose acks cost nothing."""

    def send(self, device_id: str, data: bytes) -> bool:
        return True


def messages(count: int, kind: str) -> Iterator[tuple[str, bytes]]:
    display = m.Display(128, 64, m.PixelFormat.MONO_VLSB, 16, 8, 0, None, 0)
    call = m.Track("Made", {"pad": "x" * (SIZE_BYTES - 60)})
    frame = m.Frame(int(m.FrameFlag.FIRST | m.FrameFlag.LAST), bytes(SIZE_BYTES - 30))
    for seq in range(count // DEVICES):
        for number in range(DEVICES):
            device_id = f"bench-{number:02}"
            hello = m.Hello(device_id, 1, 1, "sim", "pixeltrail/1", "bench", "1", 0, None, "micropython 1")
            head = (hello, display, m.SessionStart(0, True, None))
            bodies: tuple[m.Body, ...] = head if seq == 0 else (call if kind == "calls" else frame,)
            records = tuple(m.Record(index, seq * 50, body) for index, body in enumerate(bodies))
            yield device_id, encode_uplink(m.Chunk(b"bench%03d" % number, seq, seq * 50, records))


def measure(place: Place, kind: str, count: int) -> tuple[float, float]:
    """Messages a second, and the bridge's own microseconds for each."""
    store = place.open()
    settings = IngestSettings(
        mapping=MappingSettings(sample_rate=1.0), min_free_bytes=0, queue_bytes=1 << 32, linger_ms=0
    )
    ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync)
    for device_id, data in messages(count, kind):
        assert ingest.receive(Arrival(device_id, data, _START_MS, Deaf()))
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    ingest.commit_queued()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    stored = sum(row.watermark for n in range(DEVICES) for row in store.streams(f"bench-{n:02}"))
    assert stored == count // DEVICES * DEVICES, f"{stored} of {count} messages are stored"
    if kind == "calls":
        assert store.pending("sink") == stored - DEVICES
    store.close()
    return stored / wall_s, cpu_s / stored * 1e6


def main(arguments: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench store")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    figures = []
    with postgres() as server, tempfile.TemporaryDirectory() as folder:
        for kind in ("frames", "calls"):
            for name in ("sqlite", "postgres"):
                runs = [
                    measure(
                        SqlitePlace(Path(folder) / f"{kind}{run}.db")
                        if name == "sqlite"
                        else PostgresPlace(server.url),
                        kind,
                        options.messages,
                    )
                    for run in range(options.runs)
                ]
                rates, costs = zip(*runs, strict=True)
                detail = {
                    "runs": [round(rate) for rate in rates],
                    "size_bytes": SIZE_BYTES,
                    "devices": DEVICES,
                }
                for what, unit, values in (
                    ("committed", "messages/s", rates),
                    ("CPU of the bridge", "us/message", costs),
                ):
                    figures.append(
                        {
                            "name": f"{name}, {kind}: {what}",
                            "value": round(statistics.median(values), 1),
                            "unit": unit,
                            "against": None,
                            "detail": detail,
                        }
                    )
    return figures
