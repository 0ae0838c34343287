"""After something was forgotten nothing of it is left in any file, nothing brings it back, and all else is as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pixeltrail_bridge.forgetting import files
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import Report, again, forget
from pixeltrail_bridge.store.database import SqlStore

from tests.support.film import BOOT_MS
from tests.support.histories import HOUR_MS, SECRET, House, dump, files_with
from tests.support.stores import Place, SqlitePlace

KITCHEN, OTHER, ANNA, BEN = "kitchen-01", "kitchen-011", "anna.schmidt@example.com", "user-ben-0042"
NOW_MS = BOOT_MS + 50 * HOUR_MS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def place(request: pytest.FixtureRequest, place: Place, folder: Path) -> Place:
    """The store's file lies in the data folder."""
    folder.mkdir()
    return SqlitePlace(folder / "pixeltrail.db") if isinstance(place, SqlitePlace) else place


def beside(folder: Path) -> Beside:
    return Beside(folder, (folder / "events.jsonl",))


def run(store: SqlStore, folder: Path, subject: Subject, refuses: bool = True) -> Report:
    return forget(store, subject, beside(folder), now_ms=lambda: NOW_MS, refuses=refuses)


def write_lines(store: SqlStore, folder: Path) -> list[bytes]:
    lines = [row.payload for row in store.events(limit=10_000)]
    (folder / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return lines


def furnish(store: SqlStore, folder: Path, packed: bool) -> House:
    house = House(store, folder)
    first = house.tell(KITCHEN, ANNA, mark=SECRET)
    house.tell(KITCHEN, BEN)
    house.tell(OTHER, BEN)
    second = house.tell(OTHER, None, ANNA, BEN, mark=SECRET)
    if packed:
        house.pack()
    house.tell(OTHER, None)
    house.decorate(KITCHEN, first)
    house.decorate(OTHER, second)
    context = {"device": {"id": KITCHEN}}
    house.post(
        {"type": "track", "event": "Ordered", "userId": ANNA, "anonymousId": "phone-anna", "messageId": "m1"},
        {"type": "track", "event": "Ordered", "userId": BEN, "anonymousId": "phone-ben", "messageId": "m2"},
        {"type": "track", "event": "Seen", "anonymousId": "phone-anna", "messageId": "m3"},
        {"type": "track", "event": "Told", "userId": BEN, "context": context, "messageId": "m4"},
    )
    return house


@pytest.mark.parametrize("packed", [False, True])
def test_a_device_leaves_nothing_behind(place: Place, folder: Path, packed: bool) -> None:
    store = place.open()
    house = furnish(store, folder, packed)
    lines = write_lines(store, folder)
    before = dump(place, store)
    report = run(store, folder, Subject("device", KITCHEN))
    assert report.is_clean, report.as_json()
    assert KITCHEN not in json.dumps(report.as_json())
    after = dump(place, store)
    for table in ("chunks", "events", "clips", "sessions", "streams", "dead_letters", "packs", "gaps"):
        assert set(after[table]) <= set(before[table]), f"what stays of {table} is as it was"
    assert [row.device_id for row in store.devices()] == [OTHER]
    assert {row.device_id for row in store.sessions()} == {OTHER}
    kept = (folder / "events.jsonl").read_bytes().splitlines()
    assert kept == [line for line in lines if not _is_of(line, KITCHEN)]
    house.resend()
    assert [row.device_id for row in store.devices()] == [OTHER], "what it sends again is not taken"
    store.close()
    _assert_absent(folder, KITCHEN, OTHER)


def _is_of(line: bytes, device_id: str) -> bool:
    event = json.loads(line)
    named = {event.get("anonymousId"), event["context"].get("device", {}).get("id")}
    return device_id in named


def _assert_absent(folder: Path, text: str, but_in: str = "") -> None:
    """`but_in`: a longer ID that has it as its beginning."""
    for name in files_with(folder, text.encode()):
        data = (folder / name).read_bytes()
        assert but_in and data.count(text.encode()) == data.count(but_in.encode()), name
