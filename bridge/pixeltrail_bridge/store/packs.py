"""Packed sessions in the database: which object holds which chunks, and what each of them hashed to.

A session's chunks lie in one object, a recording file (wire/recording_file.py). The database keeps, for each block of
up to BLOCK_CHUNKS of them, where in the object it lies, and its digest; and of each chunk the seq and 8 bytes of its
digest. So a chunk that comes again is compared, and a moment of a long session is read without the rest.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Any, Final, Protocol

from ..wire.recording_file import decode_items
from .base import SEQ_SPAN, StoredChunk
from .objects import ObjectError, Objects
from .sql import Connection

BLOCK_CHUNKS: Final = 256
_CACHED_BLOCKS: Final = 16  # of 256 chunks of about 1 KB
_ENTRY: Final = struct.Struct("<I8s")

_BLOCKS = """
SELECT b.stream, b.first, b.last, b.start, b.size, b.digest, b.entries, p.name, p.session_id
FROM packed b JOIN packs p ON p.no = b.pack WHERE b.stream = ? AND b.first <= ? AND b.last >= ? ORDER BY b.first
"""
_DUE = f"""
SELECT d.device_id, s.session_id, s.start_ms, s.end_ms FROM sessions s JOIN devices d ON d.no = s.device
WHERE s.end_ms IS NOT NULL AND s.end_ms <= ? AND NOT EXISTS (
    SELECT 1 FROM packs p WHERE p.device = s.device AND p.session_id = s.session_id AND p.packed_ms > ?
) AND EXISTS (
    SELECT 1 FROM spans n JOIN chunks c ON c.key >= n.stream * {SEQ_SPAN} + n.first
    AND c.key <= n.stream * {SEQ_SPAN} + n.last AND c.session_id = s.session_id
    WHERE n.device = s.device AND n.session_id = s.session_id
) AND NOT EXISTS (
    SELECT 1 FROM spans n JOIN streams t ON t.no = n.stream LEFT JOIN projections j ON j.stream = n.stream
    WHERE n.device = s.device AND n.session_id = s.session_id
    AND (t.watermark <= n.last OR coalesce(j.cursor, 0) <= n.last)
) ORDER BY s.end_ms, s.session_id
"""
_SPANS = """
SELECT n.stream, t.stream, n.first, n.last FROM spans n JOIN streams t ON t.no = n.stream
JOIN devices d ON d.no = n.device WHERE d.device_id = ? AND n.session_id = ?
ORDER BY coalesce(t.imported_ms, 9007199254740991), n.stream
"""
_ROWS = """
SELECT c.key, c.received_ms, c.session_id, c.host_ms, c.data FROM chunks c
WHERE c.key >= ? AND c.key < ? AND c.session_id = ? AND c.host_ms IS NOT NULL AND c.fault IS NULL
AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.stream = ? AND l.seq = c.key - ?)
ORDER BY c.key LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Block:
    """Chunks that lie one behind the other in an object, `size` bytes from `start` on; `entries` are their digests."""

    stream: int
    first: int
    last: int
    start: int
    size: int
    digest: bytes
    entries: bytes
    name: str = ""
    session_id: int = 0


@dataclass(frozen=True, slots=True)
class Pack:
    """An object with a session. `name` is the digest of its bytes."""

    name: str
    device_id: str
    session_id: int
    size: int
    chunks: int
    blocks: Sequence[Block]


def chunk_digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def block_digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def entry(seq: int, data: bytes) -> bytes:
    """What the database keeps of a chunk."""
    return _ENTRY.pack(seq, chunk_digest(data))


def seqs_of(entries: bytes) -> list[int]:
    return [seq for seq, _ in _ENTRY.iter_unpack(entries)]


class PackWrites:
    """Part of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def packed_digest(self, key: int) -> bytes | None:
        """Of a chunk that was packed; None when none was packed under this key."""
        stream, seq = divmod(key, SEQ_SPAN)
        query = "SELECT entries FROM packed WHERE stream = ? AND first <= ? AND last >= ?"
        for (entries,) in self._db.execute(query, (stream, seq, seq)).fetchall():
            found = next((digest for one, digest in _ENTRY.iter_unpack(entries) if one == seq), None)
            if found is not None:
                return bytes(found)
        return None

    def put_pack(self, pack: Pack, now_ms: int) -> int | None:
        """The number of the pack; None when it is there already. The rows of its chunks are still to be dropped."""
        row = self._db.execute(
            "INSERT INTO packs (name, device, session_id, size, chunks, packed_ms, is_whole)"
            " SELECT ?, no, ?, ?, ?, ?, ? FROM devices WHERE device_id = ? ON CONFLICT (name) DO NOTHING RETURNING no",
            (pack.name, pack.session_id, pack.size, pack.chunks, now_ms, False, pack.device_id),
        ).fetchone()
        if row is None:
            return None
        self._db.executemany(
            "INSERT INTO packed (stream, first, last, pack, start, size, digest, entries)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(b.stream, b.first, b.last, row[0], b.start, b.size, b.digest, b.entries) for b in pack.blocks],
        )
        return int(row[0])

    def drop_packed(self, stream: int, seqs: Iterable[int]) -> None:
        """Delete the rows of chunks that an object holds."""
        keys = [(stream * SEQ_SPAN + seq,) for seq in seqs]
        self._db.executemany("DELETE FROM chunks WHERE key = ?", keys)

    def close_pack(self, number: int) -> None:
        """Its rows are gone."""
        self._db.execute("UPDATE packs SET is_whole = ? WHERE no = ?", (True, number))


class PackReader:
    """Chunks that lie in objects. `run` reads the database; one object serves all threads of a store."""

    def __init__(self, run: Callable[..., list[Any]]) -> None:
        self.objects: Objects | None = None
        self._run = run
        self._cached: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = Lock()
        self._clearings = 0

    def blocks(self, stream: int, first: int, last: int) -> list[Block]:
        """The blocks with seqs from `first` to `last`, by their first seq."""
        return [Block(*row) for row in self._run(_BLOCKS, stream, last, first)]

    def chunks(
        self, device_id: str, stream_id: bytes, stream: int, first: int, last: int
    ) -> Iterator[StoredChunk]:
        """Packed chunks of a stream in seq order, read block by block. ObjectError: they cannot be had now."""
        together: list[StoredChunk] = []
        reaches = -1
        for block in self.blocks(stream, first, last):
            if block.first > reaches:
                yield from sorted(together, key=lambda chunk: chunk.seq)
                together = []
            together += (c for c in self._read(block, device_id, stream_id) if first <= c.seq <= last)
            reaches = max(reaches, block.last)
        yield from sorted(together, key=lambda chunk: chunk.seq)

    def _read(self, block: Block, device_id: str, stream_id: bytes) -> Iterator[StoredChunk]:
        items = decode_items(self._bytes(block))
        for seq, (host_ms, _, data, received_ms) in zip(seqs_of(block.entries), items, strict=True):
            yield StoredChunk(device_id, stream_id, seq, received_ms, block.session_id, host_ms, data)

    def clear(self) -> None:
        """Let go of what was read: some of it may have been forgotten."""
        with self._lock:
            self._clearings += 1
            self._cached.clear()

    def _bytes(self, block: Block) -> bytes:
        place = (block.name, block.start)
        with self._lock:
            clearings = self._clearings
            data = self._cached.get(place)
            if data is not None:
                self._cached.move_to_end(place)
                return data
        data = read_block(self.objects, block)
        with self._lock:
            if clearings == self._clearings:  # else it may have been forgotten while it was read
                self._cached[place] = data
            while len(self._cached) > _CACHED_BLOCKS:
                self._cached.popitem(last=False)
        return data


def read_block(objects: Objects | None, block: Block) -> bytes:
    """A block's bytes, as they were written. ObjectError: they cannot be had now, or are not what they were."""
    if objects is None:
        raise ObjectError(
            f"object {block.name} holds this recording, and no place for objects is set; see [packing] in the settings"
        )
    data = objects.get(block.name, block.start, block.start + block.size)
    if len(data) != block.size or block_digest(data) != block.digest:
        raise ObjectError(
            f"object {block.name} in {objects.place} is damaged between bytes {block.start} and "
            f"{block.start + block.size}: they do not have the digest they were written with; put back a copy of it"
        )
    return data


@dataclass(frozen=True, slots=True)
class DueSession:
    device_id: str
    session_id: int
    start_ms: int
    end_ms: int


class Database(Protocol):
    """The reading half of a store."""

    def _all(self, query: str, *values: Any) -> list[Any]: ...


def due_sessions(store: Database, ended_before_ms: int, packed_before_ms: int) -> list[DueSession]:
    """Sessions with chunks to be packed, the one that ended first before the others.

    A part that came late makes a second object, once the first is as old as `packed_before_ms`.
    """
    return [DueSession(*row) for row in store._all(_DUE, ended_before_ms, packed_before_ms)]


def rows_of(store: Database, due: DueSession) -> Iterator[tuple[int, StoredChunk]]:
    """A session's chunks with their stream's number; without those that somebody may still try again."""
    for stream, stream_id, first, last in store._all(_SPANS, due.device_id, due.session_id):
        base = stream * SEQ_SPAN
        key = base + first
        while page := store._all(_ROWS, key, base + last + 1, due.session_id, stream_id, base, BLOCK_CHUNKS):
            for row in page:
                yield stream, StoredChunk(due.device_id, stream_id, row[0] - base, *row[1:])
            key = page[-1][0] + 1


def half_dropped(store: Database) -> list[int]:
    """Packs with rows that are still to be deleted."""
    return [number for (number,) in store._all("SELECT no FROM packs WHERE NOT is_whole ORDER BY no")]


def seqs_in(store: Database, number: int) -> Iterator[tuple[int, list[int]]]:
    """Stream numbers and seqs of the chunks in a pack."""
    for stream, entries in store._all("SELECT stream, entries FROM packed WHERE pack = ?", number):
        yield stream, seqs_of(entries)
