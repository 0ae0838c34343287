"""A small cluster is broken once in each way; the verdict finds out what is missing, doubled or out of order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.mapping.calls import Settled
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.cluster import paper
from tests.cluster.run import run
from tests.cluster.verdict import Verdict, judge
from tests.support.ingest import DEVICE, Bench
from tests.support.requirements import ROOT

STREAM = b"8 bytes."
SOMETIMES = ("worker", "NATS", "PostgreSQL", "link cut", "connection")


@pytest.mark.timeout(600)
def test_a_cluster_that_is_broken_in_each_way_loses_and_doubles_nothing(tmp_path: Path) -> None:
    verdict = run(tmp_path, devices=30, boards=1, seconds=10, idle=0.9, kinds=SOMETIMES)
    assert verdict.is_good, verdict
    figures = verdict.figures
    assert figures["chunks_acked"] == figures["chunks_made"] > 100 and figures["calls"] > 20
    assert figures["pictures_compared"] == 1 and len(verdict.faults) == len(SOMETIMES)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_many_faults_at_random(tmp_path: Path) -> None:
    verdict = run(tmp_path, devices=200, boards=4, seconds=180, idle=0.97, seed=7)
    assert verdict.is_good, verdict
    assert verdict.faults and verdict.figures["packed"]


# ---- the verdict --------------------------------------------------------------------


class Past:
    """One device's calls, stored and sent; `log` is what the stand-in took."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder / "db", map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
        self.path = folder / "events.jsonl"
        hello = m.Hello(DEVICE, 1, 1, "sim", "pixeltrail", "fleet", "1", 0, None, "none")
        self._feed(0, [hello, m.Display(64, 32, m.PixelFormat.MONO_VLSB, 16, 8, 128, None, 0)])
        for seq in range(1, 5):
            self._feed(seq, [m.Track("Made", {"n": seq})])
        store = self.bench.store
        self.log = [json.loads(payload) for _, payload in self.bench.events()]
        rows = store.lease("sink", 99, 0, 1)
        store.settle("sink", [Settled(row.id, "sent") for row in rows], 0)

    def _feed(self, seq: int, bodies: list[Any]) -> None:
        records = tuple(m.Record(number, seq * 10, body) for number, body in enumerate(bodies))
        self.bench.feed(encode_uplink(m.Chunk(STREAM, seq, seq * 10, records)))

    def verdict(self, acked: int = 5, made: int = 5) -> Verdict:
        self.path.write_text("".join(json.dumps(one) + "\n" for one in self.log))
        ledger = {"device_id": DEVICE, "stream": STREAM.hex(), "acked": acked, "made": made}
        tally = {"devices": 1, "made": made, "acked": acked, "counts": {}}
        return judge(self.bench.store, {"tally": tally, "streams": [ledger]}, [], self.path)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def found(verdict: Verdict) -> set[str]:
    return {kind for kind, some in verdict.kinds.items() if some}


def test_a_past_without_fault_is_good(past: Past) -> None:
    assert found(past.verdict()) == set()


def test_what_is_missing_doubled_or_out_of_order_is_found(past: Past) -> None:
    assert found(past.verdict(acked=6, made=6)) == {"lost"}, "one chunk more was accepted than is stored"
    assert found(past.verdict(made=6)) == {"stuck"}, "the last chunk was never accepted"
    first, second, *rest = past.log
    past.log = [second, *rest]
    assert found(past.verdict()) == {"lost"}
    past.log = [second, first, *rest]
    assert found(past.verdict()) == {"disordered"}
    past.log = [first, first, second, *rest]
    assert "doubled" in found(past.verdict())
    past.log = [first, second, *rest, first | {"messageId": "px-another"}]
    assert found(past.verdict()) == {"unexplained"}


def test_the_page_about_scale_says_what_its_arithmetic_gives() -> None:
    assert paper.table() in (ROOT / "docs" / "scale.md").read_text()
