"""Devices made of the wire's encoder, in a process that may be killed, and the journal by which they are judged.

    python -m tests.support.fleet PORT JOURNAL BOOT RATE DEVICE...

Each device makes `RATE` chunks a second and keeps them until they are acked, within the window, going back after a
wait that doubles, as the custody protocol asks; only the waits are shorter than a device's. Everything is written to
the journal before it is done: a chunk before it is sent, an ack before its chunks are forgotten. A process that is
killed loses its outbox, as a board without flash does, and begins a new stream with the next boot. SIGTERM: make no
more, and end once everything is acked.
"""

from __future__ import annotations

import hashlib
import os
import queue
import random
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink

WINDOW = 16
EVENT = "Made"
UNREADABLE = "unreadable"
_OUTBOX = 120  # chunks; what does not fit is refused, and told in a gap record
_RESEND_S, _LAST_RESEND_S = 0.3, 1.2
_SYNC_S = 5.0
_STEP_S = 0.01
_STRANGE_EVERY = 97  # chunks between two that have a record nobody can read
_KINDS = ((1, 0), (2, 0), (3, 0), (1, 1), (1, 4), (8, 0), (12, 0))  # calls, and texts of 900 bytes with each


@dataclass(frozen=True)
class Made:
    """A chunk as the journal tells of it: `calls` tracks, and what else it says."""

    device: str
    stream: bytes
    seq: int
    calls: int
    refused: int  # calls that its gap record tells of
    strange: bool  # one of its records cannot be read

    @property
    def place(self) -> tuple[str, bytes, int]:
        return self.device, self.stream, self.seq


@dataclass
class Journal:
    """What all publishers wrote: read again and again while they write, each time what is new."""

    folder: Path
    made: dict[tuple[str, bytes, int], Made] = field(default_factory=dict)
    acked: dict[tuple[str, bytes], int] = field(default_factory=dict)
    resent: int = 0
    _read: dict[Path, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return sum(self.acked.values())

    def read(self) -> Journal:
        for path in sorted(self.folder.glob("*/*.journal")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                self._take(*line.split())
        return self

    def _take(self, what: str, *words: str) -> None:
        if what == "resent":
            self.resent += int(words[0])
            return
        device, stream, *numbers = words[0], bytes.fromhex(words[1]), *map(int, words[2:])
        if what == "made":
            seq, calls, refused, strange = numbers
            self.made[device, stream, seq] = Made(device, stream, seq, calls, refused, bool(strange))
        else:
            assert what == "acked", f"the journal says {what}"
            self.acked[device, stream] = max(self.acked.get((device, stream), 0), numbers[0])


class Device:
    """`send(data)` and `note(line)` are given; time is an argument."""

    def __init__(self, device_id: str, boot: int, send, note, dice: random.Random) -> None:  # type: ignore[no-untyped-def]
        self.device_id, self.boot, self._send, self._note, self._dice = device_id, boot, send, note, dice
        self.stream = hashlib.blake2b(f"{device_id} {boot}".encode(), digest_size=8).digest()
        self.outbox: deque[bytes] = deque()
        self.acked = self._in_flight = self._highest = self._refused = 0
        self._window, self._wait_s = WINDOW, _RESEND_S
        self._began_s = self._progress_s = self._synced_s = time.monotonic()

    @property
    def next(self) -> int:
        return self.acked + len(self.outbox)

    def _ms(self) -> int:
        return int((time.monotonic() - self._began_s) * 1000)

    def produce(self) -> None:
        if len(self.outbox) >= _OUTBOX:
            self._refused += 1
            return
        seq, now_ms = self.next, self._ms()
        bodies, calls = self._bodies(seq)
        strange = bool(calls) and seq % _STRANGE_EVERY == _STRANGE_EVERY - 1
        if strange:
            bodies.append(m.Track(UNREADABLE, {}))
        refused, self._refused = (self._refused, 0) if calls else (0, self._refused)
        if refused:
            bodies.append(m.Gap(seq, seq, 0, 0, refused, m.GapReason.OUTBOX_FULL))
        records = tuple(m.Record(index, now_ms, body) for index, body in enumerate(bodies))
        data = encode_uplink(m.Chunk(self.stream, seq, now_ms, records))
        if strange:  # a name is text; a byte string of the same length is none
            name = UNREADABLE.encode()
            data = data.replace(b"\x6a" + name, b"\x4a" + name)
        self._note(f"made {self.device_id} {self.stream.hex()} {seq} {calls} {refused} {int(strange)}")
        self.outbox.append(data)

    def _bodies(self, seq: int) -> tuple[list[m.Body], int]:
        if seq == 0:
            hello = m.Hello(self.device_id, self.boot, 1, "sim", "pixeltrail", "fleet", "1", 0, None, "none")
            display = m.Display(64, 32, m.PixelFormat.MONO_VLSB, 16, 8, 128, None, 0)
            return [hello, display, m.SessionStart(0, True, None)], 0
        if self._dice.random() < 0.3:
            return [m.Touch(self._dice.randrange(64), 1, 0), m.Touch(2, 3, 2)], 0
        calls, pads = self._dice.choice(_KINDS)
        place = f"{self.device_id}/{self.stream.hex()}/{seq}"
        properties = {f"pad{number}": "x" * 900 for number in range(pads)}
        return [m.Track(EVENT, {"place": f"{place}/{index}", **properties}) for index in range(calls)], calls

    # ---- the custody protocol ------------------------------------------------

    def connected(self) -> None:
        self._restart_timer()
        self.sync()

    def sync(self) -> None:
        self._synced_s = time.monotonic()
        sync = m.Sync(self.stream, self.acked, self.next, self._ms(), None, self.boot, None, self.device_id)
        self._send(encode_uplink(sync))

    def _restart_timer(self) -> None:
        self._progress_s, self._wait_s = time.monotonic(), _RESEND_S

    def step(self) -> None:
        now_s = time.monotonic()
        if self._in_flight and now_s - self._progress_s > self._wait_s:
            self._in_flight, self._progress_s = 0, now_s
            self._wait_s = min(2 * self._wait_s, _LAST_RESEND_S) * (1 + self._dice.random() / 4)
            self.sync()
        elif now_s - self._synced_s > _SYNC_S:
            self.sync()
        resent = 0
        while self._in_flight < min(self._window, len(self.outbox)):
            if not self._in_flight:
                self._progress_s = now_s
            seq = self.acked + self._in_flight
            resent += seq < self._highest
            self._highest = max(self._highest, seq + 1)
            self._send(self.outbox[self._in_flight])
            self._in_flight += 1
        if resent:
            self._note(f"resent {resent}")

    def take(self, message: m.Downlink) -> None:
        if isinstance(message, m.HostHello):
            self.connected()
        if not isinstance(message, m.Ack) or message.stream != self.stream:
            return
        if not self.acked < message.next <= self.next:
            return
        self._note(f"acked {self.device_id} {self.stream.hex()} {message.next}")
        for _ in range(message.next - self.acked):
            self.outbox.popleft()
        self._in_flight = max(0, self._in_flight - (message.next - self.acked))
        self.acked, self._window = message.next, message.window
        self._restart_timer()


def publish(port: int, journal: Path, boot: int, rate: float, names: list[str]) -> None:
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()  # an empty topic: connected
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 2)
    client.on_connect = lambda *_: client.subscribe([(f"pt/v1/{name}/down", 0) for name in names])
    client.on_subscribe = lambda *_: heard.put(("", b""))
    client.on_message = lambda _client, _data, message: heard.put((message.topic, message.payload))
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ending.append(number))
    print(f"boot {boot}", flush=True)  # from here on it can be asked to end

    def note(line: str) -> None:
        os.write(log, line.encode() + b"\n")  # one call: a kill leaves all of it or nothing

    def device(name: str) -> Device:
        def send(data: bytes) -> None:
            if client.is_connected():
                client.publish(f"pt/v1/{name}/up", data)

        return Device(name, boot, send, note, random.Random(f"{name} {boot}"))

    devices = {f"pt/v1/{name}/down": device(name) for name in names}
    due_s = time.monotonic()
    while not ending or any(one.outbox for one in devices.values()):
        try:
            topic, payload = heard.get(timeout=_STEP_S)
            if topic:
                devices[topic].take(decode_downlink(payload))
            else:
                for one in devices.values():
                    one.connected()
        except queue.Empty:
            pass
        while not ending and due_s < time.monotonic():
            due_s += 1 / rate
            for one in devices.values():
                one.produce()
        if client.is_connected():
            for one in devices.values():
                one.step()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    port, path, boot, rate, *names = sys.argv[1:]
    publish(int(port), Path(path), int(boot), float(rate), names)
