"""Put a backup in place: checked as a whole first, then moved in, the database last.

The bridge goes on under its old ID, so devices keep following it. What they freed after the backup was made is gone;
it becomes a gap "freed before this store existed", and no event goes out twice, since message IDs are the same for
ever. Two bridges must not go on from the same backup: they would both answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import LocalError
from ..store.migrate import migrations
from ..store.objects import SUFFIX, FolderObjects
from . import postgres
from .make import Place
from .manifest import DATABASE, DUMP, KEYS, NAME, OBJECTS, USERS, Manifest, read_manifest

_READ_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")
_PART_OF_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
Progress = Callable[[int, int], None]


def restore_backup(
    backup: Path, place: Place, *, replace: bool = False, progress: Progress = lambda done, total: None
) -> Manifest:
    """Raises LocalError before anything was changed. The caller holds the folder's lock."""
    manifest = read_manifest(backup)
    _check(manifest, backup, place, replace)
    scratch = place.folder / "restore.part"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True, mode=0o700)
        _unpack(backup, manifest, scratch, progress)
        _move_in(scratch, manifest, place)
    except OSError as error:
        raise LocalError(
            f"{error.filename or place.folder} cannot be written: {error.strerror}; free some space and try again"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def verify(backup: Path, progress: Progress = lambda done, total: None) -> Manifest:
    """Read all of it and compare the digests. Raises LocalError."""
    manifest = read_manifest(backup)
    _unpack(backup, manifest, None, progress)
    return manifest


def _check(manifest: Manifest, backup: Path, place: Place, replace: bool) -> None:
    is_postgres = DUMP in manifest.files
    if is_postgres != bool(place.url):
        holds, wants = ("PostgreSQL", "a file") if is_postgres else ("a SQLite file", "PostgreSQL")
        raise LocalError(
            f"{backup} holds {holds}, and store.url names {wants}; change store.url for the restore, "
            "and use `pixeltrail migrate` afterwards"
        )
    strange = [name for name in manifest.files if not _is_ours(name)]
    if strange:
        raise LocalError(f"{backup} holds {strange[0]!r}, which no backup of ours does; nothing was changed")
    if not {DATABASE, DUMP} & manifest.files.keys():
        raise LocalError(f"{backup} holds no database; take an earlier one")
    newest = migrations("postgres" if is_postgres else "sqlite")[-1].number
    if manifest.schema > newest:
        raise LocalError(
            f"{backup} was made by pixeltrail {manifest.version} (schema {manifest.schema}), and this one knows "
            f"schemas up to {newest}; install that version or a later one"
        )
    if not is_postgres and place.database.exists() and not replace:
        raise LocalError(
            f"there are recordings in {place.folder}; --replace puts them aside, or name another folder with "
            "--set bridge.data_dir=FOLDER"
        )


def _unpack(backup: Path, manifest: Manifest, folder: Path | None, progress: Progress) -> None:
    """Each file under its number, so that no name from the tar file ever becomes a path."""
    total, done = sum(size for size, _ in manifest.files.values()), 0
    numbers = {name: number for number, name in enumerate(manifest.files)}
    left = dict(manifest.files)
    try:
        with tarfile.open(backup, "r:") as tar:
            for member in tar:
                if member.name == NAME:
                    continue
                expected = left.pop(member.name, None)
                source = tar.extractfile(member) if member.isreg() else None
                if expected is None or source is None or member.size != expected[0]:
                    raise _damaged(backup, member.name)
                digest = hashlib.sha256()
                with contextlib.ExitStack() as stack:
                    path = folder / str(numbers[member.name]) if folder else None
                    out = stack.enter_context(path.open("wb")) if path else None
                    while data := source.read(_READ_BYTES):
                        digest.update(data)
                        if out is not None:
                            out.write(data)
                if digest.hexdigest() != expected[1]:
                    raise _damaged(backup, member.name)
                done += member.size
                progress(done, total)
    except tarfile.TarError:
        raise _damaged(backup, "its end") from None
    if left:
        raise _damaged(backup, next(iter(left)))


def _damaged(backup: Path, name: str) -> LocalError:
    return LocalError(f"{backup} is damaged at {name!r}; nothing was changed, take an earlier backup")


def _move_in(scratch: Path, manifest: Manifest, place: Place) -> None:
    objects = FolderObjects(place.folder / "objects")
    for number, name in enumerate(manifest.files):
        if name.startswith(OBJECTS):
            objects.put(name.removeprefix(OBJECTS).removesuffix(SUFFIX), scratch / str(number))
        elif name == USERS or name.startswith(KEYS):
            _put(scratch / str(number), place.folder / name)
    names = list(manifest.files)
    database = scratch / str(names.index(DUMP if place.url else DATABASE))
    if place.url:
        postgres.restore(place.url, place.password, database)
        return
    _check_database(database)
    _put_aside(place)
    _put(database, place.database)


def _is_ours(name: str) -> bool:
    if name in (DATABASE, DUMP, USERS):
        return True
    if name.startswith(OBJECTS):
        stem = name.removeprefix(OBJECTS).removesuffix(SUFFIX)
        return name.endswith(SUFFIX) and 8 <= len(stem) <= 128 and set(stem) <= _HEX
    parts = name.removeprefix(KEYS).split("/")
    return name.startswith(KEYS) and len(parts) <= 3 and all(_PART_OF_NAME.fullmatch(part) for part in parts)


def _put(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.chmod(0o600)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.replace(target)


def _check_database(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        try:
            (answer,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            answer = str(error)
    if answer != "ok":
        raise LocalError(f"the database in the backup is damaged ({answer}); take an earlier one")


def _put_aside(place: Place) -> None:
    """What is there now goes to `backups`, its log with it."""
    if not place.database.exists():
        return
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    folder = place.folder / "backups"
    folder.mkdir(exist_ok=True)
    for ending in ("", "-wal", "-shm"):
        path = place.database.with_name(place.database.name + ending)
        if path.exists():
            path.replace(folder / f"{place.database.stem}-replaced-{stamp}{place.database.suffix}{ending}")
