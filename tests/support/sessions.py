"""Sessions made of recorded sequences, as chunks in memory: the device's own coder, without a device or a clock.

A sequence is coded once; to make a session long its chunks are repeated, each round beginning with the keyframe, which
resets the coder. So a session of two days costs little more than its bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.store.base import StoredChunk
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from . import corpus
from .film import Studio

DEVICE_ID, SESSION_ID, START_MS = "kitchen-01", 1_767_000_000_000, 1_767_000_000_000
STREAM = b"sequence"
BETWEEN_MS = 500  # from the last picture of a round to the first of the next
_PART_BYTES = 900
FORMATS = {
    "MONO_VLSB": m.PixelFormat.MONO_VLSB,
    "MONO_HLSB": m.PixelFormat.MONO_HLSB,
    "GS4": m.PixelFormat.GS4_HMSB,
    "GS8": m.PixelFormat.RGB332,
    "RGB565": m.PixelFormat.RGB565,
    "RGB565S": m.PixelFormat.RGB565S,
}


@dataclass(frozen=True, slots=True)
class Coded:
    """A sequence as frame records: `frames[i]` are the parts of picture i, which came at `t_ms[i]`."""

    display: m.Display
    frames: tuple[tuple[m.Frame, ...], ...]
    t_ms: tuple[int, ...]
    pictures: tuple[bytes, ...]

    @property
    def round_ms(self) -> int:
        return self.t_ms[-1] - self.t_ms[0] + BETWEEN_MS


@lru_cache(8)
def coded(name: str, most: int = 1 << 30, folder: str = str(corpus.DEFAULT_FOLDER)) -> Coded:
    """The first `most` pictures of a sequence."""
    sequence = corpus.load(name, Path(folder))
    pictures = tuple(itertools.islice(sequence.frames, most))
    return code(
        sequence.width, sequence.height, FORMATS[sequence.format], pictures, tuple(sequence.t_ms[:most])
    )


def code(
    width: int,
    height: int,
    format: m.PixelFormat,
    pictures: Sequence[bytes],
    t_ms: Sequence[int],
    palette: bytes | None = None,
) -> Coded:
    """Any pictures; the first is a keyframe."""
    buffer = bytearray(formats.picture_bytes(format, width, height))
    encoder = Encoder(buffer, width, height, int(format))
    frames = []
    for number, picture in enumerate(pictures):
        buffer[:] = picture
        encoder.refresh()
        encoder.begin(number == 0)
        frames.append(tuple(_parts(encoder, is_key=number == 0)))
    display = m.Display(width, height, format, encoder.strip_width, encoder.strip_rows, 128, palette, 0)
    return Coded(display, tuple(frames), tuple(t_ms), tuple(pictures))


def _parts(encoder: Encoder, *, is_key: bool) -> Iterator[m.Frame]:
    out = bytearray(_PART_BYTES + 8)
    flags = m.FrameFlag.FIRST | encoder.payload_type << 5
    if is_key:
        flags |= m.FrameFlag.KEY | m.FrameFlag.RESET
    while not flags & m.FrameFlag.LAST:
        size = encoder.encode_into(out, 0, _PART_BYTES, 1 << 30)
        if encoder.finished:
            flags |= m.FrameFlag.LAST
            if is_key:
                encoder.checksum_into(out, size)
                size += 4
        yield m.Frame(int(flags), bytes(out[:size]))
        flags &= ~int(m.FrameFlag.FIRST | m.FrameFlag.RESET)


def session(
    sequence: Coded,
    rounds: int = 1,
    *,
    inputs: Sequence[tuple[int, m.Body]] = (),
    session_id: int = SESSION_ID,
) -> Iterator[StoredChunk]:
    """The chunks of a session: hello, display, start, then the pictures, with `inputs` (ms, record) between them."""
    hello = m.Hello(DEVICE_ID, 1, 1, "sim", "0.1.0", "thermostat", "1.2", 0, None, "micropython 1.28")
    seqs = itertools.count()
    yield _chunk(next(seqs), session_id, 0, (hello, sequence.display, m.SessionStart(0, True, None)))
    waiting = sorted(inputs, key=lambda pair: pair[0])
    for number in range(rounds):
        for t_ms, parts in zip(sequence.t_ms, sequence.frames, strict=True):
            at_ms = number * sequence.round_ms + t_ms - sequence.t_ms[0]
            while waiting and waiting[0][0] < at_ms:
                early_ms, body = waiting.pop(0)
                yield _chunk(next(seqs), session_id, early_ms, (body,))
            for part in parts:
                yield _chunk(next(seqs), session_id, at_ms, (part,))
    for late_ms, body in waiting:
        yield _chunk(next(seqs), session_id, late_ms, (body,))


def _chunk(seq: int, session_id: int, at_ms: int, bodies: Sequence[m.Body]) -> StoredChunk:
    records = tuple(m.Record(index, at_ms, body) for index, body in enumerate(bodies))
    data = encode_uplink(m.Chunk(STREAM, seq, at_ms, records))
    host_ms = START_MS + at_ms
    return StoredChunk(DEVICE_ID, STREAM, seq, host_ms, session_id, host_ms, data)


def length_of(sequence: Coded, rounds: int) -> int:
    """From the session's start to its last picture, in ms."""
    return (rounds - 1) * sequence.round_ms + sequence.t_ms[-1] - sequence.t_ms[0]


def record_session(folder: Path, name: str, most: int = 1 << 30) -> None:
    """A data folder with a session of the first `most` pictures of a sequence, through ingest and projector."""
    folder.mkdir(parents=True)
    coded_ones = coded(name, most)
    end_ms = length_of(coded_ones, 1) + 500
    said = [(300, m.Screen("Home", {})), (1_500, m.Touch(60, 60, 0)), (1_700, m.Touch(60, 60, 2))]
    said += [(1_800, m.Track("Boost Started", {"minutes": 20})), (end_ms, m.SessionEnd(0))]
    store = SqliteStore(folder / "pixeltrail.db")
    studio = Studio(store)
    sync = m.Sync(STREAM, 0, 0, 0, None, 1, None, DEVICE_ID)
    chunks = [(chunk.received_ms, chunk.data) for chunk in session(coded_ones, inputs=said)]
    studio.feed((START_MS, encode_uplink(sync)), *chunks, device_id=DEVICE_ID)
    store.close()
