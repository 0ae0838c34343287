"""Signed messages at the bridge and on the device: of a stranger refused by both, but for a host's hello; with the key
any bytes come through as they were, both ways and never back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pixeltrail
from pixeltrail_bridge.errors import WireError
from pixeltrail_bridge.ingest.seals import Seals
from pixeltrail_bridge.sources.base import Arrival
from pixeltrail_bridge.wire import signed

from tests.support import vectors

MAX_BYTES = 600
MODULES = ("pixeltrail_bridge.wire.signed", "pixeltrail_bridge.ingest.seals", "pixeltrail.signing")
_FILE = json.loads((vectors.FOLDER / "signed.json").read_text())
_DEVICE = _FILE["device_id"]
_KEY = b"a key that nobody signs with    "
_HELLO = b"\x01\x09"


_SYNC = bytes.fromhex(_FILE["vectors"][0]["message"])


class _Line:
    write_only = False
    refused = 0

    def __init__(self) -> None:
        self.rx = bytearray(MAX_BYTES + signed.OVERHEAD)
        self.length = 0
        self.sent = b""

    def attach(self, device_id: str, max_message: int) -> None: ...

    def can_send(self) -> bool:
        return True

    def send(self, buf: bytearray, start: int, length: int) -> bool:
        self.sent = bytes(buf[start : start + length])
        return True

    def receive(self) -> int:
        return self.length


class _Device:
    """One that has sent a sync."""

    def __init__(self) -> None:
        self.line = _Line()
        self.link = pixeltrail.signed(self.line, "1:" + _KEY.hex())
        self.link.attach(_DEVICE, MAX_BYTES)
        self.sync_number = signed.parse(self.send(_SYNC)).number

    def send(self, data: bytes) -> bytes:
        self.link.send(bytearray(data), 0, len(data))
        return self.line.sent

    def take(self, data: bytes) -> bytes:
        self.line.rx[: len(data)] = data
        self.line.length = len(data)
        return bytes(self.line.rx[: self.link.receive()])


class _Nowhere:
    def send(self, device_id: str, data: bytes) -> bool:
        return False


def seeds() -> Iterator[bytes]:
    for rows in ("vectors", "invalid"):
        yield from (bytes.fromhex(one["hex"]) for one in _FILE[rows] if len(one["hex"]) <= 2 * MAX_BYTES)
    for name in ("down", "up"):
        found = (bytes.fromhex(one["hex"]) for one in vectors.load(name))
        yield from (data for data in found if len(data) <= MAX_BYTES)


def one(data: bytes) -> None:
    device, seals = _Device(), Seals(lambda device_id: signed.DeviceKeys({1: _KEY}))
    _come_from_a_stranger(data, device, seals)
    if 2 < len(data) <= MAX_BYTES:
        _come_signed(data, device, seals)
    try:
        found = signed.parse(data)
    except WireError as error:
        assert error.field == "signature" and len(str(error)) < 400
        return
    again = signed.sign(_KEY, found.key, found.number, b"", found.message)
    assert again[: -signed.TAG_BYTES] == data[: -signed.TAG_BYTES], "it has another form"


def _come_from_a_stranger(data: bytes, device: _Device, seals: Seals) -> None:
    named, unnamed = (Arrival(who, data, 5, _Nowhere()) for who in (_DEVICE, None))
    assert not seals.open([named]).items, "let in without a key"
    seals.open([unnamed])
    assert not device.take(data) or (data[1:3] == _HELLO and data[:1] != b"\xd1"), "taken without a key"


def _come_signed(data: bytes, device: _Device, seals: Seals) -> None:
    """Whatever is in it, it comes through as it was, both ways."""
    opened = seals.open([Arrival(_DEVICE, device.send(data), 5, _Nowhere())])
    ((arrival, _),) = opened.items
    assert arrival.data == data and arrival.seal is not None
    number = arrival.seal.number if data[2] == 1 else device.sync_number  # of what looks like a sync
    seals.note({_DEVICE: signed.Seal(1, number)})
    answer = seals.close(_DEVICE, data)
    assert answer is not None and device.take(answer) == data
    assert seals.open([Arrival(_DEVICE, answer, 5, _Nowhere())]).refused, "it is taken for its own answer"
