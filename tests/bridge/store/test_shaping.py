"""Rules at the one door to the outbox: what is written down, who gets what, and what is counted; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pixeltrail_bridge.mapping.calls import Call, Settled
from pixeltrail_bridge.mapping.rule_checks import read
from pixeltrail_bridge.mapping.rules import Rules
from pixeltrail_bridge.mobile.intake import Intake, IntakeSettings, Received
from pixeltrail_bridge.store import overview, scanning
from pixeltrail_bridge.store.database import DROPPED, SqlStore

from tests.support.stores import Place

NOW = 1_767_323_045_000
DEVICE = "kitchen-01"
SINKS = ("segment", "jsonl")
EMAIL = "ada@example.com"


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    store = place.open(SINKS)
    store.commit_batch(lambda tx: tx.add_device(DEVICE, b"{}", NOW))
    yield store
    store.close()


def put(store: SqlStore, *names: str) -> int:
    def call(name: str) -> Call:
        payload = {"type": "track", "messageId": f"px-{name}", "event": name, "properties": {"email": EMAIL}}
        return Call(f"px-{name}", DEVICE, 7, "track", name, payload, NOW)

    return store.commit_batch(lambda tx: tx.enqueue_calls([call(name) for name in names]))


def set_rules(store: SqlStore, *fields: dict[str, Any]) -> None:
    store.shaping = Rules([read({"name": str(n), **one}) for n, one in enumerate(fields)], SINKS)


def given_out(store: SqlStore, sink: str) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in store.lease(sink, 10, NOW, 1)]


def everything(place: Place) -> str:
    return repr([place.query(f"SELECT * FROM {table}") for table in ("events", "deliveries", "dead_letters")])


def test_what_is_redacted_stands_nowhere(place: Place, store: SqlStore) -> None:
    set_rules(store, {"redact": ["properties.email"]})
    put(store, "Brew")
    assert EMAIL not in everything(place).replace("\\\\", "")
    assert [given_out(store, sink)[0]["properties"] for sink in SINKS] == [{"email": "[redacted]"}] * 2


def test_a_dropped_event_is_counted_and_nothing_waits(place: Place, store: SqlStore) -> None:
    set_rules(store, {"events": ("Brew*",), "drop_event": True})
    assert put(store, "Brew", "Clean", "Brewing") == 1
    assert store.counters()[DEVICE] == {DROPPED: 2}
    assert [event.event for event in store.events()] == ["Clean"]
    assert {sink: fill.events for sink, fill in store.fill().items()} == {"segment": 1, "jsonl": 1}


def test_an_event_goes_where_it_is_sent_to_and_what_waits_is_counted_right(store: SqlStore) -> None:
    assert store.fill() == {}  # counted once; kept up from here on
    set_rules(store, {"events": ("Brew",), "send_to": ("jsonl",)})
    assert put(store, "Brew", "Clean") == 2
    assert [one["event"] for one in given_out(store, "segment")] == ["Clean"]
    assert [one["event"] for one in given_out(store, "jsonl")] == ["Brew", "Clean"]
    kept_up = store.fill()
    assert {sink: fill.events for sink, fill in kept_up.items()} == {"segment": 1, "jsonl": 2}
    store._fill = None
    assert store.fill() == kept_up


def test_a_sink_gets_its_own_payload_also_as_a_dead_letter_and_in_the_history_of_events(
    store: SqlStore,
) -> None:
    set_rules(store, {"sinks": ("segment",), "rename": {"properties.email": "properties.mail"}})
    put(store, "Brew")
    assert given_out(store, "segment")[0]["properties"] == {"mail": EMAIL}
    assert given_out(store, "jsonl")[0]["properties"] == {"email": EMAIL}
    (event,) = store.events()
    own = {one.sink: one.payload and json.loads(one.payload)["properties"] for one in event.deliveries}
    assert own == {"segment": {"mail": EMAIL}, "jsonl": None}
    store.settle("segment", [Settled(event.id, "dead", 400, "no")], NOW)
    for letters in (store.dead_deliveries(), overview.find_dead_deliveries(store)):
        assert [json.loads(one.raw)["properties"] for one in letters] == [{"mail": EMAIL}]


def test_somebody_is_found_by_what_a_single_sink_was_given(store: SqlStore) -> None:
    set_rules(store, {"sinks": ("segment",), "redact": ["properties.email"]})
    put(store, "Brew", "Clean")
    found = list(scanning.events_with(store, EMAIL))
    assert sorted({number for number, *_ in found}) == [event.id for event in store.events()]
    assert all(EMAIL.encode() in bytes(payload) for *_, payload in found)


def test_what_was_written_down_before_stays_as_it_was(store: SqlStore) -> None:
    put(store, "Brew")
    set_rules(store, {"events": ("Brew",), "send_to": ("jsonl",), "drop": ["properties.email"]})
    assert put(store, "Brew") == 0, "it is known"
    assert [given_out(store, sink)[0]["properties"] for sink in SINKS] == [{"email": EMAIL}] * 2


def test_events_of_companion_apps_come_through_the_same_door(place: Place, store: SqlStore) -> None:
    set_rules(
        store, {"events": ("Spam",), "drop_event": True}, {"redact": ["properties.email", "traits.email"]}
    )
    posted = [
        {
            "type": "track",
            "event": name,
            "messageId": name,
            "anonymousId": "a",
            "properties": {"email": EMAIL},
        }
        for name in ("Spam", "Tapped", "[Amplitude] Mine")
    ]
    taken = store.commit_batch(
        lambda tx: Intake(IntakeSettings()).take(tx, [Received(one, NOW) for one in posted])
    )
    assert (taken.added, taken.known, taken.refused) == (1, 0, 1)
    assert [json.loads(event.payload)["properties"] for event in store.events()] == [{"email": "[redacted]"}]
    assert EMAIL not in everything(place), "nor does the dead letter of the refused one hold it"
