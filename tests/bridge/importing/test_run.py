"""What was recorded, sent as events and exported comes back as it was: in any order, any number of times."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.mapping.display import DISPLAY_CHANGED

from tests.bridge.mapping.build import DEVICE
from tests.support import every_kind, warehouse
from tests.support.stores import Place


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory):
    from tests.support.stores import SqlitePlace

    store = SqlitePlace(tmp_path_factory.mktemp("original") / "store.db").open(("segment",))
    every_kind.recorded(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def events(original) -> list[warehouse.Event]:
    return [json.loads(row.payload) for row in original.events(DEVICE, limit=100_000)]


@pytest.fixture
def copy(place: Place):
    store = place.open(())
    yield store
    store.close()


def test_an_export_of_the_bucket_gives_everything_back(original, events, copy, tmp_path: Path) -> None:
    path = warehouse.write(tmp_path, "1.gz", warehouse.as_gzip(map(warehouse.s3_line, events)))
    report, told = warehouse.imported(copy, path)
    assert not told and not report.missing
    warehouse.judge_same(original, copy, DEVICE)


def test_order_repeats_files_and_runs_make_no_difference(original, events, copy, tmp_path: Path) -> None:
    lines = [warehouse.s3_line(event) for event in events] * 2
    random.Random(5).shuffle(lines)
    paths = [
        warehouse.write(tmp_path, f"{number}.gz", warehouse.as_gzip(lines[number::3])) for number in range(3)
    ]
    warehouse.imported(copy, paths[2])
    warehouse.imported(copy, paths[0], paths[1])
    warehouse.judge_same(original, copy, DEVICE)
    report, _ = warehouse.imported(copy, *paths)
    counts = report.counts
    assert (counts.new_chunks, counts.new_events, report.made_events) == (0, 0, 0)
    warehouse.judge_same(original, copy, DEVICE)


@pytest.mark.parametrize("form", ["json", "upper", "csv"])
def test_a_table_of_a_warehouse_gives_all_but_summaries(
    original, events, copy, tmp_path: Path, form: str
) -> None:
    rows = warehouse.warehouse_rows(events)
    if form == "csv":
        path = warehouse.write(tmp_path, "rows.csv", warehouse.as_csv(rows))
    else:
        if form == "upper":  # as Snowflake names columns
            rows = [{name.upper(): value for name, value in row.items()} for row in rows]
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        path = warehouse.write(tmp_path, "rows.json", b"".join(lines))
    report, told = warehouse.imported(copy, path)
    assert not told and not report.missing
    warehouse.judge_same(original, copy, DEVICE, without=[DISPLAY_CHANGED])


def test_missing_pieces_are_told_and_shown_as_gaps_until_they_come(
    original, events, copy, tmp_path: Path
) -> None:
    pieces = [event for event in events if event.get("event") == REPLAY_CHUNKS]
    assert len(pieces) > 5, "there is something to be missed"
    lost = [pieces[0], pieces[2], pieces[3]]
    others = [event for event in events if event not in lost]
    first = warehouse.write(tmp_path, "1.json", b"".join(map(warehouse.s3_line, others)))
    report, told = warehouse.imported(copy, first)
    spans = [(one["properties"]["from_seq"], one["properties"]["end_seq"]) for one in lost]
    assert not told
    assert {one.device_id for one in report.missing} == {DEVICE}
    assert {one.stream.hex() for one in report.missing} == {pieces[0]["properties"]["stream"]}
    # All but what later pieces repeat: the chunks with hello and display.
    said = {seq for one in report.missing for seq in range(one.first, one.end)}
    lost_seqs = {seq for first, end in spans for seq in range(first, end)}
    assert said < lost_seqs and len(lost_seqs - said) == 2
    shown = warehouse.shown(copy, DEVICE)
    gaps = [
        (mark.values["first"], mark.values["end"])
        for _, marks in shown.values()
        for mark in marks
        if mark.values.get("reason") == "not in the imported files"
    ]
    assert gaps == [(one.first, one.end) for one in report.missing]
    wanted = warehouse.shown(original, DEVICE)
    for session, (pictures, _) in shown.items():
        exact = {(one.host_ms, one.pixels) for one in wanted[session][0]}
        assert pictures and {(one.host_ms, one.pixels) for one in pictures} <= exact
    second = warehouse.write(tmp_path, "2.json", b"".join(map(warehouse.s3_line, lost)))
    report, _ = warehouse.imported(copy, second)
    assert not report.missing
    warehouse.judge_same(original, copy, DEVICE)
