import json
import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from pixeltrail_bridge.mapping import calls
from pixeltrail_bridge.mapping.calls import Origin, build_call

from tests.support.segment_server import find_problems

from .build import BOOT_MS, DEVICE, DISPLAY, HELLO, STREAM

ORIGIN = Origin(DEVICE, HELLO, DISPLAY, session_id=BOOT_MS, session_start_ms=BOOT_MS, is_recording=True)
FIELDS = {
    "track": {"event": "Brew Started", "properties": {"cups": 2}},
    "screen": {"name": "Home", "properties": {"name": "Home"}},
    "page": {"name": "Home", "properties": {}},
    "identify": {"traits": {"plan": "pro"}},
    "group": {"groupId": "g1", "traits": {}},
    "alias": {"userId": "u2", "previousId": "u1"},
}


def build(call_type="track", origin=ORIGIN, at_ms=BOOT_MS + 1_234, **fields):
    return build_call(origin, call_type, "px-1", at_ms, FIELDS[call_type] | fields, event="x").payload


@pytest.mark.parametrize("call_type", FIELDS)
@pytest.mark.parametrize("session_id", [BOOT_MS, -1])
def test_every_type_is_a_complete_event(call_type, session_id):
    payload = build(call_type, structs.replace(ORIGIN, session_id=session_id))
    assert list(find_problems(payload)) == []
    assert payload["integrations"]["Actions Amplitude"]["session_id"] == session_id
    assert FIELDS[call_type].items() <= payload.items() or call_type in calls.REPLAY_TYPES


def test_context_says_what_hello_and_display_say():
    assert build()["context"] == {
        "device": {
            "id": DEVICE,
            "type": "embedded",
            "name": DEVICE,
            "manufacturer": "Raspberry Pi",
            "model": "Raspberry Pi Pico W with RP2040",
        },
        "os": {"name": "MicroPython", "version": "1.28.0"},
        "app": {"name": "kettle", "version": "2.3"},
        "library": {"name": "pixeltrail", "version": "0.1.0"},
        "screen": {"width": 128, "height": 64},
    }


@pytest.mark.parametrize(
    ("board", "maker"),
    [
        ("Pimoroni Pico LiPo with RP2040", "Pimoroni"),
        ("ESP32S3 module with ESP32S3", "Espressif"),
        ("something home-made", "unknown"),
    ],
)
def test_maker_of_a_board(board, maker):
    origin = structs.replace(ORIGIN, hello=replace(HELLO, board=board))
    assert build(origin=origin)["context"]["device"]["manufacturer"] == maker


def test_replay_id_only_on_track_screen_and_page_while_recording():
    for call_type in FIELDS:
        properties = build(call_type).get("properties", {})
        expected = f"{DEVICE}/{BOOT_MS}" if call_type in ("track", "screen", "page") else None
        assert properties.get(calls.REPLAY_PROPERTY) == expected
    assert (
        calls.REPLAY_PROPERTY not in build(origin=structs.replace(ORIGIN, is_recording=False))["properties"]
    )
    assert calls.REPLAY_PROPERTY not in build(origin=structs.replace(ORIGIN, session_id=-1))["properties"]


def test_events_own_replay_id_wins():
    mine = {calls.REPLAY_PROPERTY: "mine"}
    assert build(properties=mine)["properties"] == mine


def test_link_into_the_viewer():
    properties = build(origin=structs.replace(ORIGIN, public_url="https://trail.example/"))["properties"]
    assert properties["Replay Link"] == f"https://trail.example/sessions/{DEVICE}/{BOOT_MS}?t=1.234"


def test_user_and_classic_destination():
    payload = build(origin=structs.replace(ORIGIN, user_id="u1", classic=True))
    assert payload["userId"] == "u1"
    assert payload["anonymousId"] == DEVICE
    assert payload["integrations"]["Amplitude"] == {"session_id": BOOT_MS}


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (1 << 60, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_iso_time(epoch_ms, text):
    assert calls.iso_time(epoch_ms) == text


@given(st.integers(0, 253_402_300_799_999))
def test_iso_time_loses_no_millisecond(epoch_ms):
    from datetime import datetime

    parsed = datetime.fromisoformat(calls.iso_time(epoch_ms))
    assert round(parsed.timestamp() * 1000) == epoch_ms


def test_message_ids_differ_wherever_the_place_differs():
    # "ab" + "c" against "a" + "bc": the parts are told apart, not only their sum
    ids = {
        calls.message_id("dev-ab", STREAM, 1, 0),
        calls.message_id("dev-a", STREAM, 1, 0),
        calls.message_id("dev-ab", STREAM[::-1], 1, 0),
        calls.message_id("dev-ab", STREAM, 0, 1),
        calls.message_id("dev-ab", STREAM, 256, 0),
        calls.message_id("dev-ab", STREAM, 1, 256),
        calls.made_message_id("dev-ab", "Session Started", 12, 3),
        calls.made_message_id("dev-ab", "Session Started", 1, 23),
        calls.made_message_id("dev-ab", "Session Ended", 1, 23),
    }
    assert len(ids) == 9
    assert all(one.startswith("px-") and len(one) == 35 for one in ids)


def test_message_ids_are_the_same_for_ever():
    assert calls.message_id("kitchen-01", STREAM, 5, 2) == "px-67705ba1de32e3bc7b439c106954197d"
    assert (
        calls.made_message_id("kitchen-01", "Session Started", 1_767_323_045_000)
        == "px-8eccd09417b42be8d3a08de2b2f87776"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), 1 << 64) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_whatever_a_device_sends_is_valid_json(properties):
    payload = build(properties=properties)
    text = msgspec.json.encode(payload).decode()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == payload


def test_what_json_cannot_say():
    assert calls.clean([math.nan, math.inf, 1 << 53, -(1 << 60), True, 1.5]) == [
        None,
        None,
        str(1 << 53),
        str(-(1 << 60)),
        True,
        1.5,
    ]


def test_message_ids_are_far_below_the_100_characters_that_segment_takes() -> None:
    longest = "d" * 64
    for one in (
        calls.message_id(longest, STREAM, (1 << 30) - 1, 255),
        calls.made_message_id(longest, "Device Disconnected", STREAM, 1 << 60, 1 << 60),
    ):
        assert len(one) == 35 and one.startswith("px-")


def test_the_debug_property_goes_where_the_replay_id_goes():
    origin = structs.replace(ORIGIN, debug=calls.debug_value("0123456789abcdef" * 2))
    assert build("track", origin)["properties"][calls.DEBUG_PROPERTY] == '{"appHash":"-1783317168"}'
    assert calls.DEBUG_PROPERTY not in repr(build("identify", origin))
    unrecorded = structs.replace(origin, is_recording=False)
    assert calls.DEBUG_PROPERTY not in build("track", unrecorded)["properties"]
