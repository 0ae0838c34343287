"""The processes of the ingest measurement: a publisher and two receivers, each a run of this module.

    python -m tests.bench.ingest_roles publish PORT KIND COUNT RATE
    python -m tests.bench.ingest_roles count PORT COUNT
    python -m tests.bench.ingest_roles ingest PORT COUNT FOLDER
    python -m tests.bench.ingest_roles parts KIND COUNT FOLDER
    python -m tests.bench.ingest_roles sink PORT
    python -m tests.bench.ingest_roles send PORT COUNT FOLDER

A receiver prints a line when it listens, and one with its figures as JSON when COUNT messages came, or no more do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixeltrail_bridge.store.sqlite import SqliteStore

DEVICES = 8
_QUIET_S = 5.0  # no message for this long: the rest was lost on the way
_STAMP = 19  # digits of time.time_ns()


# ---- messages -------------------------------------------------------------------


def _template(kind: str, stream: bytes, seq: int) -> bytes:
    """A chunk whose last `_STAMP` bytes, where it has text, are the time it was published."""
    from pixeltrail_bridge.wire import messages as m
    from pixeltrail_bridge.wire.encode import encode_uplink

    stamp = "0" * _STAMP
    bodies: list[m.Body]
    if seq == 0:  # without a session that is sampled, replay data is refused
        hello = m.Hello("bench", 0, 1, "sim", "pixeltrail", "bench", "1", 0, None, "none")
        display = m.Display(320, 240, m.PixelFormat.RGB565, 32, 1, 128, None, 0)
        bodies = [hello, display, m.SessionStart(0, True, None)]
    elif kind == "frame500":
        bodies = [m.Frame(6, bytes(range(256)) + bytes(216))]
    elif kind == "track500":
        bodies = [m.Track("Kettle Started", {"mode": "boil", "text": "x" * 410, "at": stamp})]
    elif kind == "track4k":
        long = {f"text{n}": "x" * 990 for n in range(4)}
        bodies = [m.Track("Kettle Started", {**long, "at": stamp})]
    elif kind == "replay500":
        bodies = [m.Frame(6, bytes(100)), m.Touch(10, 20, 0), m.Frame(6, bytes(100)), m.Touch(11, 21, 1)] * 2
    else:
        bodies = [m.Track(f"Button {n} Pressed", {"name": "ok", "count": n, "at": stamp}) for n in range(8)]
    records = tuple(m.Record(n, seq + n, body) for n, body in enumerate(bodies))
    return encode_uplink(m.Chunk(stream, seq, seq, records))


def _packet(topic: bytes, payload: bytes) -> bytes:
    """An MQTT PUBLISH at QoS 0."""
    rest = len(topic).to_bytes(2, "big") + topic + payload
    size, left = bytearray(), len(rest)
    while True:
        left, digit = left >> 7, left & 127
        size.append(digit | (128 if left else 0))
        if not left:
            return b"\x30" + bytes(size) + rest


def _publish(port: int, kind: str, count: int, rate: float) -> None:
    """`rate` messages a second, or as many as go when it is 0. The streams of DEVICES take turns, in seq order."""
    seqs = -(-count // DEVICES)
    packets = []
    for seq in range(seqs):
        for device in range(DEVICES):
            topic = f"pt/v1/bench-{device}/up".encode()
            packets.append(bytearray(_packet(topic, _template(kind, b"bench--%d" % device, seq))))
    del packets[count:]
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"\x10\x14\x00\x04MQTT\x04\x02\x00\x00\x00\x08publishr")
        assert line.recv(4)[:2] == b"\x20\x02", "no CONNACK"
        if not rate:
            line.sendall(b"".join(packets))
        began = time.perf_counter()
        for number, packet in enumerate(packets if rate else ()):
            while time.perf_counter() < began + number / rate:
                time.sleep(0.0002)
            if packet.endswith(b"0" * _STAMP):
                packet[-_STAMP:] = b"%d" % time.time_ns()
            line.sendall(packet)
        line.sendall(b"\xe0\x00")
        line.shutdown(socket.SHUT_WR)
        line.recv(1)


# ---- receivers ------------------------------------------------------------------


class _Tally:
    """When the first and the last message came, and how many."""

    def __init__(self, count: int) -> None:
        self.count, self.got, self._began_cpu = count, 0, time.process_time()
        self.first = self.last = 0.0
        self.done = threading.Event()

    def add(self, by: int) -> None:
        self.got += by
        self.last = time.perf_counter()
        if self.got >= self.count:
            self.done.set()

    def wait(self) -> dict[str, Any]:
        seen = -1
        while not self.done.wait(_QUIET_S) and self.got != seen:
            seen = self.got
        seconds = max(self.last - self.first, 1e-9)
        return {
            "got": self.got,
            "seconds": seconds,
            "per_s": self.got / seconds,
            "cpu_us": (time.process_time() - self._began_cpu) / max(self.got, 1) * 1e6,
        }


def _count(port: int, count: int) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    tally = _Tally(count)

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        if not tally.got:
            tally.first = time.perf_counter()
        tally.got += 1
        if tally.got >= count:
            tally.add(0)

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe("pt/v1/+/up")
    client.loop_start()
    if not tally.done.wait(60):
        tally.last = time.perf_counter()
    print(json.dumps(tally.wait()), flush=True)


def _ingest(port: int, count: int, folder: str) -> None:
    import structlog
    from pixeltrail_bridge.ingest import Arrival, Committed, Ingest, IngestSettings
    from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
    from pixeltrail_bridge.sources.base import LinkState
    from pixeltrail_bridge.sources.mqtt import MqttSource
    from pixeltrail_bridge.store.sqlite import SqliteStore

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    tally = _Tally(count)
    stamps: dict[str, list[int]] = {f"bench-{device}": [] for device in range(DEVICES)}
    committed_of: dict[str, int] = {}
    delays: list[float] = []

    def receive(arrival: Arrival) -> bool:
        if not tally.first:
            tally.first = time.perf_counter()
        tail = arrival.data[-_STAMP:]
        stamps[arrival.device_id or ""].append(int(tail) if tail.isdigit() else 0)
        return ingest.receive(arrival)

    def on_commit(committed: Committed) -> None:
        now, device = time.time_ns(), committed.device_id
        before = committed_of.get(device, 0)
        committed_of[device] = committed.watermark
        delays.extend((now - stamp) / 1e6 for stamp in stamps[device][before : committed.watermark] if stamp)
        tally.add(committed.watermark - before)

    store = SqliteStore(Path(folder) / "bench.db", ("sink",))
    settings = IngestSettings(mapping=MappingSettings(), min_free_bytes=0)
    ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync, on_commit=on_commit)
    ingest.start()
    source = MqttSource(f"mqtt://127.0.0.1:{port}", store.bridge_id)
    serving = threading.Event()
    source.start(
        receive, lambda event: serving.set() if isinstance(event, LinkState) and event.is_up else None
    )
    serving.wait(20)
    time.sleep(0.3)  # the broker takes the subscription in
    print("ready", flush=True)
    result = tally.wait()
    source.stop()
    ingest.stop()
    delays.sort()
    result["p50_ms"], result["p99_ms"] = (
        delays[int(len(delays) * q)] if delays else 0.0 for q in (0.5, 0.99)
    )
    result["events"] = store.pending("sink")
    stored = store._reader().execute("SELECT count(*) FROM chunks").fetchone()[0]
    assert stored == result["got"], f"{stored} chunks are stored of {result['got']}"
    result["commits"] = ingest.health.commits
    result["refused"] = ingest.health.refused_messages
    print(json.dumps(result), flush=True)
    store.close()


# ---- sender ---------------------------------------------------------------------


async def _sink(port: int) -> None:
    """Answers every request like Segment, and looks at none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + b'{"success":true}')

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


class _Nowhere:
    def send(self, device_id: str, data: bytes) -> bool:
        return True


def _filled(folder: str, kind: str, count: int, sink: str) -> tuple[SqliteStore, float, float]:
    """A store that took `count` chunks without a broker; and the CPU of that, and of decoding alone, in us a chunk."""
    from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
    from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
    from pixeltrail_bridge.store.sqlite import SqliteStore
    from pixeltrail_bridge.wire.decode import decode_uplink

    store = SqliteStore(Path(folder) / "bench.db", (sink,))
    settings = IngestSettings(mapping=MappingSettings(), min_free_bytes=0)
    ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync)
    for seq in range(1 + -(-count // DEVICES)):
        for device in range(DEVICES):
            data = _template(kind, b"bench--%d" % device, seq)
            ingest.receive(Arrival(f"bench-{device}", data, 1_800_000_000_000, _Nowhere()))
    chunks = len(ingest._queue)
    began = time.process_time()
    for item in ingest._queue:
        assert isinstance(item, Arrival)
        decode_uplink(item.data)
    decoded = time.process_time()
    ingest.commit_queued()
    return store, (time.process_time() - decoded) / chunks * 1e6, (decoded - began) / chunks * 1e6


def _parts(kind: str, count: int, folder: str) -> None:
    store, all_us, decode_us = _filled(folder, kind, count, "sink")
    store.close()
    print(json.dumps({"decode": round(decode_us), "map_and_commit": round(all_us - decode_us)}), flush=True)


async def _send(port: int, count: int, folder: str) -> None:
    """Deliver an outbox of `count` events by the product's sender and Segment sink."""
    from pixeltrail_bridge.delivery import Delivery
    from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink

    store, _, _ = _filled(folder, "track500", count, "segment")
    waiting = store.pending("segment")
    sink = SegmentSink(SegmentSettings(write_key="k", host=f"http://127.0.0.1:{port}"))
    delivery = Delivery(store, [sink])
    began, began_cpu = time.perf_counter(), time.process_time()
    await delivery.start()
    while delivery.health["segment"].sent < waiting:
        await asyncio.sleep(0.01)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    await delivery.stop()
    store.close()
    figures = {"got": waiting, "seconds": seconds, "per_s": waiting / seconds, "cpu_s": cpu_s}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    role, port, *rest = sys.argv[1:]
    if role == "parts":
        _parts(port, int(rest[0]), rest[1])
    elif role == "publish":
        _publish(int(port), rest[0], int(rest[1]), float(rest[2]))
    elif role == "count":
        _count(int(port), int(rest[0]))
    elif role == "sink":
        asyncio.run(_sink(int(port)))
    elif role == "send":
        asyncio.run(_send(int(port), int(rest[0]), rest[1]))
    else:
        _ingest(int(port), int(rest[0]), rest[1])
