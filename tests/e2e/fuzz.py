"""What nobody should send: random and damaged messages, topics and HTTP answers, from a seed.

    python -m tests.e2e.fuzz --messages 1000000 --topics 100000 --answers 20000 [--seed K]

Messages go into a whole bridge in this process, as a source would hand them over, topics through a real broker, and
answers come from a server that knows no HTTP. Beside them a healthy device does its work.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from pixeltrail_bridge.mapping.calls import OutboxRow, Settled
from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support import vectors

SICK = tuple(f"sick-{number}" for number in range(20))


class Messages:
    """An endless source of them. Most are close to the contract: what is far from it is refused at once."""

    def __init__(self, seed: int, healthy_stream: bytes) -> None:
        self.dice = random.Random(seed)
        self._healthy = healthy_stream
        self._valid = [bytes.fromhex(one["hex"]) for one in vectors.load("up")]
        self._replays = _replays()
        self._seqs: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[tuple[str | None, bytes]]:
        """With the device that a topic names, None on a serial line, which is believed what it says of itself."""
        makers = (self._noise, self._damaged, self._session, self._session, self._cbor)
        while True:
            device = self.dice.choice(SICK)
            if self.dice.random() < 0.1:
                yield device, self._stolen()
            else:
                is_named = self.dice.random() < 0.9
                yield device if is_named else None, self.dice.choice(makers)(device)

    def _noise(self, _device: str) -> bytes:
        return self.dice.randbytes(self.dice.choice((0, 1, 2, 9, 60, 300, 1_024, 4_097)))

    def _damaged(self, _device: str) -> bytes:
        return self._damage(self.dice.choice(self._valid))

    def _damage(self, data: bytes) -> bytes:
        dice, raw = self.dice, bytearray(data)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(raw) + 1)
            way = dice.randrange(5)
            if way == 0 and at < len(raw):
                raw[at] ^= 1 << dice.randrange(8)
            elif way == 1 and at < len(raw):
                raw[at] = dice.choice(
                    (0, 0x18, 0x1B, 0x3B, 0x5F, 0x7F, 0x80, 0x9F, 0xBF, 0xC2, 0xF6, 0xFB, 0xFF)
                )
            elif way == 2:
                raw[at:at] = dice.randbytes(dice.randint(1, 8))
            elif way == 3:
                del raw[at : at + dice.randint(1, 8)]
            else:
                other = dice.choice(self._valid)
                raw[at:] = other[dice.randrange(len(other)) :]
        return bytes(raw)

    def _session(self, device: str) -> bytes:
        """The next chunk of a stream that is in order, with records that make little sense; at times damaged."""
        dice = self.dice
        stream = hashlib.blake2b(f"{device} {dice.randrange(3)}".encode(), digest_size=8).digest()
        seq = self._seqs.get(stream, 0)
        bodies = self._beginning(device) if seq == 0 else self._bodies()
        times = sorted(dice.randrange(1 << 20) for _ in bodies)
        records = tuple(m.Record(n, at, body) for n, (at, body) in enumerate(zip(times, bodies, strict=True)))
        data = encode_uplink(m.Chunk(stream, seq, times[0], records))
        if seq and dice.random() < 0.2:
            return self._damage(data)
        self._seqs[stream] = seq + 1
        return data

    def _beginning(self, device: str) -> list[m.Body]:
        dice = self.dice
        hello = m.Hello(device, dice.randrange(9), 1, "sim", "x", "fuzz", "1", 0, None, "none")
        return [hello, dice.choice(self._replays)[0], m.SessionStart(0, True, None)]

    def _bodies(self) -> list[m.Body]:
        dice = self.dice
        if dice.random() < 0.6:
            frame = dice.choice(dice.choice(self._replays)[1])
            if dice.random() < 0.4:
                frame = m.Frame(dice.randrange(256), dice.randbytes(dice.randrange(200)))
            elif dice.random() < 0.4:
                frame = m.Frame(frame.flags, self._damage(frame.payload)[:900])
            return [frame, m.Touch(dice.randrange(1024), 1, 1)]
        value = dice.choice(
            (float("nan"), 1 << 62, "\0\ud7ff", [[[[1]]]], {"": None}, "x" * 300, -0.0, b"".hex())
        )
        choice: list[list[m.Body]] = [
            [m.Track(dice.choice(("", "[Amplitude] x", "Fine", "ü" * 60)), {"v": value})],
            [m.Screen("", {"name": value}), m.Identify(None, {"a": value}), m.Alias("", None)],
            [m.SessionEnd(dice.randrange(3)), m.SessionStart(dice.randrange(3), None, 1 << 40)],
            [m.Gap(dice.randrange(50), dice.randrange(50, 100), 1, 1, 1, dice.randrange(256))],
            [m.Vitals({dice.randrange(256): -5}), m.OptOut(dice.random() < 0.2)],
            [m.Masks(((1, 2, 3, 4),)), m.UnknownArea(1, 2, 3, 4)],
        ]
        return dice.choice(choice)

    def _cbor(self, _device: str) -> bytes:
        """Well-formed, and of any structure."""
        dice = self.dice
        items = [dice.choice((1, 1, 1, 0, 2)), dice.choice((dice.randbytes(8), 1, 9, None, "1"))]
        return cbor2.dumps(items + [self._value(0) for _ in range(dice.randrange(12))])

    def _value(self, depth: int) -> Any:
        dice = self.dice
        if depth < 6 and dice.random() < 0.3:
            size = dice.randrange(4)
            if dice.random() < 0.5:
                return [self._value(depth + 1) for _ in range(size)]
            return {dice.choice(("k", 1, None, 2.5)): self._value(depth + 1) for _ in range(size)}
        return dice.choice(
            (0, -1, 7, 8, 1 << 29, 1 << 30, 1 << 70, 2.5, None, True, "Event", b"\x07", "", b"")
        )

    def _stolen(self) -> bytes:
        """A healthy device's stream, from somebody else."""
        dice = self.dice
        if dice.random() < 0.5:
            return encode_uplink(
                m.Sync(self._healthy, dice.randrange(99), 1 << 20, 5, None, 1, None, "sick-0")
            )
        record = m.Record(0, 1, m.Track("Stolen", {}))
        return encode_uplink(m.Chunk(self._healthy, dice.randrange(1 << 20), 1, (record,)))


def _replays() -> list[tuple[m.Display, list[m.Frame]]]:
    """Displays and parts of frames for them, from the vectors of both coders."""
    found = []
    for name in ("frames", "frames_cx"):
        for one in json.loads((vectors.FOLDER / f"{name}.json").read_text())["valid"]:
            d = one["display"]
            kind, references = m.PixelFormat(d["format"]), d.get("references", 128)
            display = m.Display(
                d["width"], d["height"], kind, d["strip_width"], d["strip_rows"], references, None, 0
            )
            parts = [
                m.Frame(flags, bytes.fromhex(data)) for step in one["steps"] for flags, data in step["parts"]
            ]
            found.append((display, [part for part in parts if len(part.payload) < 900]))
    return [(display, parts) for display, parts in found if parts]


def topics(seed: int) -> Iterator[str]:
    """Topics that a broker carries, none of them of a device."""
    dice = random.Random(seed)
    words = [
        "pt",
        "v1",
        "up",
        "state",
        "_bridge",
        "",
        " ",
        "..",
        *("device-1/x", "ééé", "\U0001f600", "-a", "x"),
        "a" * 65,
    ]
    while True:
        if dice.random() < 0.5:
            yield f"pt/v1/{dice.choice(words[5:])}/{dice.choice(('up', 'state'))}"
        else:
            yield dice.choice(("pt/v1/", "pt/v1/_bridge/")) + "/".join(
                dice.choices(words, k=dice.randint(1, 4))
            )


# ---- HTTP ------------------------------------------------------------------------------


def answers(seed: int) -> Iterator[bytes]:
    """What a server may say: mostly HTTP, never quite."""
    dice = random.Random(seed)
    waits = (
        b"",
        b"0",
        b"-1",
        b"99999999999",
        b"Wed, 21 Oct 2015 07:28:00 GMT",
        b"soon",
        b"\xff",
        b"1e3",
        b"Mon, 99",
    )
    bodies = (
        b"",
        b"{}",
        b'{"success":true}',
        b"<html>",
        b"\0" * 70,
        b"{" * 9_000,
        b"\xff\xfe",
        b'{"success": tr',
    )
    while True:
        status = dice.choice(
            (200, 204, 301, 400, 401, 403, 404, 408, 413, 422, 429, 460, 500, 501, 503, 505, 999, 99, 0)
        )
        body = dice.choice(bodies)
        head = [
            dice.choice((b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"ICY", b"")) + b" %d OK" % status,
            b"Content-Length: " + dice.choice((b"%d" % len(body), b"%d" % len(body), b"99999", b"-1", b"x")),
            b"Retry-After: " + dice.choice(waits),
            dice.choice(
                (b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"X: y", b"Location: /x", b":")
            ),
        ]
        kept = [head[0], *(line for line in head[1:] if dice.random() < 0.6)]
        raw = b"\r\n".join(kept) + b"\r\n\r\n" + body
        if dice.random() < 0.3:
            raw = raw[: dice.randrange(len(raw) + 1)]
        yield raw if dice.random() < 0.9 else dice.randbytes(dice.randrange(100))


@dataclass
class Answered:
    """What came of them. `wrong` is to be empty."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    wrong: tuple[str, ...] = ()


async def answer_a_sink(count: int, seed: int) -> Answered:
    """A Segment sink meets `count` answers, one request each, and then a server that is well."""
    said, result, now_ms = answers(seed), Answered(), 1_800_000_000_000
    current = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(current)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sink = SegmentSink(SegmentSettings(write_key="k", host=url, gzip=False), now_ms=lambda: now_ms)
    row = OutboxRow(1, "healthy", "px-1", "track", b'{"messageId":"px-1"}', 0)
    try:
        for _ in range(count):
            current = next(said)
            settled = await sink.deliver([row])
            now_ms = max(now_ms + 1, sink.paused_until_ms, *(one.next_try_ms for one in settled))
            _note(result, current, settled)
        current = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        (last,) = await sink.deliver([row])
        if last.state != "sent" or sink.alarm:
            result.wrong += (f"a good answer at the end was taken as {last}, alarm {sink.alarm}",)
    finally:
        await sink.close()
        server.close()
    return result


def _note(result: Answered, raw: bytes, settled: list[Settled]) -> None:
    """An event counts as sent only after a whole answer of 2xx, and is given up only after 400, 413 or 422."""
    (one,) = settled
    result.sent += one.state == "sent"
    result.retried += one.state == "retry"
    result.dead += one.state == "dead"
    status = raw.split(b" ")[1:2]
    is_fair = {
        "sent": status and status[0][:1] == b"2" and raw.startswith(b"HTTP/"),
        "dead": status and status[0] in (b"400", b"413", b"422"),
        "retry": True,
    }[one.state]
    if not is_fair:
        result.wrong += (f"{raw[:200]!r} was taken as {one}",)


# ---- memory ----------------------------------------------------------------------------


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main(argv: list[str] | None = None) -> int:
    from .test_fuzz import throw_messages, throw_topics

    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fuzz", allow_abbrev=False)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--topics", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    steps: list[tuple[str, Callable[[Path], Any]]] = [
        ("messages", lambda folder: throw_messages(folder, options.messages, options.seed)),
        ("topics", lambda folder: throw_topics(folder, options.topics, options.seed)),
    ]
    for name, step in steps:
        with tempfile.TemporaryDirectory(prefix="pixeltrail-fuzz-") as folder:
            print(json.dumps({name: step(Path(folder))}), flush=True)
    answered = asyncio.run(answer_a_sink(options.answers, options.seed))
    print(json.dumps({"answers": vars(answered)}))
    return 1 if answered.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
