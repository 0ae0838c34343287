"""schema/vectors/signed.json against the bridge, the device and schema/wire.cddl: each of the two signs what it sends
and takes what the other sent, and neither takes anything else."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pixeltrail
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.errors import LocalError, WireError
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink, encode_uplink
from pixeltrail_bridge.wire.limits import MAX_MESSAGE_BYTES

from tests.support import cddl, vectors

FILE = json.loads((vectors.FOLDER / "signed.json").read_text())
DEVICE = FILE["device_id"]
KEYS = {int(number): bytes.fromhex(key) for number, key in FILE["keys"].items()}
SYNC_NUMBER = bytes.fromhex(FILE["sync_number"])
SYNC = next(bytes.fromhex(row["message"]) for row in FILE["vectors"] if row["name"] == "sync")


def named(rows: str, **wanted: str) -> Any:
    found = [row for row in FILE[rows] if all(row[name] == value for name, value in wanted.items())]
    return pytest.mark.parametrize("row", found, ids=[row["name"] for row in found])


def external(direction: str) -> bytes:
    return signed.from_device(DEVICE) if direction == "up" else signed.to_device(DEVICE, SYNC_NUMBER)


class Wire:
    """A transport that keeps what goes up; `come` is what comes down."""

    needs_host_hello = write_only = False

    def __init__(self) -> None:
        self.rx = bytearray(512)
        self.sent: list[bytes] = []
        self.come = b""
        self.refused = 0

    def attach(self, device_id: str, max_message: int) -> None:
        self.device_id, self.max_message = device_id, max_message

    def can_send(self) -> bool:
        return True

    def send(self, buf: bytearray, start: int, length: int) -> bool:
        self.sent.append(bytes(buf[start : start + length]))
        return True

    def receive(self) -> int:
        data, self.come = self.come, b""
        self.rx[: len(data)] = data
        return len(data)


class Device:
    """The device's side. `number`: of the next message up."""

    def __init__(self, key: int = 1, number: bytes = SYNC_NUMBER, max_message: int = 2_000) -> None:
        self.wire = pixeltrail.signed(Wire(), f"{key}:{KEYS[key].hex()}")
        self.wire.attach(DEVICE, max_message)
        before = int.from_bytes(number[4:]) - 1
        self.wire.send.__self__._out[8:16] = number[:4] + (before & 0xFFFFFFFF).to_bytes(4)

    def send(self, message: bytes) -> bytes:
        assert self.wire.send(bytearray(b"..." + message), 3, len(message))
        return self.wire.sent[-1]

    def take(self, data: bytes) -> bytes:
        self.wire.come = data
        return bytes(self.wire.rx[: self.wire.receive()])


def open_up(data: bytes, device_id: str = DEVICE) -> bytes | None:
    """As the bridge does."""
    one = signed.parse(data)
    key = KEYS.get(one.key)
    is_genuine = key is not None and signed.is_genuine(one, key, signed.from_device(device_id))
    return one.message if is_genuine else None


@named("cose")
def test_tags_are_those_of_cose(row: dict[str, Any]) -> None:
    parts = (bytes.fromhex(row[name]) for name in ("key", "protected", "external", "message"))
    assert signed.mac(*parts).hex() == row["tag"]
    covered = hmac.new(bytes.fromhex(row["key"]), bytes.fromhex(row["covered"]), hashlib.sha256)
    assert covered.hexdigest().startswith(row["tag"])


@named("vectors")
def test_valid(row: dict[str, Any]) -> None:
    data, message, number = (bytes.fromhex(row[name]) for name in ("hex", "message", "number"))
    cddl.check(data, "signed-message")
    one = signed.parse(data)
    assert (one.key, one.number, one.message) == (row["key"], number, message)
    key, about = KEYS[row["key"]], external(row["direction"])
    assert signed.is_genuine(one, key, about)
    assert signed.sign(key, row["key"], number, about, message) == data


@named("vectors", direction="up")
def test_the_device_signs_so(row: dict[str, Any]) -> None:
    device = Device(row["key"], bytes.fromhex(row["number"]))
    assert device.send(bytes.fromhex(row["message"])).hex() == row["hex"]


@named("vectors", direction="down")
def test_the_device_takes_it(row: dict[str, Any]) -> None:
    device = Device(row["key"])
    device.send(SYNC)
    assert device.take(bytes.fromhex(row["hex"])).hex() == row["message"]
    assert device.wire.refused == 0


@named("invalid", direction="up")
def test_the_bridge_refuses(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["hex"])
    assert signed.is_signed(data) is (row["fault"] != "unsigned")
    if row["fault"] == "nested":
        inner = open_up(data)
        assert inner is not None
        with pytest.raises(WireError):
            decode_uplink(inner)
    elif row["fault"] == "form":
        with pytest.raises(WireError) as caught:
            signed.parse(data)
        assert caught.value.field == "signature"
    elif row["fault"] != "unsigned":
        assert (signed.parse(data).key in KEYS) is (row["fault"] == "forged")
        assert open_up(data) is None


@named("invalid", direction="down")
def test_the_device_refuses(row: dict[str, Any]) -> None:
    device = Device()
    device.send(SYNC)
    taken = device.take(bytes.fromhex(row["hex"]))
    if row["fault"] == "nested":
        assert taken[:1] == b"\xd1", "the link reads no tag"
    else:
        assert (taken, device.wire.refused) == (b"", 1)


def test_nothing_counts_twice_or_behind_what_is_newer_but_an_ack() -> None:
    """An old order would undo a newer one; an old ack frees only what was committed."""
    device = Device()
    device.send(SYNC)
    sealed = {
        at: signed.sign(KEYS[1], 1, at.to_bytes(8), external("down"), encode_downlink(message))
        for at, message in ((7, m.OptOutOrder(False)), (8, m.OptOutOrder(True)), (9, m.Config({}, 60)))
    }
    assert [bool(device.take(sealed[at])) for at in (7, 8, 8, 7, 9, 8)] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    ack = signed.sign(
        KEYS[1], 1, bytes(8), external("down"), encode_downlink(m.Ack(b"stream-1", 4, 16, b"bridge-1"))
    )
    assert device.take(ack) and device.take(ack)


def test_a_sync_ends_all_answers_to_the_one_before() -> None:
    device = Device()
    first, second = (signed.parse(device.send(SYNC)).number for _ in range(2))
    assert first != second
    late, new = (
        signed.sign(
            KEYS[1], 1, bytes(7) + b"\1", signed.to_device(DEVICE, number), encode_downlink(m.Config({}, 60))
        )
        for number in (first, second)
    )
    assert not device.take(late) and device.take(new)


def test_a_chunk_leaves_answers_as_they_are() -> None:
    device = Device()
    number = signed.parse(device.send(SYNC)).number
    chunk = encode_uplink(m.Chunk(b"stream-1", 0, 0, (m.Record(0, 0, m.SessionEnd(1)),)))
    assert signed.parse(device.send(chunk)).number != number
    answer = signed.sign(
        KEYS[1],
        1,
        bytes(8),
        signed.to_device(DEVICE, number),
        encode_downlink(m.Ack(b"stream-1", 1, 16, b"b" * 8)),
    )
    assert device.take(answer)


def test_a_start_begins_with_other_numbers() -> None:
    """Else an order to an earlier start would be one to this one."""
    numbers = set()
    for _ in range(20):
        wire = pixeltrail.signed(Wire(), f"1:{KEYS[1].hex()}")
        wire.attach(DEVICE, 1_024)
        wire.send(bytearray(SYNC), 0, len(SYNC))
        numbers.add(signed.parse(wire.sent[0]).number)
    assert len(numbers) == 20


def test_a_host_hello_alone_is_taken_as_it_is() -> None:
    device = Device()
    hello = encode_downlink(m.HostHello(b"bridge-1", 1, 1))
    longer = bytes((hello[0] + 1,)) + hello[1:] + b"\5"  # as on the line of a REPL
    assert device.take(hello) == hello and device.take(longer) == longer
    for plain in (
        m.Ack(b"stream-1", 1, 16, b"bridge-1"),
        m.OptOutOrder(False),
        m.Config({}, 60),
        m.NewStream(b"stream-1"),
    ):
        assert not device.take(encode_downlink(plain))
    assert device.wire.refused == 4


@given(
    tail=st.binary(max_size=600),
    device_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{4,63}", fullmatch=True),
)
def test_any_message_of_any_device(tail: bytes, device_id: str) -> None:
    message = b"\x9f\x01\x48" + tail  # as a chunk begins
    wire = pixeltrail.signed(Wire(), f"1:{KEYS[1].hex()}")
    wire.attach(device_id, 1_024)
    wire.rx = bytearray(700)
    wire.send.__self__._rx_view = memoryview(wire.rx)
    wire.send(bytearray(SYNC), 0, len(SYNC))
    sync = signed.parse(wire.sent[0])
    wire.send(bytearray(message), 0, len(message))
    assert open_up(wire.sent[1], device_id) == message
    wire.come = signed.sign(KEYS[1], 1, b"\xff" * 8, signed.to_device(device_id, sync.number), message)
    assert wire.rx[: wire.receive()] == message


@given(st.binary(max_size=120))
def test_any_bytes_are_refused_or_have_the_form(data: bytes) -> None:
    for one in (data, bytes.fromhex(FILE["vectors"][0]["hex"])[:20] + data):
        try:
            found = signed.parse(one)
        except WireError as error:
            assert error.field == "signature" and error.stream is None
        else:
            cddl_form = b"\xd1\x84\x4d\xa2\x01\x04\x06\x48" + found.number
            assert one.startswith(cddl_form) and one.endswith(b"\x48" + found.tag)
        device = Device()
        assert not device.take(one) or one[2:3] == b"\x09"


def test_limits() -> None:
    most = MAX_MESSAGE_BYTES - signed.OVERHEAD
    assert len(signed.sign(KEYS[1], 1, bytes(8), b"", bytes(most))) == MAX_MESSAGE_BYTES
    with pytest.raises(LocalError, match="send less"):
        signed.sign(KEYS[1], 1, bytes(8), b"", bytes(most + 1))
    assert Device(max_message=most).wire.max_message == MAX_MESSAGE_BYTES
    with pytest.raises(ValueError, match=f"at most {most}"):
        Device(max_message=most + 1)


@pytest.mark.parametrize(
    "key", ["", "1", "1:" + "0" * 63, "1:" + "g" * 64, "0:" + "0" * 64, "256:" + "0" * 64, "x:" + "0" * 64]
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        pixeltrail.signed(Wire(), key)


def test_a_key_from_a_file_may_end_in_a_line() -> None:
    pixeltrail.signed(Wire(), f" 1:{KEYS[1].hex()}\n")


def test_a_line_of_one_direction_has_nobody_to_sign_for(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="only writes"):
        pixeltrail.signed(pixeltrail.File(str(tmp_path / "log.ptr")), f"1:{KEYS[1].hex()}")
