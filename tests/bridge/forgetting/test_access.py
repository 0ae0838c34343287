"""What is handed over is all that is known of somebody, and nothing of anybody else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export.ptr import open_ptr
from pixeltrail_bridge.forgetting.access import write
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.wire import messages as m

from tests.support.film import BOOT_MS
from tests.support.histories import House
from tests.support.stores import Place

KITCHEN, OTHER, ANNA, BEN = "kitchen-01", "hall-02", "anna@example.com", "benjamin.42"


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_a_device_in_a_folder(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    session = house.tell(KITCHEN, ANNA)
    house.tell(OTHER, BEN)
    house.decorate(KITCHEN, session)
    camera = house.cameras[KITCHEN]
    at_ms = 60_000
    house.feed(
        KITCHEN, [camera.say(at_ms, m.SessionStart(1, True, None)), camera.say(at_ms + 5, m.OptOut(True))]
    )
    written = write(store, Subject("device", KITCHEN), tmp_path / "out", BOOT_MS)
    folder = tmp_path / "out"
    assert [one["device_id"] for one in rows(folder, "devices")] == [KITCHEN]
    assert {one["device_id"] for one in rows(folder, "sessions")} == {KITCHEN}
    first = next(one for one in rows(folder, "sessions") if one["session_id"] == session)
    assert first["is_starred"] and first["shares"] and first["user_id"] == ANNA
    events = [one["event"] for one in rows(folder, "events")]
    assert events == [json.loads(row.payload) for row in store.events(KITCHEN)]
    consent = rows(folder, "consent")
    assert [one["opted_out"] for one in consent] == [True, True] and consent[0][
        "at_ms"
    ] == BOOT_MS + at_ms + 5
    assert written.counts["dead_letters"] == 1 and not (folder / "recordings").exists()
    assert OTHER not in "".join(path.read_text() for path in folder.iterdir())
    with pytest.raises(LocalError, match="exists"):
        write(store, Subject("device", KITCHEN), folder, BOOT_MS)
    store.close()


def test_a_user_in_a_zip_with_pictures(place: Place, tmp_path: Path) -> None:
    store = place.open()
    house = House(store, tmp_path)
    own = house.tell(KITCHEN, ANNA)
    house.tell(KITCHEN, BEN)
    shared = house.tell(OTHER, ANNA, BEN)
    write(store, Subject("user", ANNA), tmp_path / "anna.zip", BOOT_MS, pictures=True)
    with zipfile.ZipFile(tmp_path / "anna.zip") as file:
        names = set(file.namelist())
        events = file.read("events.jsonl").decode()
        recordings = {name for name in names if name.endswith(".ptr")}
        assert recordings == {f"recordings/{KITCHEN}-{own}.ptr", f"recordings/{OTHER}-{shared}.ptr"}
        file.extractall(tmp_path / "unpacked")
    assert ANNA in events and BEN not in events, "what another did is theirs"
    with (tmp_path / "unpacked" / f"recordings/{KITCHEN}-{own}.ptr").open("rb") as part:
        pictures = [one.pixels for one in open_ptr(part, "x").pictures()]
    assert pictures == [one.pixels for one in Recording.open(store, KITCHEN, own).pictures()]
    store.close()


def test_nothing_is_said_of_a_name_that_nobody_has(place: Place, tmp_path: Path) -> None:
    store = place.open()
    with pytest.raises(LocalError, match="nothing is kept"):
        write(store, Subject("user", "nobody"), tmp_path / "out", BOOT_MS)
    assert not (tmp_path / "out").exists()
    store.close()
