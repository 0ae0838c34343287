"""What a batch comes to, gathered row by row, so that each table is written once."""

from __future__ import annotations

from collections import Counter

from ..mapping.calls import Call
from ..sessions.state import GapRow, SessionRow
from ..store.base import DeviceSave, IngestTransaction, NewChunk, StreamSave
from .known import Device, Stream, encode_json


class Rows:
    """`touched`: streams that were heard, and when; theirs and their devices' states are written with the rest."""

    def __init__(self) -> None:
        self.chunks: dict[int, NewChunk] = {}
        self.places: list[tuple[int, int, int]] = []
        self.dropped: list[int] = []
        self.replaced: list[tuple[int, bytes]] = []
        self.scrubbed: list[int] = []
        self.calls: list[Call] = []
        self.sessions: dict[tuple[str, int], SessionRow] = {}
        self.gaps: list[GapRow] = []
        self.skips: list[tuple[int, int, int]] = []
        self.heads: list[tuple[int, int, bool]] = []
        self.spans: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.touched: dict[Stream, int] = {}

    def write(self, tx: IngestTransaction) -> None:
        tx.put_chunks(self.chunks.values())
        tx.place_chunks(self.places)
        tx.drop_chunks(self.dropped)
        tx.replace_chunks(self.replaced)
        tx.note_scrubbed(self.scrubbed)
        tx.put_skips(self.skips)
        tx.put_heads(self.heads)
        tx.put_spans((*key, *bounds) for key, bounds in self.spans.items())
        tx.put_sessions(self.sessions.values())
        tx.put_gaps(self.gaps)
        tx.enqueue_calls(self.calls)
        tx.count_all(self.counts)
        self._write_states(tx)

    def _write_states(self, tx: IngestTransaction) -> None:
        devices: dict[Device, int] = {}
        streams = []
        for stream, seen_ms in self.touched.items():
            devices[stream.device] = seen_ms
            states = (encode_json(stream.state), encode_json(stream.line))
            streams.append(StreamSave(stream.number, stream.watermark, *states, seen_ms))
        tx.save_streams(streams)
        tx.save_devices(
            DeviceSave(device.number, encode_json(device.state), device.opt_out_order, seen_ms)
            for device, seen_ms in devices.items()
        )
        for device in devices:
            device.version += 1
