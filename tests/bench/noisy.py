"""One noisy of fifty devices: what it costs the others, from publishing a chunk until it is acked.

    python -m tests.bench.noisy flood PORT RATE        what the noisy device sends, until it is ended

Forty-nine devices send a quarter of their quota each, through Mosquitto, to `pixeltrail up` with that quota; the
fiftieth sends a hundred times its own, valid and invalid messages in turn. Quiet and noisy stretches take turns, so
that what else the machine does falls on both.
"""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.bench.ingest_roles import mqtt_packet
from tests.support.services import LOOPBACK, mosquitto

ROOT = Path(__file__).resolve().parents[2]
OTHERS, QUOTA, TIMES = 49, 20.0, 100
NOISY = "noisy-01"
_UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0"
_READY_S, _SETTLE_S = 60.0, 30.0
_PACKETS = 2_000  # of the noise, sent in turn: what is made while it is sent would be the flood's own cost


class Quiet:
    """The devices that behave. `waits`: ms from publishing to the ack, by stretch."""

    def __init__(self, port: int, rate: float) -> None:
        self._rate, self._lock = rate, threading.Lock()
        self.stretch = ""
        self.waits: dict[str, list[float]] = defaultdict(list)
        self._sent: dict[bytes, dict[int, tuple[float, str]]] = defaultdict(dict)
        self._next: dict[bytes, int] = defaultdict(int)
        self._devices = {f"quiet-{number:02}": b"quiet-%02d" % number for number in range(OTHERS)}
        self._stopping, self._is_heard = threading.Event(), False
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._heard
        self._client.connect(LOOPBACK, port)
        self._client.subscribe([(f"pt/v1/{device}/down", 0) for device in self._devices])
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Waits until the bridge hears us."""
        deadline_s = time.monotonic() + _READY_S
        while not self._is_heard and time.monotonic() < deadline_s:
            self._sync()
            time.sleep(0.2)
        self._thread.start()

    def stop(self) -> int:
        """Stop sending, wait for the acks; returns how many chunks have none."""
        self._stopping.set()
        self._thread.join()
        deadline_s = time.monotonic() + _SETTLE_S
        while self._open() and time.monotonic() < deadline_s:
            self._sync()
            time.sleep(0.2)
        self._client.disconnect()
        self._client.loop_stop()
        return self._open()

    def _open(self) -> int:
        with self._lock:
            return sum(map(len, self._sent.values()))

    def _sync(self) -> None:
        for device, stream in self._devices.items():
            with self._lock:
                following = self._next[stream]
            data = encode_uplink(m.Sync(stream, 0, following, 0, None, 1, None, device))
            self._client.publish(f"pt/v1/{device}/up", data)

    def _run(self) -> None:
        pause_s = 1 / (self._rate * OTHERS)
        due_s = time.monotonic()
        while True:
            for device, stream in self._devices.items():
                due_s += pause_s
                if self._stopping.wait(max(0.0, due_s - time.monotonic())):
                    return
                with self._lock:
                    seq = self._next[stream]
                    self._next[stream] += 1
                    self._sent[stream][seq] = (time.monotonic(), self.stretch)
                self._client.publish(f"pt/v1/{device}/up", _chunk(stream, seq))

    def _heard(self, _client: Any, _data: Any, message: Any) -> None:
        now_s, ack = time.monotonic(), decode_downlink(message.payload)
        if not isinstance(ack, m.Ack):
            return
        self._is_heard = True
        with self._lock:
            sent = self._sent[ack.stream]
            for seq in [seq for seq in sent if seq < ack.next]:
                sent_s, stretch = sent.pop(seq)
                self.waits[stretch].append((now_s - sent_s) * 1000)


def measure(seconds: float, rounds: int) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-noisy-")))
        broker = stack.enter_context(mosquitto(_UNLIMITED))
        log = folder / "log"
        bridge = stack.enter_context(_bridge(folder, broker.port, log))
        quiet = Quiet(broker.port, QUOTA / 4)
        quiet.start()
        try:
            for number in range(rounds):
                _stretch(quiet, "warm-up" if number == 0 else "between", min(seconds, 2.0))
                _stretch(quiet, "quiet", seconds)
                with _flooding(broker.port) as flood:
                    _stretch(quiet, "between", min(seconds, 2.0))
                    _stretch(quiet, "noisy", seconds)
                    flood.terminate()
            unacked = quiet.stop()
        finally:
            bridge.terminate()
            bridge.wait()
        store = SqliteStore(folder / "data" / "pixeltrail.db")
        refused = {
            device: counts["over_quota"]
            for device, counts in store.counters().items()
            if "over_quota" in counts
        }
        store.close()
    return _figures(quiet.waits, refused, unacked, seconds, rounds)


def _flooding(port: int) -> subprocess.Popen[str]:
    """A process that floods the broker, once it has begun."""
    words = [sys.executable, "-m", "tests.bench.noisy", "flood", str(port), str(QUOTA * TIMES)]
    flood = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert flood.stdout is not None and flood.stdout.readline().strip() == "flooding"
    return flood


def _bridge(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    settings = {
        "bridge.data_dir": folder / "data",
        "mqtt.url": f"mqtt://{LOOPBACK}:{port}",
        "web.enabled": "false",
        "quotas.messages_per_s": QUOTA,
        "quotas.burst_s": 2,
        "quotas.kb_per_s": 100,
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "pixeltrail", "up", *words], stdout=out, stderr=out
        )
    deadline_s = time.monotonic() + _READY_S
    while b"serving the devices" not in log.read_bytes():
        if time.monotonic() > deadline_s or process.poll() is not None:
            process.kill()
            raise RuntimeError(f"the bridge did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return process


def _stretch(quiet: Quiet, name: str, seconds: float) -> None:
    quiet.stretch = name
    time.sleep(seconds)


def _figures(
    waits: dict[str, list[float]], refused: dict[str, int], unacked: int, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    calm, loud = _p99(waits["quiet"]), _p99(waits["noisy"])
    detail = {
        "quiet_p99_ms": round(calm, 2),
        "noisy_p99_ms": round(loud, 2),
        "chunks": {name: len(found) for name, found in waits.items()},
        "noise": f"{TIMES} times a quota of {QUOTA:g} messages/s, half of them invalid",
        "noise_refused": refused.get(NOISY, 0),
        "others_refused": sum(count for device, count in refused.items() if device != NOISY),
        "others_unacked": unacked,
        "stretches": f"{rounds} of {seconds:g} s each",
        "machine": f"{platform.machine()}, CPython {platform.python_version()}",
    }
    against = "the same without the noisy device, in turn"
    return [
        {
            "name": "ingest.noisy_p99",
            "value": loud / calm,
            "unit": "ratio",
            "against": against,
            "detail": detail,
        }
    ]


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else float("nan")


def _chunk(stream: bytes, seq: int) -> bytes:
    return encode_uplink(m.Chunk(stream, seq, 0, (m.Record(0, 0, m.Track("Made", {"text": "x" * 400})),)))


def _flood(port: int, rate: float) -> None:
    """Ready packets over a bare socket: at a hundred times a quota a client's own work would slow the others down."""
    topic = f"pt/v1/{NOISY}/up".encode()
    noise = (_chunk(b"noisy-01", n // 2) if n % 2 else b"\xff" * 500 for n in range(_PACKETS))
    packets = [mqtt_packet(topic, payload) for payload in noise]
    with socket.create_connection((LOOPBACK, port)) as line:
        line.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05noisy")
        assert line.recv(4)[:2] == b"\x20\x02", "no CONNACK"
        print("flooding", flush=True)
        began_s, sent = time.monotonic(), 0
        while True:
            time.sleep(0.001)
            due = int((time.monotonic() - began_s) * rate)
            line.sendall(b"".join(packets[n % _PACKETS] for n in range(sent, due)))
            sent = due


if __name__ == "__main__":
    _flood(int(sys.argv[2]), float(sys.argv[3]))
