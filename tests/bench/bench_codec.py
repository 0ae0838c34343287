"""Bytes per changed frame, ours against peers, over recorded sequences. Every frame is decoded again and compared.

Ours: the records of a frame (dt, head of the byte string, flags, payload; all parts) as they stand in a chunk, chunk
heads apart. Peers: 4 bytes a record. The first frame is coded by all and counted for none. There are no periodic
keyframes. `--corpus FOLDER` chooses the sequences, `--jobs N` the processes.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.limits import MAX_MESSAGE_BYTES
from pixeltrail_bridge.wire.messages import Display, Frame, FrameFlag, PixelFormat

from tests.support import corpus

from .peers import boxes, tiles, whole

PEER_RECORD_BYTES = 4
CHUNK_BYTES = 1024  # the default of a device
CHUNK_HEAD_BYTES = 32  # version, stream, seq, time, the arrays around them: what a frame's parts cannot use
FLAGS_OF_TYPE = 5  # the payload type stands above the flags
DT_MS = 66  # of the first part of each frame; 15 frames a second

FORMATS = {
    "MONO_VLSB": PixelFormat.MONO_VLSB,
    "MONO_HLSB": PixelFormat.MONO_HLSB,
    "GS4": PixelFormat.GS4_HMSB,
    "GS8": PixelFormat.GS8,
    "RGB565": PixelFormat.RGB565,
    "RGB565S": PixelFormat.RGB565S,
}


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    frames: int
    ours: int
    chunk_heads: int
    """Bytes of chunk heads if chunks held nothing but these frames."""
    zstd: int
    peers: dict[str, int]

    def per_frame(self, size: int) -> float:
        return size / self.frames

    @property
    def best_peer(self) -> int:
        return min(self.peers.values())


class Ours:
    """The device's encoder and the bridge's canvas."""

    def __init__(self, sequence: corpus.Sequence) -> None:
        self._buffer = bytearray(sequence.frame_bytes)
        format = FORMATS[sequence.format]
        self._encoder = Encoder(self._buffer, sequence.width, sequence.height, int(format))
        encoder = self._encoder
        self._canvas = Canvas(
            Display(
                sequence.width, sequence.height, format, encoder.strip_width, encoder.strip_rows, 128, None, 0
            )
        )
        self._room = min(CHUNK_BYTES, MAX_MESSAGE_BYTES) - CHUNK_HEAD_BYTES
        self._out = bytearray(CHUNK_BYTES)

    def code(self, picture: bytes, is_key: bool = False) -> int:
        self._buffer[:] = picture
        self._encoder.refresh()
        self._encoder.begin(is_key)
        size = 0
        flags = int(FrameFlag.FIRST) | self._encoder.payload_type << FLAGS_OF_TYPE
        if is_key:
            flags |= FrameFlag.KEY | FrameFlag.RESET
        while not flags & FrameFlag.LAST:
            payload = self._part(is_key)
            if self._encoder.finished:
                flags |= FrameFlag.LAST
            shown = self._canvas.apply(Frame(flags, payload))
            size += _record_bytes(DT_MS if flags & FrameFlag.FIRST else 0, 1 + len(payload))
            flags &= ~int(FrameFlag.FIRST | FrameFlag.RESET)
        assert shown is not None and self._canvas.picture == picture
        return size

    def _part(self, is_key: bool) -> bytes:
        size = self._encoder.encode_into(self._out, 0, self._room - 4, 1 << 30)
        assert size or self._encoder.finished
        if is_key and self._encoder.finished:
            self._encoder.checksum_into(self._out, size)
            size += 4
        return bytes(self._out[:size])


def _record_bytes(dt_ms: int, body_bytes: int) -> int:
    """A record as CBOR: the integer dt, the head of a byte string, the string."""
    return _head_bytes(dt_ms) + _head_bytes(body_bytes) + body_bytes


def _head_bytes(value: int) -> int:
    return 1 if value < 24 else 2 if value < 256 else 3


def measure(sequence: corpus.Sequence) -> Result:
    format = FORMATS[sequence.format]
    bits = formats.bits_per_pixel(format)
    shape = (sequence.height, sequence.width)
    by_value: dict[str, Any] = {
        "png": boxes.Png(bits),
        "hextile": tiles.Hextile(bits, shape),
        "trle": tiles.Trle(bits, shape),
        "zrle": tiles.Zrle(bits, shape),
    }
    by_byte: dict[str, Any] = {
        "zlib9_xor": boxes.Zlib9Xor(),
        "lz4": boxes.Lz4(),
        "heatshrink": boxes.Heatshrink(),
    }
    sizes = dict.fromkeys([*by_value, *by_byte], 0)
    ours_coder = Ours(sequence)
    ours = 0
    frames = list(sequence.frames)
    byte_shape = (formats.rows(format, sequence.height), formats.bytes_per_row(format, sequence.width))
    before_bytes = np.zeros(byte_shape, np.uint8)
    before = formats.to_values(before_bytes.tobytes(), format, sequence.width, sequence.height)
    for number, frame in enumerate(frames):
        size = ours_coder.code(frame, is_key=number == 0)
        after_bytes = np.frombuffer(frame, np.uint8).reshape(before_bytes.shape)
        after = formats.to_values(frame, format, sequence.width, sequence.height)
        if number:
            ours += size
        if np.array_equal(before_bytes, after_bytes):
            continue  # only a blank first frame
        for name, peer in by_value.items():
            sizes[name] += (peer.code(before, after) + PEER_RECORD_BYTES) * (number > 0)
        for name, peer in by_byte.items():
            sizes[name] += (peer.code(before_bytes, after_bytes) + PEER_RECORD_BYTES) * (number > 0)
        before, before_bytes = after, after_bytes
    heads = math.ceil(ours / (CHUNK_BYTES - CHUNK_HEAD_BYTES)) * CHUNK_HEAD_BYTES
    return Result(sequence.name, len(frames) - 1, ours, heads, whole.zstd_long(frames), sizes)


CLASSES = {
    "mono": ("mono_", "epaper_"),
    "grey": ("gs",),
    "colour": ("rgb_",),
    "lvgl": ("lv_",),
    "photo": ("photo_",),
}


def by_class(results: list[Result]) -> dict[str, dict[str, float]]:
    """Of each kind of content: bytes against ZRLE and the best peer, sequences won against it, sequences."""
    found = {}
    for name, starts in CLASSES.items():
        chosen = [result for result in results if result.name.startswith(starts)]
        if chosen:
            found[name] = {
                "vs_zrle": round(statistics.geometric_mean(r.ours / r.peers["zrle"] for r in chosen), 3),
                "vs_best_peer": round(statistics.geometric_mean(r.ours / r.best_peer for r in chosen), 3),
                "won": sum(r.ours < r.best_peer for r in chosen),
                "sequences": len(chosen),
            }
    return found


def figures(results: list[Result]) -> list[dict[str, Any]]:
    to_zrle = statistics.geometric_mean(result.ours / result.peers["zrle"] for result in results)
    to_best = statistics.geometric_mean(result.ours / result.best_peer for result in results)
    below = sum(result.ours < result.zstd for result in results) / len(results)
    sequences = [_detail(result) for result in results]
    return [
        _figure("codec.bytes_vs_zrle", to_zrle, "ratio", "ZRLE, one 32 KB window", sequences),
        _figure("codec.bytes_vs_best_peer", to_best, "ratio", "best per-record peer", by_class(results)),
        _figure("codec.below_zstd_share", below, "share", "zstd -19 long of the whole file", None),
    ]


def _figure(name: str, value: float, unit: str, against: str, sequences: Any) -> dict[str, Any]:
    detail = {"payload_type": Encoder.payload_type, "sequences": sequences}
    return {"name": name, "value": value, "unit": unit, "against": against, "detail": detail}


def _detail(result: Result) -> dict[str, Any]:
    """Bytes per changed frame."""
    peers = {name: round(result.per_frame(size), 1) for name, size in result.peers.items()}
    return {
        "name": result.name,
        "frames": result.frames,
        "ours": round(result.per_frame(result.ours), 1),
        "chunk_heads": round(result.per_frame(result.chunk_heads), 1),
        "zstd": round(result.per_frame(result.zstd), 1),
        **peers,
    }


def _measure_named(name_and_folder: tuple[str, Path]) -> Result:
    return measure(corpus.load(*name_and_folder))


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench codec", allow_abbrev=False)
    parser.add_argument("--corpus", type=Path, default=corpus.DEFAULT_FOLDER)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(argv)
    work = [(name, options.corpus) for name in corpus.names(options.corpus)]
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        results = pool.map(_measure_named, work, chunksize=1)
    _print_table(results)
    for name, found in by_class(results).items():
        print(name, *(f"{key} {value}" for key, value in found.items()))
    return figures(results)


def _print_table(results: list[Result]) -> None:
    names = ["ours", "zstd", *results[0].peers]
    print(f"{'bytes per changed frame':<24}" + "".join(f"{name:>11}" for name in names))
    for result in results:
        detail = _detail(result)
        print(f"{result.name:<24}" + "".join(f"{detail[name]:>11}" for name in names))
