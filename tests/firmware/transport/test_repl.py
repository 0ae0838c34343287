"""The REPL's own line: a MicroPython process whose terminal carries frames, prints and a user's Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail.transport.serial import Serial
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink
from pixeltrail_bridge.wire.framing import Deframer, frame

from tests.firmware.model import BRIDGE, ModelBridge
from tests.support import micropython

DEVICE = Path(__file__).parent / "device"
HELLO = frame(encode_downlink(m.HostHello(BRIDGE, 1, 1)))
_WAIT_S = 30.0


class Terminal:
    """The host's end of the terminal of a process, and a bridge that listens there if it is told to."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._deframer = Deframer()
        self.text: list[str] = []
        self.bridge = ModelBridge()
        self.is_host = False
        self._hello_s = 0.0

    def type(self, data: bytes) -> None:
        os.write(self._fd, data)

    def turn(self) -> None:
        if self.is_host and time.monotonic() - self._hello_s > 1:
            self._hello_s = time.monotonic()
            self.type(HELLO)
        if not select.select([self._fd], [], [], 0.02)[0]:
            self.text += self._deframer.idle()
            return
        try:
            data = os.read(self._fd, 65_536)
        except OSError:  # the process has ended, and what it said is read
            self.text += self._deframer.idle()
            return
        for found in self._deframer.feed(data):
            if isinstance(found, str):
                self.text.append(found)
            else:
                for answer in self.bridge.receive(found):
                    self.type(frame(answer))

    @property
    def damaged(self) -> int:
        return self._deframer.damaged

    def until(self, line: str) -> None:
        end = time.monotonic() + _WAIT_S
        while not any(line in text for text in self.text):
            self.turn()
            assert time.monotonic() < end, self.text[-20:]


@contextlib.contextmanager
def running(script: str, *args: str) -> Iterator[Terminal]:
    """A process that has the terminal for its own, as one that a person started there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *micropython.command(DEVICE / script, *args, heap="1m")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=micropython.environment(),
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_prints_reach_the_log_and_frames_arrive_whole() -> None:
    with running("repl_app.py", "120") as terminal:
        terminal.until("app begins")
        terminal.is_host = True
        terminal.until("drained 120 ")
        assert terminal.damaged == 0
        prints = [text for text in terminal.text if text.startswith("print ")]
        assert prints == [f"print {number} of the app" for number in range(120)]
        chunks = terminal.bridge.chunks(b"stream-r")
        texts = [chunk.records[0].body.properties["text"] for chunk in chunks]
        assert texts == ["\x03\x00" * (number % 200) for number in range(120)]
        (last,) = [text for text in terminal.text if text.startswith("drained")]
        assert last == "drained 120 resent 0 errors 0"


def test_a_user_interrupts_while_no_host_is_there() -> None:
    with running("repl_app.py", "5") as terminal:
        terminal.until("app begins")
        terminal.type(b"\x03")
        terminal.until("interrupted by the user")
        assert terminal.bridge.streams == {}, "nothing is sent before a host says hello"


def test_ctrl_c_is_data_while_a_host_is_there_and_again_itself_after_close() -> None:
    with running("repl_app.py", "70") as terminal:
        terminal.until("app begins")
        terminal.is_host = True
        while not terminal.bridge.streams:
            terminal.turn()
        terminal.type(b"\0\x03\x03\0")
        terminal.until("drained 70 ")
        assert not any("interrupted" in text for text in terminal.text)
        terminal.is_host = False
        terminal.type(b"\x03")
        terminal.until("interrupted after close")


def test_a_zero_alone_wakes_the_line_before_a_hello_with_ctrl_c_in_it() -> None:
    hello = frame(encode_downlink(m.HostHello(b"br\x03dge-1", 1, 1)))
    with running("repl_app.py", "5") as terminal:
        terminal.until("app begins")
        terminal.type(b"\0")
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            terminal.turn()
        terminal.type(hello)
        terminal.until("print 4 ")
        while not terminal.bridge.streams:
            terminal.turn()
        assert not any("interrupted" in text for text in terminal.text)


def test_boards_with_linux_are_given_a_path_instead() -> None:
    with pytest.raises(ValueError, match="give the path of a serial port"):
        Serial("repl")


KEYBOARD = """
import sys
calls = []
class Fake:
    def kbd_intr(self, char):
        calls.append(char)
    def __getattr__(self, name):
        return getattr(real, name)
import micropython as real
from pixeltrail.transport import repl
sys.modules["micropython"] = Fake()
line = repl.Repl()
line.host_is(True)
line.host_is(False)
line.host_is(True)
line.close()
print(calls)
"""


def test_a_board_asks_micropython_itself_for_ctrl_c() -> None:
    """Here the terminal's settings do that; a board has kbd_intr."""
    assert micropython.run(KEYBOARD, heap="1m").split("\n")[0] == "[-1, 3, -1, 3]"


SPURIOUS_ZERO = """
import time
from pixeltrail.transport import repl
calls = []
repl._keyboard = lambda: calls.append
line = repl.Repl()
line._wake()
line.events()
awake = calls[-1]
time.sleep_ms(1_100)
line.events()
print(awake, calls[-1])
"""


def test_a_zero_without_a_hello_keeps_ctrl_c_for_a_second_only() -> None:
    assert micropython.run(SPURIOUS_ZERO, heap="1m").split("\n")[0] == "True False"


def test_every_message_of_the_app_is_one_of_the_contract() -> None:
    """The model bridge judges what it gets; a chunk and a sync each came."""
    with running("repl_app.py", "3") as terminal:
        terminal.until("app begins")
        terminal.is_host = True
        terminal.until("drained 3 ")
        stream = terminal.bridge.streams[b"stream-r"]
        assert stream.syncs and isinstance(decode_uplink(stream.chunks[0]), m.Chunk)
