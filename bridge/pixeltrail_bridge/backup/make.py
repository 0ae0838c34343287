"""Make a backup while the bridge runs: a copy of the database as of one moment, then what it refers to.

Objects are never changed and are written before the database names them, so whatever the copy names is there, unless
it was deleted meanwhile; that is told. Secrets in files elsewhere (write keys, passwords) are not in it; credentials
of devices and the certificates that were made for them are: keep the file as you keep those.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from ..errors import LocalError, StoreError
from ..store import figures
from ..store.database import SqlStore
from ..store.migrate import migrations
from ..store.objects import SUFFIX, FolderObjects
from . import postgres
from .manifest import DATABASE, DUMP, FORMAT, KEYS, NAME, OBJECTS, USERS, Manifest

_READ_BYTES = 1 << 20
Progress = Callable[[int, int], None]  # bytes written, bytes in all


@dataclass(frozen=True, slots=True)
class Place:
    """What there is to back up. `url` of a PostgreSQL database; empty: the SQLite file in `folder`."""

    folder: Path
    database: Path
    url: str = ""
    password: str = ""
    objects_url: str = ""


def make_backup(
    store: SqlStore,
    place: Place,
    target: Path,
    progress: Progress = lambda done, total: None,
    now_ms: int = 0,
) -> Manifest:
    """Write `target`, whole or not at all. Raises LocalError or StoreError, which say what to do."""
    if target.exists():
        raise LocalError(f"{target} exists; name another file")
    part = target.with_name(target.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=place.folder, prefix="backup-") as scratch:
            copy = _copy_database(place, Path(scratch))
            manifest = _write(store, place, copy, part, progress, now_ms or time.time_ns() // 1_000_000)
        os.replace(part, target)
        _sync_folder(target.absolute().parent)
    except OSError as error:
        raise LocalError(
            f"{error.filename or target} cannot be written: {error.strerror}; nothing was changed"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return manifest


def _copy_database(place: Place, scratch: Path) -> Path:
    if place.url:
        copy = scratch / DUMP
        postgres.dump(place.url, place.password, copy)
        return copy
    copy = scratch / DATABASE
    size, free = place.database.stat().st_size, shutil.disk_usage(scratch).free
    if free < 2 * size:
        raise LocalError(
            f"a backup needs {2 * size >> 20} MB beside {place.database} for a moment, and {free >> 20} MB are free"
        )
    try:
        with contextlib.closing(
            sqlite3.connect(f"{place.database.absolute().as_uri()}?mode=ro", uri=True)
        ) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        raise StoreError(f"database {place.database} cannot be copied: {error}") from error
    return copy


def _write(
    store: SqlStore, place: Place, copy: Path, part: Path, progress: Progress, now_ms: int
) -> Manifest:
    found = [(copy.name, copy), *_objects(store, place, copy), *_keys(place.folder)]
    total, done = sum(_size_of(path) for _, path in found), 0
    files: dict[str, tuple[int, str]] = {}
    with _private(part) as out, tarfile.open(fileobj=out, mode="w:") as tar:
        for name, path in found:
            info = tarfile.TarInfo(name)
            with _opened(name, path) as file:
                if file is None:
                    continue
                info.size, info.mtime, info.mode = os.fstat(file.fileno()).st_size, now_ms // 1000, 0o600
                hashing = _Hashing(file)
                tar.addfile(info, cast(BinaryIO, hashing))
            files[name] = info.size, hashing.digest.hexdigest()
            done += info.size
            progress(done, total)
        manifest = Manifest(
            format=FORMAT,
            version=version("pixeltrail"),
            schema=migrations("postgres" if place.url else "sqlite")[-1].number,
            bridge_id=store.bridge_id.hex(),
            made_ms=now_ms,
            files=files,
            objects_url=place.objects_url,
        )
        text = msgspec.json.encode(manifest)
        info = tarfile.TarInfo(NAME)
        info.size, info.mtime, info.mode = len(text), now_ms // 1000, 0o600
        tar.addfile(info, io.BytesIO(text))
    return manifest


def _objects(store: SqlStore, place: Place, copy: Path) -> Iterator[tuple[str, Path]]:
    """Packed sessions that the copy names."""
    objects = store.packs.objects
    if place.objects_url or not isinstance(objects, FolderObjects):
        return
    for name in _named(store, copy):
        path = objects.path(name)
        if path.exists():
            yield f"{OBJECTS}{name}{SUFFIX}", path


def _named(store: SqlStore, copy: Path) -> list[str]:
    if copy.name != DATABASE:
        return figures.object_names(store)  # newer than the dump by some seconds: at worst one too many
    with contextlib.closing(sqlite3.connect(copy)) as db:
        return [name for (name,) in db.execute(figures.OBJECT_NAMES)]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _opened(name: str, path: Path) -> Iterator[BinaryIO | None]:
    """None for an object that was deleted since it was looked up: all before it takes time to be written."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        if not name.startswith(OBJECTS):
            raise
        yield None
        return
    with file:
        yield file


def _keys(folder: Path) -> Iterator[tuple[str, Path]]:
    """What lets people and devices in."""
    if (folder / USERS).is_file():
        yield USERS, folder / USERS
    keys = folder / KEYS.rstrip("/")
    for path in sorted(keys.rglob("*")) if keys.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            yield f"{KEYS}{path.relative_to(keys).as_posix()}", path


class _Hashing:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = _READ_BYTES) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


@contextlib.contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner may read, on the disk when the block ends."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
