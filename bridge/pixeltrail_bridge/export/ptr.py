"""`.ptr`: a session's chunks as the device sent them, in one file (schema/wire.md, "Recording file").

A CBOR sequence (RFC 8742): a head, then one item for each chunk. The file plays in `pixeltrail play` and opens with
`Recording.of_chunks`, pixel for pixel as from the store.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import cbor2

from ..errors import LocalError, PeerError, shorten
from ..replay.recording import Placed, Recording
from ..wire.decode import decode_uplink
from ..wire.limits import DEVICE_ID, EPOCH_MAX, MAX_MESSAGE_BYTES
from ..wire.messages import Chunk

SUFFIX: Final = ".ptr"
VERSION: Final = 1
_NAME: Final = "pixeltrail"
_HEAD_ITEMS, _CHUNK_ITEMS = 6, 3
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Head:
    device_id: str
    session_id: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class FiledChunk:
    """A chunk as a file keeps it; see store.base.StoredChunk."""

    stream: bytes
    seq: int
    received_ms: int
    session_id: int | None
    host_ms: int | None
    data: bytes


def write_ptr(head: Head, chunks: Iterable[Placed], file: BinaryIO) -> int:
    """`chunks` as Store.session_chunks gives them, with what comes before the session for the decoder; how many."""
    items = [_NAME, VERSION, head.device_id, head.session_id, head.start_ms, head.end_ms]
    file.write(cbor2.dumps(items))
    count = 0
    for chunk in chunks:
        count += 1
        host_ms = chunk.received_ms if chunk.host_ms is None else chunk.host_ms
        file.write(cbor2.dumps([host_ms, chunk.session_id == head.session_id, bytes(chunk.data)]))
    return count


def open_ptr(file: io.BufferedReader, name: str) -> Recording:
    """LocalError: it is no such file, of a newer version, or damaged; says where."""
    head, chunks = read_ptr(file, name)
    recording = Recording.of_chunks(head.device_id, head.session_id, head.start_ms, chunks)
    recording.end_ms = max(recording.end_ms, head.end_ms)
    return recording


def read_ptr(file: io.BufferedReader, name: str) -> tuple[Head, Iterator[FiledChunk]]:
    """The head, and the chunks as they are read. `name` is for messages."""
    reader = _Reader(file, name)
    return reader.head(), reader.chunks()


class _Reader:
    def __init__(self, file: io.BufferedReader, name: str) -> None:
        self._file, self._name = file, name
        self._decoder = cbor2.CBORDecoder(
            self._file, max_depth=_DEPTH, read_size=1
        )  # peek() must tell the end
        self._session_id = 0
        self._at = 0

    def head(self) -> Head:
        item = self._item()
        if not isinstance(item, list) or len(item) < 2 or item[0] != _NAME:
            raise _foreign(self._name)
        if item[1] != VERSION:
            raise LocalError(
                f"{self._name} is of version {shorten(item[1])}, and this reads version {VERSION}; update pixeltrail"
            )
        if len(item) < _HEAD_ITEMS or not _is_device(item[2]) or not all(map(_is_time, item[3:_HEAD_ITEMS])):
            raise self._damaged("the head names no device, session and times")
        self._session_id = item[3]
        return Head(*item[2:_HEAD_ITEMS])

    def chunks(self) -> Iterator[FiledChunk]:
        while self._file.peek(1):
            item = self._item()
            if not isinstance(item, list) or len(item) < _CHUNK_ITEMS or not _is_time(item[0]):
                raise self._damaged("expected a chunk with its time")
            host_ms, is_own, data = item[:_CHUNK_ITEMS]
            if type(data) is not bytes or len(data) > MAX_MESSAGE_BYTES or type(is_own) is not bool:
                raise self._damaged("expected a chunk's bytes")
            try:
                chunk = decode_uplink(data)
            except PeerError as error:
                raise self._damaged(str(error)) from None
            if not isinstance(chunk, Chunk):
                raise self._damaged("expected a chunk")
            session_id = self._session_id if is_own else None
            yield FiledChunk(chunk.stream, chunk.seq, host_ms, session_id, host_ms, data)

    def _item(self) -> object:
        try:
            item: object = self._decoder.decode()
        except cbor2.CBORDecodeEOF:
            raise self._damaged("it ends in the middle; get the whole file") from None
        except (cbor2.CBORDecodeError, RecursionError) as error:
            raise self._damaged(shorten(str(error))) from None
        self._at += 1
        return item

    def _damaged(self, why: str) -> LocalError:
        if not self._at:
            return _foreign(self._name)
        return LocalError(f"{self._name} is damaged behind item {self._at}: {why}")


def _foreign(name: str) -> LocalError:
    return LocalError(f"{name} is no recording of Pixeltrail; expected a .ptr file of `pixeltrail export`")


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value <= EPOCH_MAX


def _is_device(value: object) -> bool:
    return type(value) is str and DEVICE_ID.fullmatch(value) is not None
