"""After something was forgotten no file has anything of it, nothing brings it back, and all else is as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pixeltrail_bridge.backup import Place as BackupPlace
from pixeltrail_bridge.backup import make_backup
from pixeltrail_bridge.forgetting import stones
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import Report, again, forget
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import scanning
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.scanning import Needle
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink

from tests.support.film import BOOT_MS, Camera, Device
from tests.support.histories import HOUR_MS, SECRET, House, dump, files_with
from tests.support.stores import Place, SqlitePlace

KITCHEN, OTHER, ANNA, BEN = "kitchen-01", "kitchen-011", "anna.schmidt@example.com", "user-ben-0042"
NOW_MS = BOOT_MS + 50 * HOUR_MS

PACKED = [pytest.param(False, marks=pytest.mark.slow), True]  # packed, there are rows as well


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


@pytest.mark.parametrize("packed", PACKED)
def test_a_device_leaves_nothing_behind(place: Place, folder: Path, packed: bool) -> None:
    store = place.open()
    house = furnish(store, folder, packed)
    lines = write_lines(store, folder)
    before = dump(place, store)
    pictures, others = (
        pictures_of(store, *((device, row.session_id) for row in store.sessions(device)))
        for device in (KITCHEN, OTHER)
    )
    assert pictures
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
    if isinstance(place, SqlitePlace):
        make_backup(store, BackupPlace(folder, folder / "pixeltrail.db"), folder / "later.tar")
    store.close()
    _assert_absent(folder, KITCHEN, OTHER)
    _assert_no_pictures(folder, pictures, others)


@pytest.mark.parametrize("packed", PACKED)
def test_a_user_leaves_nothing_behind(place: Place, folder: Path, packed: bool) -> None:
    store = place.open()
    house = furnish(store, folder, packed)
    lines = write_lines(store, folder)
    before = dump(place, store)
    sessions = {(row.device_id, row.session_id): row.user_id for row in store.sessions()}
    alone = [key for key, user in sessions.items() if user == BEN][:2]
    hers = [(KITCHEN, store.sessions(KITCHEN)[0].session_id), (OTHER, store.sessions(OTHER)[1].session_id)]
    pictures, others = pictures_of(store, *hers), pictures_of(store, *(set(sessions) - set(hers)))
    assert pictures
    report = run(store, folder, Subject("user", ANNA))
    assert report.is_clean and report.sessions == 3, "two of devices, and one of her phone's own"
    left = {(row.device_id, row.session_id) for row in store.sessions()}
    assert set(alone) <= left and len(left) == len(sessions) - 2, "the session that both were in goes, too"
    after = dump(place, store)
    for table in ("events", "clips", "sessions", "spans", "packs", "packed", "gaps", "shares"):
        assert set(after[table]) <= set(before[table]), f"what stays of {table} is as it was"
    kept = [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    bens = [json.loads(line) for line in lines if json.loads(line).get("userId") == BEN]
    told = [event for event in bens if event.get("event") != "Display Changed"]
    assert [event for event in told if event not in kept] == [], "what names another user stays"
    assert not any(event.get("anonymousId") == "phone-anna" for event in kept)
    house.resend()
    assert not any(row.user_id == ANNA for row in store.sessions())
    store.close()
    for text in (ANNA, "name of " + ANNA, "phone-anna"):
        _assert_absent(folder, text)
    _assert_no_pictures(folder, pictures, others)


@pytest.mark.parametrize("packed", PACKED)
def test_what_others_recorded_plays_as_before(place: Place, folder: Path, packed: bool) -> None:
    store = place.open()
    furnish(store, folder, packed)
    stays = [
        row.session_id
        for row in store.sessions(OTHER)
        if not any(ANNA.encode() in e.payload for e in store.events(OTHER, row.session_id))
    ]
    assert len(stays) == 2
    pictures = {one: list(Recording.open(store, OTHER, one).pictures()) for one in stays}
    marks = {one: list(Recording.open(store, OTHER, one).marks()) for one in stays}
    assert all(pictures.values())
    run(store, folder, Subject("user", ANNA))
    for one in stays:
        assert list(Recording.open(store, OTHER, one).pictures()) == pictures[one]
        assert list(Recording.open(store, OTHER, one).marks()) == marks[one]
    store.close()


@pytest.mark.parametrize("packed", PACKED)
def test_a_session_goes_alone(place: Place, folder: Path, packed: bool) -> None:
    store = place.open()
    house = furnish(store, folder, packed)
    first, second = (row.session_id for row in store.sessions(KITCHEN))
    pictures = list(Recording.open(store, KITCHEN, second).pictures())
    others = {row.session_id for row in store.sessions(OTHER)}
    report = run(store, folder, Subject("session", KITCHEN, first))
    assert report.is_clean, report.as_json()
    house.resend()
    assert [row.session_id for row in store.sessions(KITCHEN)] == [second]
    assert {row.session_id for row in store.sessions(OTHER)} == others
    assert list(Recording.open(store, KITCHEN, second).pictures()) == pictures
    assert not store.events(KITCHEN, first) and store.events(KITCHEN, second)
    assert dict(report.as_json()["rows"])["sessions"]["erased"] == 1
    store.close()


def test_an_older_copy_that_is_put_back_is_cleaned_at_once(place: Place, folder: Path) -> None:
    store = place.open()
    furnish(store, folder, packed=False)
    store.close()
    copy = place.copy()
    store = place.open()
    run(store, folder, Subject("device", KITCHEN))
    run(store, folder, Subject("user", ANNA))
    wanted = dump(place, store)
    store.close()
    restored = copy.open()
    assert KITCHEN in [row.device_id for row in restored.devices()]
    assert stones.merge(restored, folder) > 0, "the file knows what the copy does not"
    again(restored, beside(folder), None, lambda: NOW_MS)
    assert [row.device_id for row in restored.devices()] == [OTHER]
    after = dump(copy, restored)
    for table in ("events", "sessions", "spans", "clips", "deliveries"):
        assert after[table] == wanted[table], (table, [r for r in wanted[table] if r not in after[table]])
    assert stones.merge(restored, folder) == 0
    restored.close()
    if isinstance(copy, SqlitePlace):
        for text in (KITCHEN, ANNA):
            _assert_absent(copy.path, text, OTHER if text == KITCHEN else "")


def test_a_device_that_may_go_on_begins_anew(place: Place, folder: Path) -> None:
    store = place.open()
    house = furnish(store, folder, packed=False)
    old = {row.session_id for row in store.sessions(KITCHEN)}
    assert run(store, folder, Subject("device", KITCHEN), refuses=False).is_clean
    house.resend()
    assert not store.sessions(KITCHEN), "what it had recorded before does not come back"
    camera = Camera(Device(32, 16, m.PixelFormat.GS8), b"new boot", NOW_MS + 1_000, KITCHEN)
    house.feed(KITCHEN, [*camera.begin(0), *camera.key(100)])
    (session,) = store.sessions(KITCHEN)
    assert session.session_id not in old and list(
        Recording.open(store, KITCHEN, session.session_id).pictures()
    )
    store.close()


def test_the_search_finds_what_is_there(place: Place, folder: Path) -> None:
    """On both databases: one that found nothing would always be content."""
    store = place.open()
    house = furnish(store, folder, packed=False)
    found = scanning.find_in_tables(store, Needle(KITCHEN))
    assert {"devices.device_id", "events.payload", "dead_letters.device_id", "projections.state"} <= set(
        found
    )
    assert set(found) >= set(scanning.find_in_tables(store, Needle("kitchen"))), "a part of an ID is none"
    assert {"chunks.data", "sessions.user_id"} <= set(scanning.find_in_tables(store, Needle(BEN)))
    house.pack()
    assert list(scanning.find_in_objects(store, Needle(ANNA), set()))
    store.close()


def test_forgetting_again_changes_nothing(place: Place, folder: Path) -> None:
    store = place.open()
    furnish(store, folder, packed=True)
    run(store, folder, Subject("user", ANNA))
    before = dump(place, store)
    report = run(store, folder, Subject("user", ANNA))
    assert report.is_clean and not any(row["erased"] for row in report.as_json()["rows"].values())
    after = dump(place, store)
    noted = ("erasures", "devices", "meta", "sqlite_sequence")
    assert {name: rows for name, rows in after.items() if name not in noted} == {
        name: rows for name, rows in before.items() if name not in noted
    }
    store.close()


def pictures_of(store: SqlStore, *sessions: tuple[str, int]) -> list[bytes]:
    """What the pictures of sessions are made of, as it lies in chunks."""
    found = []
    for device_id, session_id in sessions:
        for stored in store.session_chunks(device_id, session_id):
            chunk = decode_uplink(stored.data)
            assert isinstance(chunk, m.Chunk)
            found += [one.body.payload for one in chunk.records if isinstance(one.body, m.Frame)]
    return [one for one in found if len(one) >= 12]


def _assert_no_pictures(folder: Path, pictures: list[bytes], others: list[bytes]) -> None:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for one in pictures:
            assert one in others or one not in data, path


def _is_of(line: bytes, device_id: str) -> bool:
    event = json.loads(line)
    named = {event.get("anonymousId"), event["context"].get("device", {}).get("id")}
    return device_id in named


def _assert_absent(folder: Path, text: str, but_in: str = "") -> None:
    """`but_in`: a longer ID that has it as its beginning."""
    for name in files_with(folder, text.encode()):
        data = (folder if folder.is_file() else folder / name).read_bytes()
        assert but_in and data.count(text.encode()) == data.count(but_in.encode()), name
