"""The processes of the ingest measurement: a publisher and two receivers, each a run of this module.

    python -m tests.bench.ingest_roles publish PORT KIND COUNT RATE
    python -m tests.bench.ingest_roles count PORT COUNT
    python -m tests.bench.ingest_roles ingest PORT COUNT FOLDER [URL]
    python -m tests.bench.ingest_roles parts KIND COUNT FOLDER [URL]
    python -m tests.bench.ingest_roles profile KIND COUNT FOLDER
    python -m tests.bench.ingest_roles sink PORT
    python -m tests.bench.ingest_roles send PORT COUNT FOLDER [URL]
    python -m tests.bench.ingest_roles bare PORT COUNT

URL is that of a PostgreSQL database; without one the store is a file in FOLDER.

A receiver prints a line when it listens, and one with its figures as JSON when COUNT messages came, or no more do.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .sampling import Sampler

if TYPE_CHECKING:
    from pixeltrail_bridge.ingest import Ingest
    from pixeltrail_bridge.store.database import SqlStore

DEVICES = 8
_BATCH = 100  # events of a request, as the product has it
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


def mqtt_packet(topic: bytes, payload: bytes) -> bytes:
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
            packets.append(bytearray(mqtt_packet(topic, _template(kind, b"bench--%d" % device, seq))))
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


def _open(folder: str, url: str, sink: str) -> SqlStore:
    from pixeltrail_bridge.store.opening import open_store

    return open_store(Path(folder) / "bench.db", url, sinks=(sink,))


def _ingest(port: int, count: int, folder: str, url: str = "") -> None:
    import structlog
    from pixeltrail_bridge.ingest import Arrival, Committed, Ingest, IngestSettings
    from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
    from pixeltrail_bridge.sources.base import LinkState
    from pixeltrail_bridge.sources.mqtt import MqttSource

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

    store = _open(folder, url, "sink")
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
    ((stored,),) = store._all("SELECT count(*) FROM chunks")
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


def _loaded(folder: str, kind: str, count: int, sink: str, url: str = "") -> tuple[SqlStore, Ingest]:
    """An ingest with `count` chunks in its queue, and its store."""
    from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
    from pixeltrail_bridge.mapping.chunks import map_chunk, map_sync
    from pixeltrail_bridge.mapping.settings import MappingSettings

    store = _open(folder, url, sink)
    settings = IngestSettings(mapping=MappingSettings(), min_free_bytes=0, queue_bytes=1 << 32)
    ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync)
    for seq in range(1 + -(-count // DEVICES)):
        for device in range(DEVICES):
            data = _template(kind, b"bench--%d" % device, seq)
            ingest.receive(Arrival(f"bench-{device}", data, 1_800_000_000_000, _Nowhere()))
    return store, ingest


def _parts(kind: str, count: int, folder: str, url: str = "") -> None:
    """CPU of decoding and of all from the queue to the commit, in us a chunk."""
    from pixeltrail_bridge.sources.base import Arrival
    from pixeltrail_bridge.wire.decode import decode_uplink

    store, ingest = _loaded(folder, kind, count, "sink", url)
    chunks = len(ingest._queue)
    began = time.process_time()
    for item in ingest._queue:
        assert isinstance(item, Arrival)
        decode_uplink(item.data)
    decoded = time.process_time()
    ingest.commit_queued()
    all_us, decode_us = ((time.process_time() - since) / chunks * 1e6 for since in (decoded, began))
    decode_us -= all_us
    store.close()
    print(json.dumps({"decode": round(decode_us), "map_and_commit": round(all_us - decode_us)}), flush=True)


def _profile(kind: str, count: int, folder: str) -> None:
    store, ingest = _loaded(folder, kind, count, "sink")
    sampler = Sampler()
    with sampler:
        ingest.commit_queued()
    store.close()
    print(json.dumps({"parts": sampler.parts(), "functions": sampler.functions(12)}), flush=True)


async def _send(port: int, count: int, folder: str, url: str = "") -> None:
    """Deliver an outbox of `count` events by the product's sender and Segment sink."""
    from pixeltrail_bridge.delivery import Delivery
    from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink

    store, ingest = _loaded(folder, "track500", count, "segment", url)
    ingest.commit_queued()
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


async def _bare(port: int, count: int) -> None:
    """The same requests by a client that has them ready: what the network, gzip and the server leave."""
    import aiohttp

    event = {"type": "track", "event": "Kettle Started", "properties": {"text": "x" * 410}, "context": {}}
    batch = json.dumps({"batch": [event] * _BATCH, "sentAt": "", "writeKey": "k"}).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    url = f"http://127.0.0.1:{port}/v1/batch"
    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        for _ in range(count // _BATCH):
            async with session.post(url, data=gzip.compress(batch, 6), headers=headers) as answer:
                await answer.read()
    seconds = time.perf_counter() - began
    print(json.dumps({"got": count, "per_s": count / seconds}), flush=True)


if __name__ == "__main__":
    role, port, *rest = sys.argv[1:]
    if role == "parts":
        _parts(port, int(rest[0]), *rest[1:])
    elif role == "profile":
        _profile(port, int(rest[0]), rest[1])
    elif role == "bare":
        asyncio.run(_bare(int(port), int(rest[0])))
    elif role == "publish":
        _publish(int(port), rest[0], int(rest[1]), float(rest[2]))
    elif role == "count":
        _count(int(port), int(rest[0]))
    elif role == "sink":
        asyncio.run(_sink(int(port)))
    elif role == "send":
        asyncio.run(_send(int(port), int(rest[0]), *rest[1:]))
    else:
        _ingest(int(port), int(rest[0]), *rest[1:])
