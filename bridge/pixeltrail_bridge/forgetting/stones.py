"""The file of tombstones beside the store: an older copy of the database that is put back lacks its own.

One JSON object a line, only ever added to: kind, digest and salt in hex, the moment, and whether everything is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..errors import LocalError
from ..store import tombstones
from ..store.database import SqlStore
from ..store.tombstones import Tombstone

FILE_NAME: Final = "erasures.jsonl"


def append(folder: Path, rows: Iterable[Tombstone]) -> None:
    """Durable when it returns."""
    lines = b"".join(_line(one) for one in rows)
    path = folder / FILE_NAME
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}; nothing was forgotten") from None


def read(path: Path) -> list[Tombstone]:
    """Those of a file, none where there is no file; a half line at its end was never counted on."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            one = json.loads(line)
            found.append(
                Tombstone(
                    one["kind"],
                    bytes.fromhex(one["digest"]),
                    bytes.fromhex(one["salt"]),
                    int(one["at_ms"]),
                    bool(one["refuses"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            if number == path.read_bytes().count(b"\n") + 1:
                break
            raise LocalError(
                f"{path}, line {number}: is no erasure; put back the file as the bridge wrote it"
            ) from None
    return found


def merge(store: SqlStore, folder: Path, more: Path | None = None) -> int:
    """Bring file and store to the same; returns how many the store lacked: above 0, it is an older copy."""
    path = folder / FILE_NAME
    filed = read(path) + (read(more) if more is not None else [])
    stored = store.commit_batch(lambda tx: tombstones.read(tx.db))
    latest = {(one.salt, one.digest): one for one in stored}
    lacked = [one for one in _last(filed) if _is_news(one, latest.get((one.salt, one.digest)))]
    added = store.commit_batch(lambda tx: tombstones.add(tx.db, lacked, tx.locking)) if lacked else 0
    known = {(one.salt, one.digest, one.at_ms, one.refuses) for one in filed}
    unfiled = [one for one in stored if (one.salt, one.digest, one.at_ms, one.refuses) not in known]
    if unfiled:
        append(folder, unfiled)
    return added


def _last(rows: Iterable[Tombstone]) -> list[Tombstone]:
    found: dict[tuple[bytes, bytes], Tombstone] = {}
    for one in rows:
        if _is_news(one, found.get((one.salt, one.digest))):
            found[one.salt, one.digest] = one
    return list(found.values())


def _is_news(one: Tombstone, other: Tombstone | None) -> bool:
    """The later word counts; of two at once the file's last line."""
    return other is None or one.at_ms > other.at_ms


def _line(one: Tombstone) -> bytes:
    about = {
        "kind": one.kind,
        "digest": one.digest.hex(),
        "salt": one.salt.hex(),
        "at_ms": one.at_ms,
        "refuses": one.refuses,
    }
    return json.dumps(about, separators=(",", ":")).encode() + b"\n"
