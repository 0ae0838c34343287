"""The serial transport over streams that behave as told, over pseudo-terminals, and on MicroPython."""

from __future__ import annotations

import os
import random
import select
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail.transport.serial import Serial
from pixeltrail_bridge.simulate import PtyPair
from pixeltrail_bridge.wire.framing import Deframer, frame

from tests.support import link_faults, micropython, ports

DEVICE = Path(__file__).parent / "device"
_WAIT_S = 30.0


class Wire:
    """Both ends of a non-blocking byte stream: the transport's, and for the test `feed` and `taken`."""

    def __init__(self) -> None:
        self._read, self._feed = os.pipe()
        os.set_blocking(self._read, False)
        self._events = select.POLLOUT
        self.taken = bytearray()
        self.room = 1 << 20

    def fileno(self) -> int:
        return self._read

    def readinto(self, buf: bytearray) -> int | None:
        try:
            data = os.read(self._read, len(buf))
        except BlockingIOError:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int | None:
        data = bytes(data[: self.room])
        self.taken += data
        self.room -= len(data)
        return len(data) or None

    def feed(self, data: bytes) -> None:
        os.write(self._feed, data)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._feed)


class _AlwaysWritable:
    """A pipe's reading end never polls as writable; a UART with room does."""

    def __init__(self, readiness: object) -> None:
        self._readiness = readiness

    def events(self) -> int:
        return self._readiness.events() | select.POLLOUT


def make(wire: Wire, **settings: int) -> Serial:
    serial = Serial(wire, **settings)
    serial._readiness = _AlwaysWritable(serial._readiness)
    serial.attach("dev-00001")
    return serial


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_a_message_becomes_one_frame(wire: Wire) -> None:
    serial = make(wire)
    assert serial.connected and serial.generation == 1 and serial.needs_host_hello
    message = random.Random(1).randbytes(1024)
    assert serial.send(b"ab" + message + b"c", 2, 1024)
    for now in range(3):
        serial.poll(now)
    assert wire.taken == frame(message)
    assert serial.can_send()


def test_a_line_that_takes_little_gets_the_rest_later(wire: Wire) -> None:
    serial = make(wire)
    wire.room = 0
    assert serial.send(b"x" * 600, 0, 600)
    for now in range(200):
        assert not serial.can_send() and not serial.send(b"y", 0, 1)
        wire.room = 7
        serial.poll(now)
        if serial.can_send():
            break
    assert wire.taken == frame(b"x" * 600)


def test_a_message_longer_than_agreed_is_refused(wire: Wire) -> None:
    serial = make(wire)
    assert not serial.send(bytes(1100), 0, 1100)
    assert serial.can_send()


@settings(deadline=None)
@given(st.data())
def test_messages_arrive_between_noise_however_split(data: st.DataObject) -> None:
    dice = data.draw(st.randoms(use_true_random=False))
    messages = [dice.randbytes(dice.choice([1, 30, 253, 254, 255, 512])) for _ in range(12)]
    wire = Wire()
    serial = make(wire)
    for number, message in enumerate(messages):
        noise = b"noise" * dice.choice([0, 0, 1, 300])
        pieces = noise + frame(message)
        while pieces:
            size = dice.randint(1, len(pieces))
            wire.feed(pieces[:size])
            pieces = pieces[size:]
            if dice.randrange(2) and pieces:
                serial.poll(number)
        got = []
        for _ in range(200):
            serial.poll(number)
            while length := serial.receive():
                got.append(bytes(serial.rx[:length]))
            if got:
                break
        assert got == [message]
    wire.close()


def test_damaged_and_oversized_frames_are_counted(wire: Wire) -> None:
    serial = make(wire)
    broken = bytearray(frame(b"broken"))
    broken[3] ^= 1
    wire.feed(bytes(broken) + frame(b"z" * 530) + frame(b"good"))
    for now in range(20):
        serial.poll(now)
    assert serial.receive() == 4 and serial.rx[:4] == b"good"
    assert serial.skipped == 2


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a stream with readinto and write, a path, or .repl."):
        Serial(115200)


def test_a_path_is_tried_until_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    serial = Serial(str(path))
    serial.attach("dev-00001")
    serial.poll(0)
    serial.poll(999)
    assert serial.errors == 1 and not serial.connected
    with PtyPair() as line:
        path.symlink_to(line.device_path)
        serial.poll(1000)
        assert serial.connected and serial.generation == 1
        serial.close()
        assert not serial.connected


def test_a_pulled_plug_is_noticed_and_the_path_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    ours, theirs = os.openpty()
    path.symlink_to(os.ttyname(theirs))
    serial = Serial(str(path))
    serial.attach("dev-00001")
    serial.poll(0)
    os.close(theirs)
    os.close(ours)
    serial.poll(1)
    assert not serial.connected and serial.errors == 1
    with PtyPair() as line:
        path.unlink()
        path.symlink_to(line.device_path)
        serial.poll(1000)
        assert serial.connected and serial.generation == 2
        serial.close()


class Host:
    """Reads frames at the host's end of a line and answers each message."""

    def __init__(self, path: str, answer: bytes) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._answer = answer
        self._deframer = Deframer()
        self.messages: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._fd], [], [], 0.02)[0]:
                continue
            for item in self._deframer.feed(os.read(self._fd, 4096)):
                if isinstance(item, bytes):
                    self.messages.append(item)
                    os.write(self._fd, frame(self._answer + item[:2]))

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._fd)


@pytest.mark.parametrize("port", ports.SOURCE, ids=str)
def test_heap_stays_locked_over_frames_and_acks_on_microcontrollers(port: ports.Port) -> None:
    with PtyPair() as line, Host(line.host_path, b"ack") as host:
        printed = port.run(DEVICE / "serial_steady.py", line.device_path, "200", heap="1m")
    assert printed.split() == ["sent", "200", "received", "200", "wrong", "0", "errors", "0", "skipped", "0"]
    assert [message[:2] for message in host.messages] == [number.to_bytes(2, "big") for number in range(200)]
    assert all(len(message) == 2 + number * 5 for number, message in enumerate(host.messages))


def test_a_bad_line_damages_single_frames_only() -> None:
    """Bits turn over both ways; what arrives is whole and in order, and the rest is counted."""
    faults = link_faults.flips(1, 3000), link_faults.flips(2, 300)
    with PtyPair(*faults) as line, Host(line.host_path, b"ack") as host:
        run = [str(DEVICE / "serial_steady.py"), line.device_path, "200", "lossy"]
        done = subprocess.run(
            micropython.command(*run, heap="1m"),
            env=micropython.environment(),
            capture_output=True,
            text=True,
            timeout=_WAIT_S,
        )
    words = done.stdout.split()
    printed = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    numbers = [int.from_bytes(message[:2], "big") for message in host.messages]
    assert numbers == sorted(set(numbers))
    assert 80 < len(numbers) < 200
    assert printed["wrong"] == 0 and printed["errors"] == 0
    assert printed["received"] + printed["skipped"] >= len(numbers) - 1 > printed["received"] > 50


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF), ids=str)
def test_a_second_cdc_interface_written_in_python(port: ports.Port) -> None:
    printed = port.run(DEVICE / "cdc_check.py", heap="1m").splitlines()
    assert printed == [
        "received 60 wrong 0 errors 0 largest 64 0",
        "unplugged False True",
        "whole again True",
    ]
