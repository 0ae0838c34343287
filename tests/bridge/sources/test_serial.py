"""The serial source on pseudo-terminals: frames, text, noise, a port that vanishes and comes back."""

from __future__ import annotations

import os
import pty
import tty

import pytest
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.base import TextLine
from pixeltrail_bridge.sources.serial import SerialSource, _quiet_hello
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.framing import Deframer, frame
from pixeltrail_bridge.wire.messages import HostHello

from tests.bridge.sources.kit import Collector

ID = b"bridge-1"


class Line:
    """A pseudo-terminal: `path` is the host's end, the rest the device's."""

    def __init__(self) -> None:
        self.fd, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        self._deframer = Deframer()
        self._messages: list[bytes] = []

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def message(self) -> bytes:
        while not self._messages:
            self._messages += [m for m in self._deframer.feed(os.read(self.fd, 4096)) if isinstance(m, bytes)]
        return self._messages.pop(0)

    def close(self) -> None:
        os.close(self._slave)
        os.close(self.fd)


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


@pytest.fixture
def source(line):
    collector, source = Collector(), SerialSource(line.path, ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    yield source, collector
    source.stop()


def test_frames_and_text(line, source) -> None:
    source, collector = source
    assert decode_downlink(line.message()) == HostHello(ID, 1, 1)
    line.write(b"MicroPython v1.28\r\n" + frame(b"one") + b"print me\n" + frame(b"two") + b"tail\r\n")
    collector.wait(lambda: len(collector.arrivals) == 2 and TextLine(source.name, "tail") in collector.events)
    assert [(a.device_id, a.data) for a in collector.arrivals] == [(None, b"one"), (None, b"two")]
    text = [event.text for event in collector.events if isinstance(event, TextLine)]
    assert text == ["MicroPython v1.28", "print me", "tail"]
    assert source.send("device-1", b"down")
    assert line.message() == b"down"


def test_damage_is_counted_and_the_next_frame_counts(line, source) -> None:
    source, collector = source
    broken = bytearray(frame(bytes(range(200))))
    broken[50] ^= 0x80
    line.write(bytes(broken) + frame(b"after"))
    collector.wait(lambda: collector.arrivals)
    assert collector.arrivals[0].data == b"after" and source.damaged == 1


def test_a_port_that_is_gone_is_named_and_found_again(tmp_path) -> None:
    first, second, name = Line(), Line(), tmp_path / "port"
    collector, source = Collector(), SerialSource(str(name), ID)
    source.start(collector.receive, collector.state)
    collector.wait_down("plug the device in")
    name.symlink_to(first.path)
    collector.wait_up()
    name.unlink()
    name.symlink_to(second.path)
    first.close()
    collector.wait_down(str(name))
    collector.wait_up()
    second.write(frame(b"back"))
    collector.wait(lambda: collector.arrivals)
    source.stop()
    second.close()


def test_a_busy_port_is_said(line, source) -> None:
    collector, second = Collector(), SerialSource(line.path, ID)
    second.start(collector.receive, collector.state)
    collector.wait_down("close the program")
    second.stop()


def test_usb_names() -> None:
    collector, source = Collector(), SerialSource("usb:f00d:beef", ID)
    source.start(collector.receive, collector.state)
    collector.wait_down("no such USB device")
    source.stop()
    with pytest.raises(ConfigError, match="usb:VID:PID"):
        SerialSource("usb:nonsense", ID)


@pytest.mark.parametrize("number", range(300))
def test_a_hello_has_no_ctrl_c_unless_the_bridge_is_named_so(number: int) -> None:
    bridge = number.to_bytes(2, "big") + b"bridge"
    data = _quiet_hello(bridge)
    (message,) = Deframer().feed(data)
    assert decode_downlink(message) == HostHello(bridge, 1, 1)
    assert (0x03 in data) is (0x03 in bridge or 0x03 in frame(bridge)[:3])


def test_a_zero_comes_before_the_first_hello(line) -> None:
    collector, source = Collector(), SerialSource(line.path, ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    assert os.read(line.fd, 1) == b"\0", "alone: the rest follows when a REPL has had time to heed it"
    assert decode_downlink(line.message()) == HostHello(ID, 1, 1)
    source.stop()
