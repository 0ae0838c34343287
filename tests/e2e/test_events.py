"""From the simulated thermostat to Segment, and on through its Amplitude destination: one identity all the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import node, requirements
from tests.support.bridge_process import wait_until

from .rig import World, rig

DEVICE = "thermostat-1"
RUN_S = 9
REPLAY = "[Amplitude] Session Replay ID"
Event = dict[str, Any]
pytestmark = pytest.mark.xdist_group("events")  # one thermostat for all of them


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A thermostat has run for a while, and every event has come."""
    with rig(tmp_path_factory.mktemp("events")) as world:
        board = world.spawn("sim", DEVICE, duration_s=RUN_S)
        wait_until(lambda: not board.running, "the thermostat ended")
        assert board.wait() == 0, world.output(DEVICE)
        # The last window of Display Changed closes when its stream has been quiet
        world.bridge.wait_until(
            lambda: {"Display Changed", "Setpoint Changed"} <= {name(event) for event in world.server.events},
            "the events came",
        )
        world.settle()
        yield world


@pytest.fixture(scope="module")
def events(world: World) -> list[Event]:
    return list(world.server.events)


@pytest.fixture(scope="module")
def session_id(events: list[Event]) -> int:
    (session_id,) = {event["integrations"]["Actions Amplitude"]["session_id"] for event in events}
    return int(session_id)


def name(event: Event) -> str:
    return str(event.get("event") or event.get("name") or event["type"])


def test_every_kind_of_call_comes(events: list[Event]) -> None:
    kinds = {event["type"] for event in events}
    assert {"track", "screen", "identify"} <= kinds
    assert {"Setpoint Changed", "Display Changed", "Session Started", "Home"} <= {
        name(event) for event in events
    }
    (identify,) = [event for event in events if event["type"] == "identify"]
    assert identify["userId"] == "resident-7" and identify["traits"] == {"plan": "home", "rooms": 4}
    setpoint = next(event for event in events if name(event) == "Setpoint Changed")
    assert setpoint["properties"].keys() >= {"from", "to", "room"}


def test_events_are_well_formed_and_single(world: World, events: list[Event]) -> None:
    assert not world.server.problems
    assert world.server.duplicates == 0
    assert all(request.was_gzip and request.status == 200 for request in world.server.requests)
    assert len({event["messageId"] for event in events}) == len(events)


def test_identity_is_one_in_every_event(events: list[Event], session_id: int) -> None:
    assert session_id > 0
    for event in events:
        assert event["anonymousId"] == event["context"]["device"]["id"] == DEVICE
        if event["type"] in ("track", "screen"):
            assert event["properties"][REPLAY] == f"{DEVICE}/{session_id}"
    later = events[events.index(next(event for event in events if event["type"] == "identify")) :]
    assert {event["userId"] for event in later if name(event) != "Session Started"} == {"resident-7"}


def test_the_context_says_what_the_device_is(events: list[Event]) -> None:
    context = events[-1]["context"]
    assert context["device"]["model"] == "Simulated thermostat"
    assert context["app"] == {"name": "Thermostat", "version": "1.4.2"}
    assert context["os"]["name"].lower() == "micropython"
    assert context["library"]["name"] == "pixeltrail" and context["library"]["version"][0].isdigit()
    assert context["screen"] == {"width": 240, "height": 240}


def test_times_are_those_of_the_host(world: World, events: list[Event]) -> None:
    """The device runs on this machine, so its calls lie between its start and now, in order."""
    before = datetime.fromtimestamp((world.folder / "write-key").stat().st_mtime, UTC)
    calls = [event for event in events if name(event) != "Display Changed"]
    times = [datetime.fromisoformat(event["timestamp"]) for event in calls]
    assert times == sorted(times)
    assert before <= times[0] and times[-1] <= datetime.now(UTC)
    assert (times[-1] - times[0]).total_seconds() > RUN_S / 3, "it talks from its start to its end"


def test_display_changes_name_their_place_in_the_replay(events: list[Event]) -> None:
    changes = [event["properties"] for event in events if name(event) == "Display Changed"]
    assert sum(change["frames"] for change in changes) > 5
    for change in changes:
        assert change["frames"] >= 1 and 0 < change["changed_area_percent"] <= 100
        assert change["dirty_x"] + change["dirty_width"] <= 240
        assert change["first_seq"] <= change["last_seq"]
    assert [change["replay_offset_ms"] for change in changes] == sorted(
        change["replay_offset_ms"] for change in changes
    )


def test_the_amplitude_destination_sends_the_same_identity(events: list[Event], session_id: int) -> None:
    requirements.require_node_package("@segment/action-destinations")
    lines = node.run(Path("judge.js"), stdin=json.dumps(events), timeout_s=100).splitlines()
    judged = {line["messageId"]: line for line in map(json.loads, lines)}
    assert judged.keys() == {event["messageId"] for event in events}
    assert not [line["errors"] for line in judged.values() if line["errors"]]
    for event in events:
        if event["type"] not in ("track", "screen"):
            continue
        sent = list(amplitude_events(judged[event["messageId"]]))
        assert sent, f"{name(event)} came to nothing"
        for one in sent:
            assert one["device_id"] == DEVICE
            assert one["session_id"] == session_id
            assert one["event_properties"][REPLAY] == f"{DEVICE}/{session_id}"
            assert time_ms(one["time"]) == time_ms(event["timestamp"])


def amplitude_events(line: Event) -> Iterator[Event]:
    for request in line["requests"]:
        if "httpapi" in request["url"] or "batch" in request["url"]:
            yield from request["body"]["events"]


def time_ms(value: str | int) -> int:
    if isinstance(value, int):
        return value
    return round(datetime.fromisoformat(value).timestamp() * 1000)
