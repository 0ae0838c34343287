"""`.ptr`: a session's chunks as the device sent them (schema/wire.md, "Recording file").

A CBOR sequence (RFC 8742): a head, then one item for each chunk. People export such files, and the store packs closed
sessions into them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import cbor2

from ..errors import LocalError, PeerError, shorten
from .decode import decode_uplink
from .limits import DEVICE_ID, EPOCH_MAX, MAX_MESSAGE_BYTES
from .messages import Chunk

SUFFIX: Final = ".ptr"
VERSION: Final = 1
_NAME: Final = "pixeltrail"
_HEAD_ITEMS, _CHUNK_ITEMS = 6, 4
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Head:
    device_id: str
    session_id: int
    start_ms: int
    end_ms: int


class Placed(Protocol):
    """A chunk with its place in time, as a store keeps it."""

    @property
    def received_ms(self) -> int: ...
    @property
    def session_id(self) -> int | None: ...
    @property
    def host_ms(self) -> int | None: ...
    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FiledChunk:
    """A chunk as a file keeps it; see store.base.StoredChunk."""

    stream: bytes
    seq: int
    received_ms: int
    session_id: int | None
    host_ms: int | None
    data: bytes


def encode_head(head: Head) -> bytes:
    return cbor2.dumps([_NAME, VERSION, head.device_id, head.session_id, head.start_ms, head.end_ms])


def encode_chunk(chunk: Placed, session_id: int) -> bytes:
    """`session_id`: whose file it is."""
    host_ms = chunk.received_ms if chunk.host_ms is None else chunk.host_ms
    return cbor2.dumps([host_ms, chunk.session_id == session_id, bytes(chunk.data), chunk.received_ms])


def decode_items(data: bytes) -> Iterator[tuple[int, bool, bytes, int]]:
    """Host time, whether it is the session's own, chunk, time of receipt; of whole items that a digest vouches for."""
    file = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(file, max_depth=_DEPTH, read_size=1)  # tell() must be exact
    while file.tell() < len(data):
        host_ms, is_own, chunk, received_ms, *_ = decoder.decode()
        yield host_ms, is_own, chunk, received_ms


def read_file(file: io.BufferedReader, name: str) -> tuple[Head, Iterator[FiledChunk]]:
    """The head, and the chunks as they are read. `name` is for messages.

    LocalError: it is no such file, of a newer version, or damaged; says where.
    """
    reader = _Reader(file, name)
    return reader.head(), reader.chunks()


class _Reader:
    def __init__(self, file: io.BufferedReader, name: str) -> None:
        self._file, self._name = file, name
        # peek() must tell the end
        self._decoder = cbor2.CBORDecoder(self._file, max_depth=_DEPTH, read_size=1)
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
            host_ms, is_own, data, received_ms = item[:_CHUNK_ITEMS]
            if type(data) is not bytes or len(data) > MAX_MESSAGE_BYTES or type(is_own) is not bool:
                raise self._damaged("expected a chunk's bytes")
            if not _is_time(received_ms):
                raise self._damaged("expected the time of receipt")
            try:
                chunk = decode_uplink(data)
            except PeerError as error:
                raise self._damaged(str(error)) from None
            if not isinstance(chunk, Chunk):
                raise self._damaged("expected a chunk")
            session_id = self._session_id if is_own else None
            yield FiledChunk(chunk.stream, chunk.seq, received_ms, session_id, host_ms, data)

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
