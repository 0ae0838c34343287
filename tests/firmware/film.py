"""What a file of messages (pixeltrail.File) shows: every picture, and whether it is mixed."""

from __future__ import annotations

import io
from pathlib import Path

import cbor2
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink


def records_of(path: Path) -> list[object]:
    """Bodies of all records, in the order in which they were written. There is one stream."""
    data = path.read_bytes()
    file = io.BytesIO(data)
    bodies: list[object] = []
    while (start := file.tell()) < len(data):
        cbor2.load(file)
        seen = decode_uplink(data[start : file.tell()])
        if isinstance(seen, m.Chunk):
            bodies += [record.body for record in seen.records]
    return bodies


def film_of(path: Path) -> list[tuple[bytes, bool]]:
    shown = []
    canvas: Canvas | None = None
    for body in records_of(path):
        if isinstance(body, m.Display):
            canvas = Canvas(body)
        elif isinstance(body, m.Frame):
            assert canvas is not None, "a frame before the display record"
            frame = canvas.apply(body)
            if frame is not None:
                shown.append((bytes(canvas.picture), frame.is_mixed))
    return shown
