"""Devices on a serial line: one thread reads the port, tells the device that a host is there, and finds it again.

The port is a path, a pseudo-terminal, or `usb:VID:PID` with an optional serial number, which stays the same whatever
name the system gives the device after a replug. Text between messages is handed on as TextLine.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Final

import serial
import structlog
from serial.tools import list_ports

from ..errors import ConfigError, LocalError
from ..wire.encode import encode_downlink
from ..wire.framing import Deframer, frame
from ..wire.limits import VERSION
from ..wire.messages import HostHello
from .base import Arrival, LinkState, Receive, State, TextLine, host_ms

log = structlog.get_logger(__name__)

HELLO_S: Final = 2.0  # a device takes a host for gone after 5 s
_LAPSE_S: Final = 4.0  # after this long without a hello, it may have done so
_WAKE_S: Final = 0.2
_CTRL_C: Final = 0x03
_READ_S: Final = 0.05  # a pause this long shows text that no message has followed
_WRITE_S: Final = 1.0
_RETRY_S: Final = 1.0
_READ_BYTES: Final = 4096


class SerialSource:
    def __init__(self, port: str, bridge_id: bytes, *, baud: int = 115_200) -> None:
        if port.startswith("usb:"):
            _parse_usb(port)
        self.name, self._baud = port, baud
        self._hello = _quiet_hello(bridge_id)
        self._hello_s = float("-inf")
        self._port: serial.Serial | None = None
        self._lock = threading.Lock()  # of writes
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""
        self.damaged = 0

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
        return time.monotonic() - self._hello_s <= _LAPSE_S and self._write(frame(data))

    def _write(self, data: bytes) -> bool:
        with self._lock:
            if self._port is None:
                return False
            try:
                return self._port.write(data) == len(data)
            except (serial.SerialException, OSError):
                return False  # the reader meets the same trouble, and mends it

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve(self._open())
            except (LocalError, serial.SerialException, OSError, TypeError) as error:
                # pyserial raises TypeError when a port is pulled out under a read
                self._say(False, _explain(self.name, error))
            self._close()
            self._stopping.wait(_RETRY_S)

    def _open(self) -> serial.Serial:
        path = _find_usb(self.name) if self.name.startswith("usb:") else self.name
        port = serial.Serial(path, self._baud, timeout=_READ_S, write_timeout=_WRITE_S, exclusive=True)
        with self._lock:
            self._port = port
        self._say(True, f"{self.name} is open" if path == self.name else f"{self.name} is {path}")
        return port

    def _close(self) -> None:
        with self._lock:
            port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(serial.SerialException, OSError):
                port.close()

    def _serve(self, port: serial.Serial) -> None:
        deframer = Deframer()
        self._hello_s = float("-inf")
        while not self._stopping.is_set():
            since_s = time.monotonic() - self._hello_s
            if since_s >= HELLO_S:
                if since_s > _LAPSE_S:
                    self._wake()
                self._write(self._hello)
                self._hello_s = time.monotonic()
            data = port.read(min(max(1, port.in_waiting), _READ_BYTES))
            found = deframer.feed(data) if data else deframer.idle()
            for one in found:
                if isinstance(one, bytes):
                    self._receive(Arrival(None, one, host_ms(), self))
                else:
                    self._state(TextLine(self.name, one))
            self.damaged = deframer.damaged

    def _wake(self) -> None:
        """A zero alone: a device whose line is its REPL stops taking 3 for Ctrl-C before a frame comes."""
        self._write(b"\0")
        self._stopping.wait(_WAKE_S)

    def _say(self, is_up: bool, detail: str) -> None:
        if detail != self._said:
            (log.info if is_up else log.error)(detail)
            self._said = detail
        self._state(LinkState(self.name, is_up, detail))


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
        remedy = "close the program that has it open (a terminal, mpremote, another bridge)"
    elif "ermission" in text:
        remedy = "join the group that owns it, often dialout"
    elif "No such file" in text:
        remedy = "plug the device in, or correct serial.ports; it is looked for every second"
    else:
        remedy = "it is opened again every second"
    return f"serial port {name}: {text}; {remedy}"


def _parse_usb(name: str) -> tuple[int, int, str]:
    try:
        _, vendor, product, *rest = name.split(":", 3)
        return int(vendor, 16), int(product, 16), rest[0] if rest else ""
    except ValueError:
        raise ConfigError(
            f"serial.ports: {name!r} is no USB device; write usb:VID:PID or usb:VID:PID:SERIAL, as in usb:2e8a:0005"
        ) from None


def _find_usb(name: str) -> str:
    vendor, product, number = _parse_usb(name)
    found = [
        port
        for port in list_ports.comports()
        if (port.vid, port.pid) == (vendor, product) and number in ("", port.serial_number)
    ]
    if not found:
        raise LocalError(f"serial port {name}: no such USB device; plug it in, it is looked for every second")
    if len(found) > 1:
        numbers = ", ".join(str(port.serial_number) for port in found)
        raise LocalError(
            f"serial port {name}: {len(found)} devices match; add one of the serial numbers {numbers}"
        )
    return str(found[0].device)
