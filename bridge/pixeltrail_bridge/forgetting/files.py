"""Files beside the store that may hold a subject: backups of older schemas, exports, orphaned objects, the broker's,
the file of events. And the search of all of them."""

from __future__ import annotations

import contextlib
import glob
import gzip
import io
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from ..errors import LocalError, PixeltrailError
from ..sinks.jsonl import remove_lines
from ..store.database import SqlStore
from ..store.objects import FolderObjects, Objects, sweep_scratch
from ..store.scanning import Needle
from ..wire.recording_file import Head, read_file

_READ_BYTES: Final = 1 << 20
_OVERLAP: Final = 512  # bytes: longer than any ID
BACKUPS: Final = "backups"
BROKER_FILES: Final = "broker/jetstream"
EXPORTS: Final = "exports"
LEFT_TO_BRIDGE: Final = (f"{BROKER_FILES}/", f"{EXPORTS}/")  # while it runs
_OWN: Final = ("erasures.jsonl", "bridge.lock")


def clean_folder(folder: Path, needles: Iterable[Needle], *, is_running: bool, counts: Counter[str]) -> None:
    """Remove what nobody needs and may hold the subject. While a bridge runs it clears its exports itself."""
    some = list(needles)
    for backup in sorted((folder / BACKUPS).glob("*-schema*.db")):
        if any(_is_in_database(backup, needle) for needle in some):
            backup.unlink()
            counts["backups"] += 1
    if not is_running:
        for name in (EXPORTS, BROKER_FILES):
            path = folder / name
            if path.is_dir() and any(find_in_file(one, needle) for one in _files(path) for needle in some):
                shutil.rmtree(path)
                counts[name] += 1
        # Its settings, which are written anew at each start, and its log.
        for path in (folder / "broker").glob("nats.*"):
            if any(find_in_file(path, needle) for needle in some):
                path.unlink()
                counts["files of the broker"] += 1


def clean_objects(
    store: SqlStore, is_theirs: Callable[[Head], bool], *, is_running: bool, counts: Counter[str]
) -> None:
    """Delete objects that no row names, left by a process that was killed, where they are the subject's.

    In a folder of ours all of them: while no bridge runs, nobody has a use for them.
    """
    objects = store.packs.objects
    if objects is None:
        return
    if not is_running:
        sweep_scratch(objects)
    named = {name for (name,) in store._all("SELECT name FROM packs")}
    for name in list(objects.names()):
        if name in named:
            continue
        if (isinstance(objects, FolderObjects) and not is_running) or is_theirs(_head(objects, name)):
            objects.delete(name)
            counts["orphaned objects"] += 1


def clean_lines(paths: Iterable[Path], is_theirs: Callable[[bytes], bool], counts: Counter[str]) -> None:
    for path in paths:
        try:
            counts["lines of events files"] += remove_lines(path, is_theirs)
        except OSError as error:
            raise LocalError(
                f"{path} cannot be rewritten: {error.strerror}; it may still hold the subject's events"
            ) from None


def search(folder: Path, paths: Iterable[Path], needle: Needle) -> dict[str, int]:
    """By file, relative to the folder: 1 where the ID is in it. Backups from before are not looked into."""
    found: dict[str, int] = {}
    beside = (one for lines in paths for one in lines.parent.glob(glob.escape(lines.name) + "*"))
    for path in [*_files(folder), *beside]:
        if path.name in _OWN or path.is_relative_to(folder / BACKUPS):
            continue
        if path.is_file() and find_in_file(path, needle):
            name = str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
            found[name] = 1
    return found


def earlier_backups(folder: Path) -> int:
    """How many there are in the data folder: they are for a person to delete, or are cleaned when they are put back."""
    return sum(1 for path in (folder / BACKUPS).glob("*") if path.is_file())


def find_in_file(path: Path, needle: Needle) -> bool:
    """Also in what is compressed."""
    try:
        with path.open("rb") as raw:
            is_zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as file:
            return _is_in(cast(BinaryIO, file), needle)
    except (OSError, EOFError):
        return False  # it is gone


def _is_in(file: BinaryIO, needle: Needle) -> bool:
    before = b""
    while part := file.read(_READ_BYTES):
        if needle.is_in(before + part):
            return True
        before = (before + part)[-_OVERLAP:]
    return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _is_in_database(path: Path, needle: Needle) -> bool:
    """Whatever tables it has: a value may lie in pieces all over the file."""
    if find_in_file(path, needle):
        return True
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            columns = db.execute(
                "SELECT m.name, i.name FROM sqlite_master m JOIN pragma_table_info(m.name) i WHERE m.type = 'table'"
                " AND upper(i.type) IN ('TEXT', 'BLOB')"
            ).fetchall()
            return any(
                needle.is_in(value)
                for table, column in columns
                for (value,) in db.execute(
                    f'SELECT CAST("{column}" AS BLOB) FROM "{table}" WHERE instr(CAST("{column}" AS BLOB), ?) > 0',
                    (needle.raw,),
                )
            )
    except sqlite3.Error:
        return True  # it cannot be read, so nobody can say


def _head(objects: Objects, name: str) -> Head:
    try:
        data = objects.get(name, 0, 1_024)
        return read_file(io.BufferedReader(io.BytesIO(data)), name)[0]
    except PixeltrailError:
        return Head("", 0, 0, 0)
