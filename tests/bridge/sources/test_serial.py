"""The serial source on pseudo-terminals: frames, text, noise, a port that vanishes and comes back."""

from __future__ import annotations

import contextlib
import os
import pty
import sqlite3
import time
import tty
from dataclasses import dataclass
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import ConfigError, LocalError
from pixeltrail_bridge.sources import serial
from pixeltrail_bridge.sources.base import TextLine
from pixeltrail_bridge.sources.serial import MOST_UNREAD_BYTES, SerialSource, _find_usb, _quiet_hello
from pixeltrail_bridge.store.sql import load_bridge_id
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.framing import Deframer, frame
from pixeltrail_bridge.wire.limits import BRIDGE_ID_BYTES
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
def source(line, monkeypatch):
    """Says hello once, however long a test takes."""
    monkeypatch.setattr(serial, "HELLO_S", 60.0)
    monkeypatch.setattr(serial, "_LAPSE_S", 120.0)
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


def test_who_has_read_the_hello_is_answered(line, monkeypatch) -> None:
    """What was sent to a device before the hello it had read was noted as sent, was dropped."""
    write = os.write

    def write_and_linger(fd: int, data: bytes) -> int:
        count = write(fd, data)
        time.sleep(0.05)
        return count

    monkeypatch.setattr(os, "write", write_and_linger)
    collector, source = Collector(), SerialSource(line.path, ID)
    source.start(collector.receive, collector.state)
    assert decode_downlink(line.message()) == HostHello(ID, 1, 1)
    assert source.send("device-1", b"down")
    assert line.message() == b"down"
    source.stop()


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


def test_no_new_bridge_is_named_so() -> None:
    """One in thirty was, and each board on its USB cable whose app began meanwhile was ended by its first hello."""
    for _ in range(500):
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value)")
            bridge = load_bridge_id(db)
            assert load_bridge_id(db) == bridge, "made once"
        assert len(bridge) == BRIDGE_ID_BYTES and 0x03 not in _quiet_hello(bridge)


def test_a_zero_comes_before_the_first_hello(line) -> None:
    collector, source = Collector(), SerialSource(line.path, ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    assert os.read(line.fd, 1) == b"\0", "alone: the rest follows when a REPL has had time to heed it"
    assert decode_downlink(line.message()) == HostHello(ID, 1, 1)
    source.stop()


# ---- hostile and broken ones ---------------------------------------------------------------------


def dropped(collector: Collector, what: str) -> int:
    return next((link.dropped[what] for link in reversed(collector.links) if what in link.dropped), 0)


def test_who_reads_nothing_is_waited_for_by_nobody(line, source) -> None:
    """Each answer held up the thread that commits for a second, and with it all other devices."""
    source, collector = source
    assert decode_downlink(line.message()) == HostHello(ID, 1, 1)
    answers = [bytes((1 + number,)) * 4_000 for number in range(40)]
    taken = [answer for answer in answers if source.send("device-1", answer)]
    assert len(source._unread) <= MOST_UNREAD_BYTES
    assert 0 < len(taken) < len(answers)
    collector.wait(lambda: dropped(collector, "answers not read") == len(answers) - len(taken))
    assert [line.message() for _ in taken] == taken, "what was taken comes whole once it reads on"
    assert source.send("device-1", b"after")
    assert line.message() == b"after"


def test_who_prints_without_end_does_not_fill_the_log(line, source) -> None:
    _, collector = source
    for _ in range(50):
        line.write(b"x\n" * 100)
    line.write(frame(b"after"))
    collector.wait(lambda: collector.arrivals)
    told = sum(isinstance(event, TextLine) for event in collector.events)
    assert 1_000 < told < 4_000
    collector.wait(lambda: dropped(collector, "lines not logged") == 5_000 - told)


def test_what_was_damaged_stays_counted_when_a_port_comes_back(tmp_path) -> None:
    first, second, name = Line(), Line(), tmp_path / "port"
    name.symlink_to(first.path)
    collector, source = Collector(), SerialSource(str(name), ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    broken = b"\0\xff\xfe\x80\x81\0"
    first.write(broken)
    collector.wait(lambda: dropped(collector, "damaged frames") == 1)
    name.unlink()
    name.symlink_to(second.path)
    first.close()
    collector.wait_down(str(name))
    collector.wait_up()
    second.write(broken)
    collector.wait(lambda: dropped(collector, "damaged frames") == 2)
    assert source.damaged == 2
    source.stop()
    second.close()


@pytest.mark.parametrize("kind", ["file", "pipe", "folder", "link", "/dev/null", "/dev/zero"])
def test_what_is_no_port_is_said_to_be_none(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    collector, source = Collector(), SerialSource(str(tmp_path / kind), ID)
    source.start(collector.receive, collector.state)
    collector.wait_down("it is no serial port; correct serial.ports")
    source.stop()


def test_a_name_that_no_file_can_have_does_not_end_the_thread() -> None:
    collector, source = Collector(), SerialSource("/dev/tty\0", ID)
    source.start(collector.receive, collector.state)
    collector.wait_down("null")
    source.stop()


@dataclass
class UsbPort:
    device: str
    serial_number: str | None
    vid: int = 0x2E8A
    pid: int = 5


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (("a1", "b2"), "add one of the serial numbers a1, b2"),
        (("a1", "a1"), "name a path: /dev/ttyACM0, /dev/ttyACM1"),
        ((None, None), "name a path: /dev/ttyACM0, /dev/ttyACM1"),
        (("a1", "\x1b]0;mine\x07"), "name a path: /dev/ttyACM0, /dev/ttyACM1"),
    ],
)
def test_of_two_that_match_neither_is_opened(numbers: tuple[str | None, ...], words: str) -> None:
    """Those without a serial number were said to have the serial numbers None, None."""
    ports = [UsbPort(f"/dev/ttyACM{number}", serial) for number, serial in enumerate(numbers)]
    with pytest.raises(LocalError) as fault:
        _find_usb("usb:2e8a:0005", lambda: ports)
    assert words in str(fault.value) and str(fault.value).isprintable()


@pytest.mark.parametrize(
    "name", ["usb:", "usb:2e8a", "usb:-1:5", "usb:2e8a:12345", "usb:2e8a:0x5", "usb:2e8a:5:"]
)
def test_what_no_usb_device_can_be_called(name: str) -> None:
    with pytest.raises(ConfigError, match="usb:VID:PID"):
        SerialSource(name, ID)
