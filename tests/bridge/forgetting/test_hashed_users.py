"""A user whom rules gave another name is forgotten under that as well, here and at the vendors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app.rules import make_rules, user_aliases
from pixeltrail_bridge.cli import forget as command
from pixeltrail_bridge.forgetting import access
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import forget
from pixeltrail_bridge.store.requests import requests
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.film import BOOT_MS
from tests.support.histories import House, files_with

KITCHEN, ANNA, BEN = "kitchen-01", "anna.schmidt@example.com", "user-ben-0042"
RULES = '[[rules]]\nredact = ["userId", "previousId"]\nredact_key_file = "pepper"\n'
VENDORS = '[privacy]\nsegment_token_file = "pepper"\nsegment_source = "a"\n'


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    (tmp_path / "pepper").write_text("sixteen letters and more")
    (tmp_path / "pixeltrail.toml").write_text(
        RULES + VENDORS + f"[bridge]\ndata_dir = '{tmp_path / 'data'}'\n"
    )
    return config.load(tmp_path / "pixeltrail.toml")


def furnish(settings: config.Config) -> SqliteStore:
    folder = settings.bridge.data_dir
    folder.mkdir()
    store = SqliteStore(settings.bridge.database, ["jsonl"])
    store.shaping = make_rules(settings, ["jsonl"])
    house = House(store, folder)
    house.tell(KITCHEN, ANNA)
    house.tell(KITCHEN, BEN)
    for number, user in enumerate((ANNA, BEN)):
        event = {"type": "track", "event": "Ordered", "userId": user, "messageId": f"m{number}"}
        house.post({**event, "anonymousId": f"phone-{user[:3]}-0001"})
    return store


def users(store: SqliteStore) -> set[str]:
    events = (json.loads(row.payload) for row in store.events(limit=1_000))
    return {event["userId"] for event in events if event.get("userId")}


def test_nothing_of_the_user_or_the_other_name_is_left(settings: config.Config) -> None:
    store = furnish(settings)
    (anna,), (ben,) = user_aliases(settings, ANNA), user_aliases(settings, BEN)
    assert users(store) == {anna, ben} and len(anna) == 32
    beside = Beside(settings.bridge.data_dir, ())
    subject = Subject("user", ANNA, aliases=frozenset({anna}))
    report = forget(store, subject, beside, now_ms=lambda: BOOT_MS * 2)
    assert report.is_clean, report.as_json()
    assert users(store) == {ben}
    assert [row.user_id for row in store.sessions() if row.user_id] == [BEN]
    store.close()
    for name in (ANNA, anna):
        assert files_with(settings.bridge.data_dir, name.encode()) == []


def test_what_is_known_of_the_user_is_found_under_the_other_name(
    settings: config.Config, tmp_path: Path
) -> None:
    store = furnish(settings)
    subject = Subject("user", ANNA, aliases=user_aliases(settings, ANNA))
    written = access.write(store, subject, tmp_path / "out", BOOT_MS)
    store.close()
    events = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert written.counts["events"] == len(events) > 2
    assert "Ordered" in json.dumps(events)


def test_a_vendor_is_asked_about_both_names(settings: config.Config) -> None:
    store = furnish(settings)
    subject = command._subject(settings, None, ANNA, None)
    place = Beside(settings.bridge.data_dir, ())
    command._forget(settings, store, subject, place, True)
    asked = {row.subject for row in requests(store)}
    store.close()
    assert asked == {ANNA, *user_aliases(settings, ANNA)}


def test_without_such_a_rule_there_is_no_other_name(settings: config.Config, tmp_path: Path) -> None:
    (tmp_path / "pixeltrail.toml").write_text("[[rules]]\nredact = ['userId']\n")
    assert user_aliases(config.load(tmp_path / "pixeltrail.toml"), ANNA) == frozenset()
