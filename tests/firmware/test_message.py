"""Every message this side writes: allowed by wire.cddl, and read by the bridge as it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail import cbor, message, wire
from pixeltrail.config import Device, Settings
from pixeltrail.message import Downlink
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.support import cddl

STREAM = bytes(range(8))


class Tap:
    width, height, format, palette, rotation = 320, 240, wire.GS4_HMSB, bytes(48), 1


class Encoder:
    strip_width, strip_rows = 32, 1


DEVICE = Device(Settings({"device_id": "device-1", "app": "kettle", "app_version": "1.2", "board": "Pico W"}))
VITALS = [None, 100, 200, 1, 2, 3, 4, 5, 6, -70, 3700, 0, 8, 9]


def body(write, *values):
    """The record as the bridge reads it, from a chunk that holds nothing else."""
    writer = cbor.Writer(bytearray(1024))
    writer.array_open()
    for number in (1, None, 5, 1000, 0):
        writer.uint(number) if number is not None else writer.blob(STREAM, 0, 8)
    write(writer, *values)
    writer.close()
    assert not writer.overflow and not writer.bad
    data = bytes(writer.buffer[: writer.at])
    cddl.check(data, "chunk")
    chunk = decode_uplink(data)
    assert (chunk.stream, chunk.seq, chunk.records[0].time_ms) == (STREAM, 5, 1000)
    return chunk.records[0].body


@pytest.mark.parametrize(
    ("write", "values", "expected"),
    [
        (message.session_start, (2, None, None), m.SessionStart(2, None, None)),
        (message.session_start, (2, True, (1 << 41).to_bytes(8, "big")), m.SessionStart(2, True, 1 << 41)),
        (message.session_end, (2, None, None), m.SessionEnd(2)),
        (message.touch, (3, 4, 1), m.Touch(3, 4, m.Phase.MOVE)),
        (message.touch, (None, None, 0), m.Touch(None, None, m.Phase.DOWN)),
        (message.masks, ((1, 2, 3, 4, 5, 6, 7, 8), None, None), m.Masks(((1, 2, 3, 4), (5, 6, 7, 8)))),
        (message.unknown_area, ((1, 2, 3, 4), None, None), m.UnknownArea(1, 2, 3, 4)),
        (message.key, ("knob", 4, -3), m.Key("knob", m.Phase.TURN, -3)),
        (message.track, ("Brewed", {"cups": 2}, None), m.Track("Brewed", {"cups": 2})),
        (message.screen, ("Home", None, None), m.Screen("Home", {})),
        (message.identify, ("u", {"a": 1.5}, None), m.Identify("u", {"a": 1.5})),
        (message.identify, (None, None, None), m.Identify(None, {})),
        (message.group, ("g", {}, None), m.Group("g", {})),
        (message.alias, ("u", None, None), m.Alias("u", None)),
        (message.alias, ("u", "before", None), m.Alias("u", "before")),
        (message.gap, (3, 5, [1, 2, 3], 1), m.Gap(3, 5, 1, 2, 3, m.GapReason.OUTBOX_FULL)),
        (message.gap, (3, 5, None, 2), m.Gap(3, 5, 0, 0, 0, m.GapReason.OPT_OUT)),
        (message.log, (2, "h\u00e4", None), m.Log(2, "h\u00e4")),
        (message.opt_out, (True, None, None), m.OptOut(True)),
    ],
)
def test_records(write, values, expected):
    assert body(write, *values) == expected


def test_hello():
    hello = body(message.hello, DEVICE, 2, STREAM)
    assert (hello.device_id, hello.app, hello.app_version, hello.board) == (
        "device-1",
        "kettle",
        "1.2",
        "Pico W",
    )
    assert (hello.clock_quality, hello.previous, hello.boot) == (m.ClockQuality.GOOD, STREAM, 0)


def test_display():
    assert body(message.display, Tap, Encoder, 128) == m.Display(
        320, 240, m.PixelFormat.GS4_HMSB, 32, 1, 128, bytes(48), 1
    )


def test_vitals_leave_out_what_is_not_known():
    numbers = list(VITALS)
    numbers[wire.VITAL_BATTERY_MV] = None
    vitals = body(message.vitals, numbers, None, None)
    assert len(vitals.values) == 12
    assert "battery_mv" not in vitals.values and 10 not in vitals.values


@pytest.mark.parametrize("epoch", [None, (1_700_000_000_000).to_bytes(8, "big")])
@pytest.mark.parametrize("previous", [None, STREAM])
def test_sync(epoch, previous):
    writer = cbor.Writer(bytearray(192))
    message.sync(writer, STREAM, 3, 9, 12345, epoch, 1, previous, "d" * 64)
    data = bytes(writer.buffer[: writer.at])
    cddl.check(data, "sync")
    date = None if epoch is None else 1_700_000_000_000
    assert decode_uplink(data) == m.Sync(STREAM, 3, 9, 12345, date, 1, previous, "d" * 64)


@pytest.mark.parametrize(
    ("write", "values"),
    [
        (message.touch, (3, 4, 4)),
        (message.touch, (-1, 4, 0)),
        (message.key, ("knob", 5, 0)),
        (message.key, ("knob", 4, 1 << 30)),
        (message.log, (5, "text", None)),
        (message.track, ("x" * 201, None, None)),
        (message.track, (7, None, None)),
    ],
)
def test_what_the_contract_forbids_is_refused(write, values):
    writer = cbor.Writer(bytearray(400))
    write(writer, *values)
    assert writer.bad


@given(st.binary(max_size=60))
def test_any_bytes_from_the_host_are_read_or_refused(data):
    Downlink().read(data, len(data))


@given(st.integers(0, 40))
def test_a_message_cut_short_is_refused(cut):
    data = encode_downlink(m.Ack(STREAM, 70_000, 16, b"bridge-1"))
    down = Downlink()
    assert down.read(data, len(data)) == wire.ACK
    assert (down.next, down.window) == (70_000, 16)
    assert down.names_stream(STREAM) and not down.names_stream(b"\0" * 8)
    if cut < len(data):
        assert down.read(data, cut) == 0


@pytest.mark.parametrize(
    "down",
    [
        m.Ack(STREAM, 0, 255, STREAM),
        m.Session(STREAM, 1, 1_700_000_000_000, False),
        m.Config({"sample_rate": 0.25, "masks": [0, 0, 10, 10]}, 3600),
        m.KeyframeRequest(STREAM),
        m.Time(1_700_000_000_000),
        m.OptOutOrder(True),
        m.NewStream(STREAM),
        m.HostHello(STREAM, 1, 1),
    ],
)
def test_every_message_of_the_bridge_is_read(down):
    data = encode_downlink(down)
    cddl.check(data, "downlink")
    assert Downlink().read(data, len(data)) in range(wire.ACK, wire.HOST_HELLO + 1)


def test_settings_of_the_bridge():
    down = Downlink()
    data = encode_downlink(
        m.Config({"sample_rate": 0.25, "masks": [0, 0, 300, 10], "new": {"a": None}}, 3600)
    )
    assert down.read(data, len(data)) == wire.CONFIG
    assert (down.settings, down.ttl_s) == (
        {"sample_rate": 0.25, "masks": [0, 0, 300, 10], "new": {"a": None}},
        3600,
    )
