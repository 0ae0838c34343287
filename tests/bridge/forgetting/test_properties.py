"""Whatever happened before: what was forgotten is in no file, and what others did is as it was, to the byte."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import forget
from pixeltrail_bridge.store.database import SqlStore

from tests.support.film import BOOT_MS
from tests.support.histories import HOUR_MS, House, dump, files_with
from tests.support.stores import SqlitePlace

DEVICES = ("kitchen-01", "oven-7-upstairs", "hall-lamp-003")
USERS = ("anna@example.com", "benjamin.42", None)


@dataclass(frozen=True)
class Told:
    device: str
    users: tuple[str | None, ...]
    ends: bool


SESSIONS = st.builds(
    Told,
    st.sampled_from(DEVICES),
    st.lists(st.sampled_from(USERS), min_size=1, max_size=3).map(tuple),
    st.booleans(),
)
SUBJECTS = st.one_of(
    st.builds(Subject, st.just("device"), st.sampled_from(DEVICES)),
    st.builds(Subject, st.just("user"), st.sampled_from([one for one in USERS if one])),
)


def others(store: SqlStore, place: SqlitePlace, subject: Subject) -> set[tuple[str, str]]:
    """Rows of events that are certainly not the subject's: of another device, and naming another user."""
    rows = place.query("SELECT e.*, d.device_id FROM events e JOIN devices d ON d.no = e.device")
    found = set()
    for row in rows:
        text = repr(row)
        is_made = "Display Changed" in text
        if subject.name not in text and any(user and user in text for user in USERS) and not is_made:
            found.add(("events", text))
    return found


def check(history: list[Told], subject: Subject, packed: bool, resent: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = SqlitePlace(folder / "pixeltrail.db")
        store = place.open()
        house = House(store, folder)
        for one in history:
            house.tell(one.device, *one.users, ends=one.ends)
        if packed:
            house.pack()
        lines = [row.payload for row in store.events(limit=10_000)]
        (folder / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        kept = others(store, place, subject)
        untouched = {
            row.session_id
            for row in store.sessions()
            if subject.kind == "device" and row.device_id != subject.name
        }
        report = forget(
            store, subject, Beside(folder, (folder / "events.jsonl",)), now_ms=lambda: BOOT_MS + 90 * HOUR_MS
        )
        assert report.is_clean, report.as_json()
        if resent:
            house.resend()
            house.tell(DEVICES[2] if subject.name != DEVICES[2] else DEVICES[1], None)
        assert kept <= others(store, place, subject)
        assert untouched <= {row.session_id for row in store.sessions()}
        if subject.kind == "device":
            assert subject.name not in [row.device_id for row in store.devices()]
        assert not any(subject.name in row for table in dump(place, store).values() for row in table)
        store.truncate_log()
        store.close()
        assert files_with(folder, subject.name.encode()) == []


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SESSIONS, min_size=1, max_size=5), SUBJECTS, st.booleans(), st.booleans())
def test_any_history(history: list[Told], subject: Subject, packed: bool, resent: bool) -> None:
    check(history, subject, packed, resent)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SESSIONS, min_size=1, max_size=9), SUBJECTS, st.booleans(), st.booleans())
def test_any_long_history(history: list[Told], subject: Subject, packed: bool, resent: bool) -> None:
    check(history, subject, packed, resent)
