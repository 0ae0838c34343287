"""Devices on a serial line: one thread reads the port, tells the device that a host is there, and finds it again.

The port is a path, a pseudo-terminal, or `usb:VID:PID` with an optional serial number, which stays the same whatever
name the system gives the device after a replug. Text between messages is handed on as TextLine, as much as a log takes.

Nothing here waits for a device: what it does not read stays here up to a bound, and is dropped beyond. Acks are sent by
the thread that commits, for all devices, so one that has hung may not hold it up. All that is dropped is counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import termios
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import serial
import structlog
from serial.tools import list_ports

from ..errors import ConfigError, LocalError
from ..wire.encode import encode_downlink
from ..wire.framing import Deframer, frame
from ..wire.limits import VERSION
from ..wire.messages import HostHello
from .base import Arrival, LinkState, Receive, State, TextLine, host_ms
from .chatter import Chatter

log = structlog.get_logger(__name__)

HELLO_S: Final = 2.0  # a device takes a host for gone after 5 s
_LAPSE_S: Final = 4.0  # after this long without a hello, it may have done so
_WAKE_S: Final = 0.2
_CTRL_C: Final = 0x03
_READ_S: Final = 0.05  # a pause this long shows text that no message has followed
_RETRY_S: Final = 1.0
_TELL_S: Final = 1.0  # between two words on what was dropped
_READ_BYTES: Final = 4096
MOST_UNREAD_BYTES: Final = 16_384  # some hundred acks, or the answers to one of the largest bursts

_USB: Final = re.compile(r"usb:([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})(?::(.+))?")
_FAULTS: Final = (
    LocalError,
    serial.SerialException,
    OSError,
    TypeError,  # pyserial's, when a port is pulled out under a read
    ValueError,  # and for a speed that the port does not have
    termios.error,  # which is no OSError
)


class SerialSource:
    def __init__(self, port: str, bridge_id: bytes, *, baud: int = 115_200) -> None:
        if port.startswith("usb:"):
            parse_usb(port)
        self.name, self._baud = port, baud
        self._hello = _quiet_hello(bridge_id)
        self._hello_s = float("-inf")
        self._port: serial.Serial | None = None
        self._lock = threading.Lock()  # of the port, and of what the device has not read
        self._unread = bytearray()
        self._is_stuck = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""
        self._chatter = Chatter()
        self._told: tuple[dict[str, int], float] = {}, float("-inf")
        self.damaged = self.dropped = 0  # frames that came; answers that could not go

    def start(self, receive: Receive, state: State) -> None:
        self._receive, self._state = receive, state
        self._thread = threading.Thread(target=self._run, name=f"serial {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def send(self, device_id: str, data: bytes) -> bool:
        # To the REPL of a device that has forgotten us, a byte of it could be Ctrl-C; what it holds, it sends again.
        framed = frame(data)
        with self._lock:
            return time.monotonic() - self._hello_s <= _LAPSE_S and self._write(framed)

    def _write(self, data: bytes) -> bool:
        """With the lock: now, or when the device reads on. False: there is no port, or too much waits already."""
        if self._port is None:
            return False
        if len(self._unread) + len(data) > MOST_UNREAD_BYTES:
            self.dropped += 1
            self._say_stuck(True)
            return False
        self._unread += data
        self._flush(self._port)
        return True

    def _flush(self, port: serial.Serial) -> None:
        # Not by pyserial, which without a timeout waits for ever where a buffer is full, and busily
        try:
            while self._unread:
                del self._unread[: os.write(port.fileno(), self._unread)]
        except BlockingIOError:
            return
        except (serial.SerialException, OSError):
            self._unread.clear()  # the reader meets the same trouble, and mends it
        self._say_stuck(False)

    def _say_stuck(self, is_stuck: bool) -> None:
        if is_stuck and not self._is_stuck:
            log.warning(
                f"serial port {self.name}: the device does not read what it is sent, and {MOST_UNREAD_BYTES:,} bytes "
                "wait for it; more is dropped until it does. Restart the device, or look at its cable"
            )
        self._is_stuck = is_stuck

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve(self._open())
            except _FAULTS as error:
                self._say(False, _explain(self.name, error))
            self._close()
            self._stopping.wait(_RETRY_S)

    def _open(self) -> serial.Serial:
        path = _find_usb(self.name) if self.name.startswith("usb:") else self.name
        port = serial.Serial(path, self._baud, timeout=_READ_S, exclusive=True)
        with self._lock:
            self._port, self._hello_s = port, float("-inf")
            self._unread.clear()
        self._say(True, f"{self.name} is open" if path == self.name else f"{self.name} is {path}")
        return port

    def _close(self) -> None:
        with self._lock:
            port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(*_FAULTS):
                port.close()

    def _serve(self, port: serial.Serial) -> None:
        deframer = Deframer()
        damaged_before = self.damaged
        while not self._stopping.is_set():
            self._greet(port)
            data = port.read(min(max(1, port.in_waiting), _READ_BYTES))
            found = deframer.feed(data) if data else deframer.idle()
            self.damaged = damaged_before + deframer.damaged
            for one in found:
                if isinstance(one, bytes):
                    self._receive(Arrival(None, one, host_ms(), self))
                elif self._chatter.take(one):
                    self._state(TextLine(self.name, one))
            with self._lock:
                self._flush(port)
            self._tell_dropped()

    def _greet(self, port: serial.Serial) -> None:
        since_s = time.monotonic() - self._hello_s
        if since_s < HELLO_S or (self._unread and since_s <= _LAPSE_S):
            return  # a device that does not read is sent no second hello
        if since_s > _LAPSE_S:
            with self._lock:
                self._unread.clear()
                port.reset_output_buffer()
                # A zero alone: a device whose line is its REPL stops taking 3 for Ctrl-C before a frame comes
                self._write(b"\0")
            self._stopping.wait(_WAKE_S)
        with self._lock:  # what a device sends because of its hello finds it noted
            if self._write(self._hello):
                self._hello_s = time.monotonic()

    def _say(self, is_up: bool, detail: str) -> None:
        if detail != self._said:
            (log.info if is_up else log.error)(detail)
            self._said = detail
        self._state(LinkState(self.name, is_up, detail, self._drops()))

    def _drops(self) -> dict[str, int]:
        counts = {
            "damaged frames": self.damaged,
            "answers not read": self.dropped,
            "lines not logged": self._chatter.left_out,
        }
        return {what: count for what, count in counts.items() if count}

    def _tell_dropped(self) -> None:
        drops, (told, told_s) = self._drops(), self._told
        now_s = time.monotonic()
        if drops != told and now_s - told_s >= _TELL_S:
            self._told = drops, now_s
            self._state(LinkState(self.name, True, self._said, drops))


def _quiet_hello(bridge_id: bytes) -> bytes:
    """The hello's frame, with a trailing item, which devices ignore, if that makes it free of Ctrl-C."""
    plain = encode_downlink(HostHello(bridge_id, VERSION, VERSION))
    longer = [bytes((plain[0] + 1,)) + plain[1:] + bytes((item,)) for item in range(24)]
    frames = [frame(message) for message in (plain, *longer)]
    return next((one for one in frames if _CTRL_C not in one), frames[0])


def _explain(name: str, error: Exception) -> str:
    text = str(error)
    if isinstance(error, LocalError):
        return text
    if "exclusively lock" in text or "busy" in text.lower():
        remedy = (
            "close the program that has it open (a terminal, mpremote, another bridge), or name it once alone"
        )
    elif "ermission" in text:
        remedy = "join the group that owns it, often dialout"
    elif "No such file" in text:
        remedy = "plug the device in, or correct serial.ports; it is looked for every second"
    elif "Inappropriate ioctl" in text or "directory" in text:
        remedy = "it is no serial port; correct serial.ports"
    elif "baud rate" in text:
        remedy = "the port does not have this speed; correct serial.baud"
    else:
        remedy = "it is opened again every second"
    return f"serial port {name}: {text}; {remedy}"


def parse_usb(name: str) -> tuple[int, int, str]:
    """Vendor, product and serial number, the last of them empty for any."""
    found = _USB.fullmatch(name)
    if found is None:
        raise ConfigError(
            f"serial.ports: {name!r} is no USB device; write usb:VID:PID or usb:VID:PID:SERIAL, as in usb:2e8a:0005"
        )
    return int(found[1], 16), int(found[2], 16), found[3] or ""


def _find_usb(name: str, ports: Callable[[], Iterable[Any]] = list_ports.comports) -> str:
    vendor, product, number = parse_usb(name)
    found = [
        port
        for port in ports()
        if (port.vid, port.pid) == (vendor, product) and number in ("", port.serial_number)
    ]
    if not found:
        raise LocalError(f"serial port {name}: no such USB device; plug it in, it is looked for every second")
    if len(found) > 1:
        raise LocalError(f"serial port {name}: {len(found)} devices match; {_tell_apart(found)}")
    return str(found[0].device)


def _tell_apart(ports: list[Any]) -> str:
    """A device says of itself what its serial number is, so that may be anything, and another's."""
    numbers = [str(port.serial_number or "") for port in ports]
    if all(numbers) and all(map(str.isprintable, numbers)) and len(set(numbers)) == len(numbers):
        return f"add one of the serial numbers {', '.join(numbers)}"
    paths = ", ".join(str(port.device) for port in ports)
    return f"their serial numbers do not tell them apart, so name a path: {paths}, or what /dev/serial/by-path has"
