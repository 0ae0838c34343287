"""Each kind is kept for as long as the settings say, a star keeps a session, and little is done at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.forgetting import forget as forgetting
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import forget
from pixeltrail_bridge.keeper import Keeper, KeepFor
from pixeltrail_bridge.mapping.calls import Settled
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import erasing, retention, search, tombstones
from pixeltrail_bridge.store.base import SEQ_SPAN, DeviceSave, NewChunk
from pixeltrail_bridge.store.database import SqlStore, SqlTransaction

from tests.support.film import BOOT_MS
from tests.support.histories import HOUR_MS, House, dump
from tests.support.stores import Place, SqlitePlace

DEVICE, ANNA = "kitchen-01", "anna@example.com"
DAY_MS = 24 * HOUR_MS


def keep(store: SqlStore, folder: Path, now_ms: int, **times: int) -> Keeper:
    """All that is due now is done."""
    keeper = Keeper(store, folder, KeepFor(**times), now_ms=lambda: now_ms)
    while keeper.turn():
        pass
    return keeper


def settle_all(store: SqlStore, now_ms: int) -> None:
    rows = store.lease("sink", 10_000, now_ms, 1_000)
    store.settle("sink", [Settled(row.id, "sent") for row in rows], now_ms)


def count(place: Place, table: str, where: str = "true") -> int:
    return int(place.query(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


@pytest.mark.parametrize("packed", [False, True])
def test_recordings_go_and_what_is_starred_stays(place: Place, tmp_path: Path, packed: bool) -> None:
    store = place.open()
    house = House(store, tmp_path)
    first, starred, last = (house.tell(DEVICE, user) for user in (ANNA, None, ANNA))
    search.set_star(store, DEVICE, starred, True)
    if packed:
        house.pack()
    pictures = list(Recording.open(store, DEVICE, starred).pictures())
    end_ms = store.session(DEVICE, first).end_ms  # type: ignore[union-attr]
    assert end_ms is not None
    keeper = keep(store, tmp_path, end_ms + DAY_MS + 1, recordings_ms=DAY_MS)
    assert keeper.gone["recordings"] == 1
    assert [row.session_id for row in store.sessions(DEVICE)] == [first, starred, last], "they stay in lists"
    assert not store.spans(DEVICE, first) and store.spans(DEVICE, last)
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, recordings_ms=DAY_MS)
    assert not store.spans(DEVICE, last)
    assert list(Recording.open(store, DEVICE, starred).pictures()) == pictures
    assert count(place, "packs") == (1 if packed else 0)
    files = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert len(files) == count(place, "packs"), "an object goes with its rows"
    assert store.counters("")[""]["retention_recordings"] >= 2, "and it is counted for people"
    house.resend()
    assert not store.spans(DEVICE, first), "what a device sends again stays away"
    store.close()


def test_a_session_goes_with_all_that_hangs_on_it(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    first, second = house.tell(DEVICE, ANNA), house.tell(DEVICE, None)
    house.decorate(DEVICE, first)
    search.set_star(store, DEVICE, first, False)
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, sessions_ms=30 * DAY_MS)
    assert not store.sessions(DEVICE)
    for table in ("spans", "clips", "keyframes", "shares", "stars", "event_names"):
        assert count(place, table) == 0, table
    assert store.events(DEVICE, first) and store.events(DEVICE, second), "events have a time of their own"
    store.close()


def test_events_wait_for_every_sink(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    session = house.tell(DEVICE, ANNA)
    late_ms = BOOT_MS + 100 * DAY_MS
    keep(store, tmp_path, late_ms, events_ms=DAY_MS)
    assert store.events(DEVICE, session), "nobody has taken them"
    settle_all(store, late_ms)
    keep(store, tmp_path, late_ms, events_ms=DAY_MS)
    assert store.events(DEVICE, session), "the time counts from when they were taken"
    search.set_star(store, DEVICE, session, True)
    keep(store, tmp_path, late_ms + 2 * DAY_MS, events_ms=DAY_MS)
    assert store.events(DEVICE, session)
    search.set_star(store, DEVICE, session, False)
    keep(store, tmp_path, late_ms + 2 * DAY_MS, events_ms=DAY_MS)
    assert not store.events() and count(place, "deliveries") == 0
    store.close()


def test_dead_letters_and_silent_devices_go(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    session = house.tell(DEVICE, ANNA)
    house.decorate(DEVICE, session)
    rows = store.lease("sink", 1, BOOT_MS, 1_000)
    store.settle("sink", [Settled(rows[0].id, "dead", 400, "no")], BOOT_MS)
    later_ms = BOOT_MS + 100 * DAY_MS
    keep(store, tmp_path, later_ms, dead_letters_ms=DAY_MS)
    assert not store.dead_letters() and not store.dead_deliveries()
    keep(store, tmp_path, later_ms, devices_ms=DAY_MS)
    assert store.devices(), "something of it is kept"
    search.set_star(store, DEVICE, session, False)
    settle_all(store, BOOT_MS)
    everything = dict.fromkeys(
        ("sessions_ms", "recordings_ms", "events_ms", "devices_ms", "uploads_ms"), DAY_MS
    )
    keep(store, tmp_path, later_ms, **everything)
    assert not store.devices()
    left = {name: rows for name, rows in dump(place, store).items() if rows}
    assert set(left) <= {"meta", "counters", "sqlite_sequence", "schema_version", "outbox_slots"}
    store.close()


def test_a_session_without_an_end_is_closed_and_opens_again(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    session = house.tell(DEVICE, None, ends=False)
    row = store.session(DEVICE, session)
    assert row is not None and row.end_ms is None
    keep(store, tmp_path, row.last_ms + DAY_MS - 1_000_000, close_after_ms=DAY_MS)
    assert store.session(DEVICE, session).end_ms is None  # type: ignore[union-attr]
    keep(store, tmp_path, row.last_ms + DAY_MS + 60_000, close_after_ms=DAY_MS)
    assert store.session(DEVICE, session).end_ms == row.last_ms  # type: ignore[union-attr]
    house.pack()
    camera = house.cameras[DEVICE]
    house.feed(DEVICE, camera.show(100_000, bytes([77]) * 512))
    again = store.session(DEVICE, session)
    assert again is not None and again.end_ms is None and again.last_ms > row.last_ms
    store.close()


def test_no_transaction_deletes_more_than_a_few_rows(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "ROWS", 5)
    store = place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, *([None] * 20))
    most = 0
    commit = store.commit_batch

    def counted(work):  # type: ignore[no-untyped-def]
        nonlocal most
        before = count(place, "chunks")
        result = commit(work)
        most = max(most, before - count(place, "chunks"))
        return result

    monkeypatch.setattr(store, "commit_batch", counted)
    assert count(place, "chunks") > 50
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, sessions_ms=DAY_MS)
    assert 0 < most <= 5
    store.close()


def test_room_is_given_back_to_the_disk(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "store.db")
    store = place.open()
    house = House(store, tmp_path)
    for _ in range(3):
        house.tell(DEVICE, *([ANNA] * 40))
    store.compact()
    before = place.path.stat().st_size
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, sessions_ms=DAY_MS)
    settle_all(store, BOOT_MS)
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, events_ms=DAY_MS)
    store.truncate_log()
    assert place.path.stat().st_size < before / 2
    assert place.query("PRAGMA freelist_count") == [(0,)]
    store.close()


def test_the_oldest_of_each_kind_is_known(place: Place, tmp_path: Path) -> None:
    store = place.open()
    assert set(retention.kept_since(store).values()) == {None}
    House(store, tmp_path).tell(DEVICE, ANNA)
    since = retention.kept_since(store)
    assert since["recordings"] == since["sessions"] == store.sessions(DEVICE)[0].start_ms and since["events"]
    store.close()


def test_an_older_copy_is_cleaned_before_anything_is_taken(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, ANNA)
    house.tell("hall-02", None)
    store.close()
    copy = place.copy()
    store = place.open()
    subject = Subject("device", DEVICE)
    forget(store, subject, Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    assert Keeper(store, tmp_path, KeepFor()).recover() == 0, "nothing came back"
    store.close()
    restored = copy.open()
    assert Keeper(restored, tmp_path, KeepFor()).recover() == 1
    assert [row.device_id for row in restored.devices()] == ["hall-02"]
    restored.close()


def test_caches_hear_of_what_another_process_forgot(place: Place, tmp_path: Path) -> None:
    store, other = place.open(), place.open()
    house = House(store, tmp_path)
    first = house.tell(DEVICE, ANNA)
    house.tell("hall-02", ANNA)
    heard: list[tuple[list[int], bool]] = []
    keeper = Keeper(store, tmp_path, KeepFor(), lambda devices, whole: heard.append((list(devices), whole)))
    keeper.notice()
    assert heard == []
    number = int(place.query("SELECT no FROM devices WHERE device_id = 'kitchen-01'")[0][0])
    forget(other, Subject("session", DEVICE, first), Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    keeper.notice()
    assert heard == [([number], False)]
    forget(other, Subject("device", DEVICE), Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    keeper.notice()
    keeper.notice()
    assert len(heard) == 2 and heard[1][1], "once for each"
    assert store.fill()["sink"].events == place.query("SELECT count(*) FROM deliveries")[0][0], "counted anew"
    other.close()
    store.close()


def test_what_is_read_while_it_is_forgotten_is_told_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large device takes longer than the bridge takes to notice: what it read meanwhile has to go as well."""
    store, other = place.open(), place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, ANNA)
    house.tell("hall-02", ANNA)
    found: list[list[str]] = []
    keeper = Keeper(
        store, tmp_path, KeepFor(), lambda *_: found.append([row.device_id for row in store.devices()])
    )
    whole = forgetting.erase

    def erase(*arguments: object) -> None:
        keeper.notice()
        whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(forgetting, "erase", erase)
    forget(other, Subject("device", DEVICE), Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    keeper.notice()
    keeper.notice()
    assert found == [["hall-02", DEVICE], ["hall-02"]]
    rows = count(place, "erasures")
    forget(other, Subject("device", DEVICE), Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    assert count(place, "erasures") == rows, "each stands there once"
    other.close()
    store.close()


def test_a_word_that_did_not_reach_everybody_is_said_again(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, ANNA)
    told: list[bool] = []

    def tell(*_: object) -> None:
        told.append(True)
        if len(told) == 1:
            raise StoreError("the database is away")

    keeper = Keeper(store, tmp_path, KeepFor(), tell)
    forget(store, Subject("device", DEVICE), Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS)
    with pytest.raises(StoreError):
        keeper.notice()
    keeper.notice()
    keeper.notice()
    assert len(told) == 2
    store.close()


def test_a_device_that_begins_anew_is_named_among_those_to_let_go_of(place: Place, tmp_path: Path) -> None:
    """It comes back within the second in which nobody has noticed yet: its old picture may not stay for that."""
    store = place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, ANNA)
    heard: list[list[int]] = []
    keeper = Keeper(store, tmp_path, KeepFor(), lambda devices, _: heard.append(list(devices)))
    subject = Subject("device", DEVICE)
    forget(store, subject, Beside(tmp_path), now_ms=lambda: BOOT_MS + DAY_MS, refuses=False)
    number = store.commit_batch(lambda tx: tx.add_device(DEVICE, b"{}", BOOT_MS + DAY_MS))
    keeper.notice()
    assert heard == [[number]]
    store.close()


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_two_that_forget_at_once_are_both_noticed(place: Place, tmp_path: Path) -> None:
    """Of two transactions the one with the smaller number may not end last, or nobody would look for it."""
    store, other = place.open(), place.open()
    first, second = (
        tombstones.Tombstone("device", name, b"salt", BOOT_MS, True) for name in (b"one", b"two")
    )
    waiting = threading.Thread(
        target=lambda: other.commit_batch(lambda tx: tombstones.add(tx.db, [second], tx.locking))
    )

    def work(tx: SqlTransaction) -> None:
        tombstones.add(tx.db, [first], tx.locking)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()

    store.commit_batch(work)
    waiting.join()
    digests = [bytes(row[0]) for row in place.query("SELECT digest FROM erasures ORDER BY no")]
    assert digests == [b"one", b"two"]
    other.close()
    store.close()


@pytest.mark.parametrize("kind", ["sessions", "recordings"])
def test_a_star_that_comes_while_others_go_keeps_its_session(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Both were found to be due; the second is starred, and that is confirmed, while the first is erased."""
    store = place.open()
    house = House(store, tmp_path)
    house.tell(DEVICE, ANNA)
    second = house.tell(DEVICE, None)
    house.tell(DEVICE, ANNA)
    pictures = list(Recording.open(store, DEVICE, second).pictures())
    whole = getattr(retention, f"old_{kind}")

    def found(*arguments: object) -> object:
        due = whole(*arguments)
        search.set_star(store, DEVICE, second, True)
        return due

    monkeypatch.setattr(retention, f"old_{kind}", found)
    keep(store, tmp_path, BOOT_MS + 100 * DAY_MS, **{f"{kind}_ms": DAY_MS})
    assert list(Recording.open(store, DEVICE, second).pictures()) == pictures
    store.close()


def test_what_a_device_that_comes_back_has_sent_stays(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found to be silent for long, and then is confirmed something."""
    store = place.open()
    later_ms = BOOT_MS + 100 * DAY_MS

    def begin(tx: SqlTransaction) -> int:
        device = tx.add_device(DEVICE, b"{}", BOOT_MS)
        assert device is not None
        return tx.add_stream(device, b"stream-a", b"{}", b"{}", BOOT_MS)

    stream = store.commit_batch(begin)

    def silent(*arguments: object) -> list[str]:
        def come_back(tx: SqlTransaction) -> None:
            (number,) = tx.db.execute("SELECT no FROM devices").fetchone()
            tx.put_chunks([NewChunk(stream * SEQ_SPAN, later_ms, b"chunk")])
            tx.save_devices([DeviceSave(number, b"{}", None, later_ms)])

        monkeypatch.undo()
        store.commit_batch(come_back)
        return [DEVICE]

    monkeypatch.setattr(retention, "silent_devices", silent)
    keep(store, tmp_path, later_ms, devices_ms=DAY_MS)
    assert [one.data for one in store.chunks(DEVICE, b"stream-a")] == [b"chunk"]
    store.close()
