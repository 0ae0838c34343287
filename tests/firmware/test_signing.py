"""Signed messages on the device: the vectors on every port, what one costs, and a recorder that takes no other order.

tests/wire/test_signed.py has each case by itself, test_laws_with_bridge.py the laws.
"""

from __future__ import annotations

import re
from pathlib import Path

import pixeltrail
import pytest
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.support import ports, vectors

from .model import Line, ModelBridge
from .rig import Rig

DEVICE = Path(__file__).parent / "device"
KEY = bytes(range(32))
HEAP = {True: 416, False: 480}  # bytes of a message, on 32 and on 64 bits


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_every_port_signs_and_takes_what_the_vectors_have(port: ports.Port) -> None:
    printed = port.run(DEVICE / "signing.py", str(vectors.FOLDER / "signed.json"), heap="1m")
    assert "right 11 of 11 wrong 0" in printed, printed
    up, down = map(int, re.findall(r"heap (\d+) (\d+)", printed)[0])
    assert max(up, down) <= HEAP[port.is_32_bit]


class SigningBridge(ModelBridge):
    """A model that unwraps and signs as the bridge does."""

    number = 0

    def __init__(self) -> None:
        super().__init__()
        self.sync_number = b""

    def receive(self, message: bytes) -> list[bytes]:
        one = signed.parse(message)
        assert one.key == 3 and signed.is_genuine(one, KEY, signed.from_device("rig-1"))
        if one.message[2] == 1:
            self.sync_number = one.number
        return [self.sign(answer) for answer in super().receive(one.message)]

    def sign(self, message: bytes) -> bytes:
        self.number += 1
        about = signed.to_device("rig-1", self.sync_number)
        return signed.sign(KEY, 3, self.number.to_bytes(8), about, message)


def signed_rig() -> Rig:
    return Rig(pixeltrail.signed(Line(), f"3:{KEY.hex()}"), SigningBridge())


def test_all_arrives_and_is_acked() -> None:
    rig = signed_rig()
    for value in range(20):
        rig.show(at=value, value=value + 1)
        rig.recorder.track("Drawn", {"value": value})
        rig.step(2)
    rig.settle()
    assert [body.properties["value"] for body in rig.bodies(m.Track)] == list(range(20))
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)
    assert rig.recorder.stats()["refused_downlinks"] == 0 and rig.recorder.errors == 0


@pytest.mark.parametrize("is_signed", [False, True])
def test_orders_need_a_signature(is_signed: bool) -> None:
    """Of an opt-out, of settings and of another stream."""
    rig = signed_rig()
    rig.step(3)
    rig.settle()
    stream = rig.stream
    for order in (
        m.Config({"max_fps": 1}, 600),
        m.NewStream(stream),
        m.OptOutOrder(True),
    ):
        plain = encode_downlink(order)
        rig.line.down.append(rig.bridge.sign(plain) if is_signed else plain)
        rig.step(3)
    assert rig.recorder._session.opted_out is is_signed
    assert (rig.stream != stream) is is_signed
    assert (rig.recorder._remote.max_fps == 1) is is_signed
    assert rig.recorder.stats()["refused_downlinks"] == (0 if is_signed else 3)


def test_an_old_order_cannot_be_told_again() -> None:
    rig = signed_rig()
    rig.step(3)
    rig.settle()
    lift = rig.bridge.sign(encode_downlink(m.OptOutOrder(False)))
    order = rig.bridge.sign(encode_downlink(m.OptOutOrder(True)))
    for message in (lift, order, lift):
        rig.line.down.append(message)
        rig.step(3)
    assert rig.recorder._session.opted_out
    rig.step(40, ms=1_000)  # another sync
    rig.line.down.append(lift)
    rig.step(3)
    assert rig.recorder._session.opted_out


def test_without_a_key_nothing_of_it_is_loaded() -> None:
    script = (
        "import sys, pixeltrail; pixeltrail.MQTT; pixeltrail.Serial; "
        "print('pixeltrail.signing' in sys.modules, 'hashlib' in sys.modules)"
    )
    assert ports.X64.run(script) == "False False\n"
