"""Posts in the store: joined to a device or not, blocked, refused, repeated; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.forgetting.erasing import bury, erase
from pixeltrail_bridge.forgetting.finding import Subject, find
from pixeltrail_bridge.mobile import links, registry
from pixeltrail_bridge.mobile.enrichment import EnrichSettings
from pixeltrail_bridge.mobile.intake import BlockRules, Intake, IntakeSettings, Received, Taken
from pixeltrail_bridge.sessions.state import DeviceState, SessionRow
from pixeltrail_bridge.store import apps
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.erasing import Eraser

from tests.support.stores import Place

NOW = 1_767_323_045_000
DEVICE = "thermostat-1"
REPLAY = "[Amplitude] Session Replay ID"
ALWAYS = IntakeSettings(EnrichSettings(sample_rate=1.0))


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    store = place.open()
    yield store
    store.close()


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Tapped",
        "messageId": f"m-{number}",
        "anonymousId": "anon-1",
        "timestamp": "2026-01-02T03:04:05.000Z",
        "context": {"device": {"id": "phone-1"}},
        **fields,
    }


def take(store: SqlStore, *events: dict[str, Any], rules: IntakeSettings = ALWAYS, at_ms: int = NOW) -> Taken:
    received = [Received(one, at_ms, ip="203.0.113.9", user_agent="okhttp/4.12") for one in events]
    return store.commit_batch(lambda tx: Intake(rules).take(tx, received))


def payloads(store: SqlStore, device_id: str | None = None) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in store.events(device_id, limit=500)]


def add_device(
    store: SqlStore, *, sampled: bool = True, ended_ms: int | None = None, opted_out_ms: int | None = None
) -> int:
    """A device in a session that began a minute ago; returns the session's ID."""
    session_id = NOW - 60_000
    state = msgspec.json.encode(DeviceState(opted_out_ms=opted_out_ms))
    row = SessionRow(
        DEVICE, session_id, 1, 1, b"12345678", session_id, NOW - 1000, ended_ms, sampled, False, None
    )

    def work(tx: Any) -> None:
        tx.add_device(DEVICE, state, session_id)
        tx.put_sessions([row])

    store.commit_batch(work)
    return session_id


def pair(store: SqlStore) -> None:
    token = links.link_token(f"{DEVICE}/{NOW - 60_000}")
    take(store, event(0, context={"device": {"id": "phone-1"}, "pixeltrail": {"link": token.lower()}}))


def test_an_app_of_its_own(store: SqlStore) -> None:
    taken = take(store, event(1), event(2))
    assert (taken.added, taken.known, taken.refused) == (2, 0, 0)
    own = apps.app_device_id("phone-1")
    first = payloads(store, own)[0]
    assert first["properties"][REPLAY] == f"phone-1/{NOW}"
    assert first["context"]["ip"] == "203.0.113.9"
    assert first["originalTimestamp"] == first["timestamp"] == "2026-01-02T03:04:05.000Z"
    assert [row.key for row in apps.apps(store)] == ["phone-1"]
    assert store.pending("sink") == 2


def test_the_same_post_again_adds_nothing(store: SqlStore) -> None:
    take(store, event(1), event(2))
    before = payloads(store)
    taken = take(store, event(1), event(2), event(2), at_ms=NOW + 1000)
    assert (taken.added, taken.known) == (0, 3)
    assert payloads(store) == before


def test_two_events_under_one_message_id_in_one_post(store: SqlStore) -> None:
    assert take(store, event(1), event(1)).added == 1


@pytest.mark.parametrize(
    "message_id", ["px-00112233445566778899aabbccddeeff", "app-1", "x" * 200, "a\0b", "", None, 7]
)
def test_a_message_id_that_is_not_the_apps_to_take(store: SqlStore, message_id: Any) -> None:
    take(store, event(1, messageId=message_id))
    again = take(store, event(1, messageId=message_id))
    assert (again.added, again.known) == (0, 1)
    stored = payloads(store)[0]["messageId"]
    assert stored.startswith("app-")
    assert stored != message_id


def test_a_paired_app_joins_the_session_of_its_device(store: SqlStore) -> None:
    session_id = add_device(store)
    pair(store)
    take(store, event(1))
    joined = payloads(store, DEVICE)
    assert len(joined) == 2
    assert joined[1]["context"]["device"] == {"id": DEVICE, "companion_id": "phone-1"}
    assert joined[1]["integrations"]["Actions Amplitude"] == {"session_id": session_id}
    assert joined[1]["properties"][REPLAY] == f"{DEVICE}/{session_id}"
    assert [row.session_id for row in store.events(DEVICE)] == [session_id, session_id]


def test_an_app_that_names_the_device_needs_no_pairing(store: SqlStore) -> None:
    session_id = add_device(store)
    take(store, event(1, context={"device": {"id": DEVICE}}))
    assert payloads(store, DEVICE)[0]["properties"][REPLAY] == f"{DEVICE}/{session_id}"
    assert [row.key for row in apps.apps(store)] == ["anon-1"]


@pytest.mark.parametrize(
    ("facts", "has_session", "is_recorded"),
    [
        ({"sampled": False}, True, False),
        ({"opted_out_ms": NOW - 5000}, True, False),
        ({"opted_out_ms": NOW + 5000}, True, True),
        ({"ended_ms": NOW - 5000}, False, False),
    ],
)
def test_a_device_that_is_not_recorded(
    store: SqlStore, facts: dict[str, Any], has_session: bool, is_recorded: bool
) -> None:
    session_id = add_device(store, **facts)
    take(store, event(1, context={"device": {"id": DEVICE}}), rules=IntakeSettings())
    rows = store.events(DEVICE)
    assert [row.session_id for row in rows] == ([session_id] if has_session else [])
    assert (REPLAY in payloads(store)[0]["properties"]) == is_recorded


def test_a_token_nobody_shows_is_counted(store: SqlStore) -> None:
    add_device(store)
    take(store, event(1, context={"pixeltrail": {"link": "0000000"}}))
    assert store.counters("")[""]["mobile_link_unknown"] == 1
    assert store.events(DEVICE) == []


def test_an_app_opts_out_and_in_again(store: SqlStore) -> None:
    def say(number: int, **control: Any) -> dict[str, Any]:
        return event(number, context={"device": {"id": "phone-1"}, "pixeltrail": control})

    take(store, say(1, opt_out=True), event(2))
    take(store, say(3, opt_out=False))
    take(store, say(4, recording="stop"), event(5))
    take(store, say(6, recording="start"))
    welcome = [REPLAY in one["properties"] for one in payloads(store)]
    assert welcome == [False, False, True, False, False, True]


def test_without_auto_start_nothing_names_a_replay_until_the_app_or_a_person_says_start(
    store: SqlStore,
) -> None:
    waiting = IntakeSettings(EnrichSettings(sample_rate=1.0, auto_start=False))
    start = {"device": {"id": "phone-1"}, "pixeltrail": {"recording": "start"}}
    take(store, event(1), rules=waiting)
    take(store, event(2, context=start), event(3), rules=waiting)
    take(store, event(4, anonymousId="other", context={"device": {"id": "phone-2"}}), rules=waiting)
    registry.stop(store, "phone-2", False)
    take(store, event(5, anonymousId="other", context={"device": {"id": "phone-2"}}), rules=waiting)
    assert [REPLAY in one["properties"] for one in payloads(store)] == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ({"networks": ("203.0.113.0/24",)}, "ip"),
        ({"user_agents": ("OkHttp/*",)}, "user_agent"),
        ({"devices": ("phone-*",)}, "device"),
        ({"users": ("u-1",)}, "user"),
    ],
)
def test_block_rules_count_and_keep_nothing(store: SqlStore, rule: dict[str, Any], name: str) -> None:
    import ipaddress

    if "networks" in rule:
        rule = {"networks": tuple(map(ipaddress.ip_network, rule["networks"]))}
    taken = take(store, event(1, userId="u-1"), rules=IntakeSettings(block=BlockRules(**rule)))
    assert taken.blocked == 1
    assert store.events() == []
    assert apps.apps(store) == []
    assert store.counters("")[""] == {"mobile_events": 1, f"mobile_blocked_{name}": 1}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"type": "tracks"}, "type"),
        ({"event": ""}, "event"),
        ({"event": 5}, "event"),
        ({"event": "[Amplitude] Replay Captured"}, "Amplitude"),
        ({"type": "group"}, "groupId"),
        ({"type": "alias", "userId": "u"}, "previousId"),
        ({"anonymousId": None, "context": {}}, "userId"),
        ({"properties": []}, "properties"),
        ({"context": "x"}, "context"),
    ],
)
def test_what_no_sink_can_take_is_a_dead_letter(store: SqlStore, fields: dict[str, Any], word: str) -> None:
    taken = take(store, event(1, **fields), event(2))
    assert (taken.refused, taken.added) == (1, 1)
    (letter,) = store.dead_letters()
    assert letter.kind == "mobile"
    assert word in letter.reason


def test_the_clock_of_a_phone_is_put_right(store: SqlStore) -> None:
    late = Received(event(1, timestamp="2026-01-02T02:00:00.000Z"), NOW, skew_ms=3_600_000)
    ahead = Received(event(2, timestamp="2030-01-01T00:00:00.000Z"), NOW)
    unset = Received(event(3, timestamp="never"), NOW)
    store.commit_batch(lambda tx: Intake(ALWAYS).take(tx, [late, ahead, unset]))
    times = [(one.get("originalTimestamp"), one["timestamp"]) for one in payloads(store)]
    now = "2026-01-02T03:04:05.000Z"
    assert times == [
        ("2026-01-02T02:00:00.000Z", "2026-01-02T03:00:00.000Z"),
        ("2030-01-01T00:00:00.000Z", now),
        (None, now),
    ]


def test_an_address_can_be_kept_back(store: SqlStore) -> None:
    take(store, event(1, context={"ip": "198.51.100.1"}), rules=IntakeSettings(keep_ip=False))
    assert "ip" not in payloads(store)[0]["context"]


def test_sessions_go_on_after_a_restart(store: SqlStore, place: Place) -> None:
    take(store, event(1))
    store.close()
    again = place.open()
    try:
        taken = again.commit_batch(
            lambda tx: Intake(ALWAYS).take(tx, [Received(event(2, timestamp=None), NOW + 1000)])
        )
        assert taken.added == 1
        assert {row.session_id for row in again.events()} == {NOW}
    finally:
        again.close()


TOKENS = json.loads((Path(__file__).parents[3] / "schema/vectors/link_tokens.json").read_text())


@pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: str(vector["replay_id"])[:20])
def test_tokens_are_those_of_the_contract(vector: dict[str, str]) -> None:
    token = links.link_token(vector["replay_id"])
    assert token == vector["token"]
    assert links.clean_token(f" {token[:3].lower()}-{token[3:].replace('1', 'l').replace('0', 'o')}") == token


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "event",
            "messageId",
            "anonymousId",
            "userId",
            "groupId",
            "previousId",
            "context",
            "properties",
        ]
        + ["integrations", "traits", "timestamp", "originalTimestamp", "name"]
    ),
    JSON,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.builds(lambda base, odd: {**base, **odd}, st.just(event()), EVENTS), max_size=4))
def test_no_event_breaks_the_store(store: SqlStore, events: list[dict[str, Any]]) -> None:
    taken = take(store, *events)
    assert taken.added + taken.known + taken.refused >= len(events)


def test_apps_are_no_devices(store: SqlStore) -> None:
    add_device(store)
    take(store, event(1))
    assert [row.device_id for row in store.devices()] == [DEVICE]


@pytest.mark.parametrize(
    ("address", "kept"), [("203.0.113.9", "203.0.113.0"), ("2001:db8:1:2::7", "2001:db8:1::"), ("here", None)]
)
def test_of_an_address_only_its_network_may_be_kept(store: SqlStore, address: str, kept: str | None) -> None:
    context = {"device": {"id": "phone-1"}, "ip": address}
    cut = IntakeSettings(truncate_ip=True)
    take(store, event(1, context=context), event(2, context=context, event=""), rules=cut)
    assert [one["context"].get("ip") for one in payloads(store)] == [kept]
    (letter,) = store.dead_letters()
    assert address.encode() not in letter.raw, "a dead letter holds no more than an event"


def test_what_is_blocked_is_no_dead_letter_either(store: SqlStore) -> None:
    rules = IntakeSettings(block=BlockRules(users=("u-1",)))
    taken = take(store, event(1, userId="u-1", event=""), rules=rules)
    assert taken.blocked == 1 and not taken.refused and not store.dead_letters()


def test_of_a_user_who_was_forgotten_nothing_is_taken_again(store: SqlStore) -> None:
    take(store, event(1, userId="u-1"))
    subject = Subject("user", "u-1")
    found = find(store, subject)
    bury(store, subject, found, NOW, True)
    erase(store, subject, found, Eraser(store, lambda: NOW), True)
    taken = take(store, event(1, userId="u-1"), event(2, anonymousId="a-2", userId="u-1"), at_ms=NOW + 60_000)
    assert (taken.added, taken.blocked) == (0, 2) and not store.events() and not apps.apps(store)
    assert store.counters("")[""]["mobile_blocked_forgotten"] == 2
