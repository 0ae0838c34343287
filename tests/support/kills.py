"""Kills the committing process again and again, and counts what that cost.

print(run(SqlitePlace(file), kills=20))

Devices of the test live in this process; the bridge's ingest, with its real store and mapping, in a child that is
forked, fed through a pipe and ended by SIGKILL at a random moment. What a device was acked, it forgets. At the end
`lost` is what was acked and is not stored, or stored and made no event, and `doubled` is one record under two events.
Run in a process without threads: the child is a plain fork.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.sources.base import host_ms
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink
from pixeltrail_bridge.wire.framing import Deframer, frame

from .stores import Place, PostgresPlace, SqlitePlace

WINDOW = 16
RECORDS = 3
SINK = "sink"
_END_S = 60.0


@dataclass
class Result:
    kills: int
    accepted: int
    events: int
    lost: int
    doubled: int
    detail: dict[str, Any] = field(default_factory=dict)


class Device:
    """The custody protocol's other side, in its smallest form."""

    def __init__(self, number: int) -> None:
        self.number, self.device_id = number, f"device-{number}"
        self.stream = b"stream-%d" % number
        self.acked = self.sent = self.next = 0
        self.outbox: dict[int, bytes] = {}

    def produce(self) -> None:
        seq = self.next
        records = [
            m.Record(i, seq * 10, m.Track("Made", {"place": f"{self.number}/{seq}/{i}"}))
            for i in range(RECORDS)
        ]
        self.outbox[seq] = encode_uplink(m.Chunk(self.stream, seq, seq * 10, tuple(records)))
        self.next += 1

    def restart(self) -> bytes:
        """A new connection: go back to what is not acked, and begin with a sync."""
        self.sent = self.acked
        return encode_uplink(
            m.Sync(self.stream, self.acked, self.next, self.next * 10, 1, 0, None, self.device_id)
        )

    def due(self) -> list[bytes]:
        end = min(self.next, self.acked + WINDOW)
        ready = [self.outbox[seq] for seq in range(self.sent, end)]
        self.sent = max(self.sent, end)
        return ready

    def take(self, message: m.Downlink) -> None:
        if isinstance(message, m.Ack) and self.acked < message.next <= self.next:
            for seq in range(self.acked, message.next):
                del self.outbox[seq]
            self.acked = message.next
            self.sent = max(self.sent, self.acked)


class _Pipe:
    """The child's way back: frames that begin with the device's number."""

    def __init__(self, fd: int) -> None:
        self._fd, self._lock = fd, threading.Lock()

    def send(self, device_id: str, data: bytes) -> bool:
        with self._lock:
            os.write(self._fd, frame(bytes((int(device_id.rpartition("-")[2]),)) + data))
        return True


def _serve(place: Place, read_fd: int, write_fd: int) -> None:
    store = place.open((SINK,))
    settings = IngestSettings(mapping=MappingSettings(), ack_interval_ms=1, linger_ms=1, min_free_bytes=0)
    ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync)
    ingest.start()
    channel, deframer = _Pipe(write_fd), Deframer()
    while data := os.read(read_fd, 65_536):
        for message in deframer.feed(data):
            assert isinstance(message, bytes)
            ingest.receive(Arrival(f"device-{message[0]}", message[1:], host_ms(), channel))
    ingest.stop()
    store.close()


class _Child:
    def __init__(self, place: Place) -> None:
        to_child, self.to_child = os.pipe()
        self.from_child, from_child = os.pipe()
        self.has_answered = False
        self._to_child_read, self._from_child_write = to_child, from_child
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self.to_child)
                os.close(self.from_child)
                _serve(place, to_child, from_child)
                code = 0
            finally:
                os._exit(code)
        os.close(to_child)
        os.close(from_child)
        os.set_blocking(self.to_child, False)
        self._deframer = Deframer()
        self._waiting = bytearray()

    def send(self, number: int, data: bytes) -> None:
        self._waiting += frame(bytes((number,)) + data)

    def turn(self, devices: list[Device], wait_s: float) -> bool:
        """Move bytes; False when the child has closed its end."""
        readable, writable, _ = select.select(
            [self.from_child], [self.to_child] if self._waiting else [], [], wait_s
        )
        if writable:
            del self._waiting[: os.write(self.to_child, self._waiting[:65_536])]
        return not readable or self.read(devices)

    def read(self, devices: list[Device]) -> bool:
        data = os.read(self.from_child, 65_536)
        self.has_answered = True
        for message in self._deframer.feed(data):
            if isinstance(message, bytes):
                devices[message[0]].take(decode_downlink(message[1:]))
        return bool(data)

    def kill(self, devices: list[Device]) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._reap()
        while self.read(devices):  # an ack that left before the kill counts as given
            pass
        self._close()

    def finish(self, devices: list[Device]) -> None:
        os.close(self.to_child)
        while self.read(devices):
            pass
        code = self._reap()
        os.close(self.from_child)
        assert code == 0, f"the child ended with {code}"

    def _reap(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _close(self) -> None:
        os.close(self.to_child)
        os.close(self.from_child)


def _play(child: _Child, devices: list[Device], chance: random.Random, life_s: float, is_last: bool) -> None:
    """For `life_s`, seven times in ten from the child's first answer on: a busy machine is slow to begin."""
    until_s = time.monotonic() + (_END_S if chance.random() < 0.7 else life_s)
    is_young = True
    for device in devices:
        child.send(device.number, device.restart())
    resend_s = time.monotonic() + 0.5
    while time.monotonic() < until_s:
        if is_young and child.has_answered:
            is_young, until_s = False, time.monotonic() + life_s
        for device in devices:
            if not is_last and len(device.outbox) < 2 * WINDOW:
                device.produce()
            due = device.due()
            chance.shuffle(due)
            for data in due:
                if is_last or chance.random() > 0.02:  # a lost message
                    child.send(device.number, data)
                if chance.random() < 0.02:  # a message that comes twice
                    child.send(device.number, data)
        if is_last and not any(device.outbox for device in devices):
            return
        if time.monotonic() > resend_s:
            resend_s = time.monotonic() + 0.5
            for device in devices:
                child.send(device.number, device.restart())
        child.turn(devices, 0.005)


def run(place: Place, kills: int, seed: int = 1, devices: int = 4) -> Result:
    chance = random.Random(seed)
    place.open((SINK,)).close()
    fleet = [Device(number) for number in range(devices)]
    for _ in range(kills):
        child = _Child(place)
        _play(child, fleet, chance, chance.uniform(0.005, 0.12), False)
        child.kill(fleet)
    accepted_by_kills = sum(device.acked for device in fleet)
    child = _Child(place)
    _play(child, fleet, chance, _END_S, True)
    child.finish(fleet)
    return _judge(place, fleet, kills, accepted_by_kills)


def _judge(place: Place, fleet: list[Device], kills: int, accepted_by_kills: int) -> Result:
    store = place.open((SINK,))
    stored = {
        (device.number, chunk.seq)
        for device in fleet
        for chunk in store.chunks(device.device_id, device.stream)
    }
    accepted = {(device.number, seq) for device in fleet for seq in range(device.acked)}
    events = store.events(limit=10_000_000)
    places = Counter(
        json.loads(event.payload)["properties"]["place"] for event in events if event.event == "Made"
    )
    owed = {f"{number}/{seq}/{i}" for number, seq in accepted for i in range(RECORDS)}
    detail = {
        "accepted_before_the_last_run": accepted_by_kills,
        "not_acked_at_the_end": sum(len(device.outbox) for device in fleet),
        "not_owed_to_the_sink": len(events) - store.pending(SINK),
        "duplicates_refused": sum(counts.get("duplicates", 0) for counts in store.counters().values()),
        "dead_letters": len(store.dead_letters()),
    }
    store.close()
    lost = len(accepted - stored) * RECORDS + len(owed - set(places))
    doubled = sum(count - 1 for count in places.values())
    return Result(kills, len(accepted), len(events), lost, doubled, detail)


if __name__ == "__main__":
    where = sys.argv[1]
    place = PostgresPlace(where) if where.startswith("postgresql:") else SqlitePlace(Path(where))
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    result = run(place, int(sys.argv[2]), seed)
    print(json.dumps(vars(result)))
