"""Packs closed sessions: their chunks leave the database for one object each.

A session is packed when it has ended some time ago, none of its chunks is missing or still to be decoded, and nobody
gave up on any of them. In this order, so that at every moment each chunk can be read from one place at least:

    write the object -> make it durable -> read it back and compare -> commit where each chunk lies -> delete their rows

A process that is killed leaves a file nobody knows (before the commit) or rows nobody needs (after it); the next run
writes the same object under the same name, or deletes the rows. Rows are deleted some thousand at a time, so that no
device waits for it. Where the objects' place cannot be reached, everything stays in the database. Of several workers
one packs.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from .errors import PixeltrailError
from .store import packs
from .store.base import SEQ_SPAN, StoredChunk
from .store.database import SqlStore, SqlTransaction
from .store.objects import Objects, scratch_file, sweep_scratch
from .store.packs import BLOCK_CHUNKS, Block, DueSession, Pack
from .wire.recording_file import Head, encode_chunk, encode_head

log = structlog.get_logger(__name__)
LOOK_EVERY_S: Final = 60.0
DUTY: Final = "packing"
_ASK_EVERY_S: Final = 2.0  # whether the worker that packs has ended
_DROPPED_AT_ONCE: Final = 2_000  # rows in one transaction: some ms, for which ingest waits
_READ_BYTES: Final = 1 << 20
_FORGOTTEN: Final = -1  # no pack has this number


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Packer:
    """`turn()` packs one session; `start()` and `stop()` run it in a thread of its own."""

    def __init__(
        self, store: SqlStore, objects: Objects, after_ms: int, now_ms: Callable[[], int] = _now_ms
    ) -> None:
        self._store, self._objects, self._after_ms, self._now_ms = store, objects, after_ms, now_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="packer", daemon=True)
        self._nothing_left: set[tuple[str, int]] = set()  # sessions whose other chunks have to stay
        self.packed = 0
        self.problem: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the session under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def turn(self) -> bool:
        """Pack a session that is due; False: there is none. PixeltrailError: it stays as it is."""
        for number in packs.half_dropped(self._store):
            self._drop_rows(number)
        for due in packs.due_sessions(
            self._store, self._now_ms() - self._after_ms, self._now_ms() - self._after_ms
        ):
            place = (due.device_id, due.session_id)
            if place in self._nothing_left:
                continue
            if self._pack(due):
                return True
            self._nothing_left.add(place)
        return False

    def _run(self) -> None:
        if self._store.folder is not None:  # nobody else packs there
            self._guarded(lambda: sweep_scratch(self._objects))
        while not self._stop.is_set():
            is_ours = self._guarded(lambda: self._store.hold(DUTY))
            if not (is_ours and self._guarded(self.turn)):
                self._stop.wait(LOOK_EVERY_S if is_ours else _ASK_EVERY_S)

    def _guarded(self, work: Callable[[], bool | None]) -> bool:
        try:
            done = bool(work())
        except PixeltrailError as error:
            self.problem = str(error)
            log.warning("packing waits", problem=self.problem)
            return False
        except Exception:  # noqa: BLE001 our own fault may not end the thread; everything stays where it is
            log.exception("packing failed")
            return False
        self.problem = None
        return done

    # ---- one session ---------------------------------------------------------------

    def _pack(self, due: DueSession) -> bool:
        with scratch_file(self._objects) as file:
            pack = _write(due, packs.rows_of(self._store, due), _displays(self._store, due), file)
            if pack is None:
                return False
            self._objects.put(pack.name, Path(file.name))
        for block in pack.blocks:
            packs.read_block(self._objects, block)
        number = self._store.commit_batch(lambda tx: _commit(tx, pack, self._now_ms()))
        if number is _FORGOTTEN:
            self._objects.delete(pack.name)
        elif number is not None:
            self._drop_rows(number)
            self.packed += 1
            log.info("session packed", device=due.device_id, session=due.session_id, bytes=pack.size)
        return True

    def _drop_rows(self, number: int) -> None:
        for stream, seqs in packs.seqs_in(self._store, number):
            for first in range(0, len(seqs), _DROPPED_AT_ONCE):
                some = seqs[first : first + _DROPPED_AT_ONCE]
                self._store.commit_batch(lambda tx, s=stream, n=some: tx.drop_packed(s, n))  # type: ignore[misc]
        self._store.commit_batch(lambda tx: tx.close_pack(number))


def _commit(tx: SqlTransaction, pack: Pack, now_ms: int) -> int | None:
    """The pack's number; None where another worker was first; _FORGOTTEN where the session or some of it is gone."""
    tx.lock_devices([pack.device_id])
    exists = "SELECT 1 FROM sessions s JOIN devices d ON d.no = s.device WHERE d.device_id = ? AND s.session_id = ?"
    if tx.db.execute(exists, (pack.device_id, pack.session_id)).fetchone() is None:
        return _FORGOTTEN
    if any(tx.packed_digest(block.stream * SEQ_SPAN + block.first) is not None for block in pack.blocks):
        return None  # another worker was first
    if not all(_is_kept(tx, block, pack.session_id) for block in pack.blocks):
        return _FORGOTTEN
    return tx.put_pack(pack, now_ms)


def _is_kept(tx: SqlTransaction, block: Block, session_id: int) -> bool:
    """Whether nothing of a block was erased since it was read; what came besides is for another object."""
    base = block.stream * SEQ_SPAN
    query = "SELECT key FROM chunks WHERE key >= ? AND key <= ? AND session_id = ?"
    rows = tx.db.execute(query, (base + block.first, base + block.last, session_id))
    return {key - base for (key,) in rows.fetchall()}.issuperset(packs.seqs_of(block.entries))


def _displays(store: SqlStore, due: DueSession) -> dict[bytes, StoredChunk]:
    """By stream: the chunk with the display in force where the session begins, of which it is no part."""
    found: dict[bytes, StoredChunk] = {}
    for span in store.spans(due.device_id, due.session_id):
        first = span.displays[0] if span.displays else span.first
        if first < span.first:
            found |= {
                chunk.stream: chunk for chunk in store.chunks(due.device_id, span.stream, first, first + 1)
            }
    return found


def _write(
    due: DueSession,
    rows: Iterator[tuple[int, StoredChunk]],
    displays: dict[bytes, StoredChunk],
    file: BinaryIO,
) -> Pack | None:
    """Write the object; None when there is nothing to write.

    A stream's display stands before its first chunk and in no block: with it the object plays by itself.
    """
    whole = hashlib.blake2b(digest_size=20)
    head = encode_head(Head(due.device_id, due.session_id, due.start_ms, due.end_ms))
    file.write(head)
    whole.update(head)
    start, count, blocks = len(head), 0, list[Block]()
    for stream, some in _together(rows):
        before = displays.pop(some[0].stream, None)
        if before is not None:
            data = encode_chunk(before, due.session_id)
            file.write(data)
            whole.update(data)
            start += len(data)
        data = b"".join(encode_chunk(chunk, due.session_id) for chunk in some)
        entries = b"".join(packs.entry(chunk.seq, chunk.data) for chunk in some)
        file.write(data)
        whole.update(data)
        bounds = (stream, some[0].seq, some[-1].seq, start, len(data))
        blocks.append(Block(*bounds, packs.block_digest(data), entries))
        start, count = start + len(data), count + len(some)
    file.flush()
    if not count:
        return None
    name = whole.hexdigest()
    named = [Block(b.stream, b.first, b.last, b.start, b.size, b.digest, b.entries, name) for b in blocks]
    return Pack(name, due.device_id, due.session_id, start, count, named)


def _together(rows: Iterator[tuple[int, StoredChunk]]) -> Iterator[tuple[int, list[StoredChunk]]]:
    """Chunks of one stream, up to BLOCK_CHUNKS of them."""
    some: list[StoredChunk] = []
    stream = -1
    for number, chunk in rows:
        if some and (number != stream or len(some) == BLOCK_CHUNKS):
            yield stream, some
            some = []
        stream = number
        some.append(chunk)
    if some:
        yield stream, some
