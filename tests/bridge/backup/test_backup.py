"""A backup holds everything, comes back as it was, and what is damaged or foreign changes nothing."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pixeltrail_bridge.backup import Place, make_backup, read_manifest, restore_backup
from pixeltrail_bridge.backup.manifest import NAME, OBJECTS
from pixeltrail_bridge.backup.restore import verify
from pixeltrail_bridge.backup.schedule import Backups
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.objects import FolderObjects
from pixeltrail_bridge.store.opening import open_store
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.services import Postgres
from tests.support.sessions import DEVICE_ID, SESSION_ID, record_session
from tests.support.stores import PostgresPlace

FOREVER_MS = 1 << 50


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a packed session and credentials."""
    folder = tmp_path_factory.mktemp("recorded") / "data"
    record_session(folder, "mono_invaders", 12)
    store = SqliteStore(folder / "pixeltrail.db")
    assert Packer(store, FolderObjects(folder / "objects"), 0, now_ms=lambda: FOREVER_MS).turn()
    store.close()
    (folder / "keys").mkdir()
    (folder / "keys" / "ca.pem").write_text("a certificate")
    (folder / "users.json").write_text("{}")
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[SqlStore]:
    store = SqliteStore(folder / "pixeltrail.db")
    yield store
    store.close()


def place(folder: Path) -> Place:
    return Place(folder, folder / "pixeltrail.db")


def pictures(folder: Path) -> list[bytes]:
    store = SqliteStore(folder / "pixeltrail.db")
    try:
        return [one.pixels for one in Recording.open(store, DEVICE_ID, SESSION_ID).pictures()]
    finally:
        store.close()


def test_what_was_there_comes_back_pixel_for_pixel(store: SqlStore, folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    steps: list[tuple[int, int]] = []
    manifest = make_backup(store, place(folder), backup, lambda *step: steps.append(step))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert steps[-1][0] == steps[-1][1] == sum(size for size, _ in manifest.files.values())
    assert verify(backup) == read_manifest(backup) == manifest
    other = tmp_path / "other"
    other.mkdir()
    restore_backup(backup, place(other))
    assert pictures(other) == pictures(folder) != []
    assert (other / "keys" / "ca.pem").read_text() == "a certificate"
    assert (other / "users.json").read_text() == "{}"
    assert not list(other.glob("*.part"))
    again = SqliteStore(other / "pixeltrail.db")
    assert again.bridge_id == store.bridge_id
    again.close()


def test_a_backup_while_the_bridge_writes_is_of_one_moment(
    store: SqlStore, folder: Path, tmp_path: Path
) -> None:
    def write(done: int, total: int) -> None:
        store.commit_batch(lambda tx: tx.count_all({("oven", "late"): 1}))

    make_backup(store, place(folder), tmp_path / "backup.tar", write)
    (tmp_path / "other").mkdir()
    restore_backup(tmp_path / "backup.tar", place(tmp_path / "other"))
    other = SqliteStore(tmp_path / "other" / "pixeltrail.db")
    assert "oven" not in other.counters()
    assert "oven" in store.counters()
    other.close()


def test_what_changes_while_a_backup_is_written_spoils_nothing(
    store: SqlStore, folder: Path, tmp_path: Path
) -> None:
    """Retention deletes an object that was to follow, and a file of users is exchanged for a longer one."""
    objects, users = list((folder / "objects").rglob("*.ptr")), folder / "users.json"
    assert len(objects) == 1
    longer = '{"version": 1, "users": {}}'

    def change(done: int, total: int) -> None:
        for path in objects:
            path.unlink(missing_ok=True)
        (folder / "new").write_text(longer)
        (folder / "new").replace(users)

    users.write_text("{}")
    manifest = make_backup(store, place(folder), tmp_path / "backup.tar", change)
    assert verify(tmp_path / "backup.tar") == manifest
    assert not [name for name in manifest.files if name.startswith(OBJECTS)]
    (tmp_path / "other").mkdir()
    restore_backup(tmp_path / "backup.tar", place(tmp_path / "other"))
    assert (tmp_path / "other" / "users.json").read_text() == longer
    other = SqliteStore(tmp_path / "other" / "pixeltrail.db")
    assert other.devices()
    other.close()


def test_recordings_are_only_replaced_when_that_is_said(
    store: SqlStore, folder: Path, tmp_path: Path
) -> None:
    make_backup(store, place(folder), tmp_path / "backup.tar")
    store.close()
    with pytest.raises(LocalError, match="--replace puts them aside"):
        restore_backup(tmp_path / "backup.tar", place(folder))
    restore_backup(tmp_path / "backup.tar", place(folder), replace=True)
    (aside,) = (folder / "backups").glob("*-replaced-*.db")
    with sqlite3.connect(aside) as db:
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert pictures(folder)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_found_and_changes_nothing(
    store: SqlStore, folder: Path, tmp_path: Path, at: float
) -> None:
    backup, other = tmp_path / "backup.tar", tmp_path / "other"
    manifest = make_backup(store, place(folder), backup)
    data = bytearray(backup.read_bytes())
    size = manifest.files["pixeltrail.db"][0]
    data[512 + int(size * at)] ^= 1
    backup.write_bytes(data)
    other.mkdir()
    with pytest.raises(LocalError, match="damaged at 'pixeltrail.db'"):
        restore_backup(backup, place(other))
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_was_cut_is_no_backup(
    store: SqlStore, folder: Path, tmp_path: Path, share: float
) -> None:
    backup = tmp_path / "backup.tar"
    make_backup(store, place(folder), backup)
    data = backup.read_bytes().rstrip(b"\0")
    backup.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(LocalError, match="no whole backup"):
        read_manifest(backup)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "keys/../../evil", "keys/.hidden", "objects/../x.ptr", "keys//x"]
)
def test_names_that_lead_elsewhere_are_refused_before_anything_is_written(
    store: SqlStore, folder: Path, tmp_path: Path, name: str
) -> None:
    make_backup(store, place(folder), tmp_path / "backup.tar")
    manifest = read_manifest(tmp_path / "backup.tar")
    evil = msgspec.structs.replace(manifest, files={**manifest.files, name: (0, "")})
    with tarfile.open(tmp_path / "evil.tar", "w:") as tar:
        text = msgspec.json.encode(evil)
        info = tarfile.TarInfo(NAME)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(LocalError, match="which no backup of ours does"):
        restore_backup(tmp_path / "evil.tar", place(other))
    assert list(other.iterdir()) == []


def test_a_newer_backup_names_the_version_it_needs(store: SqlStore, folder: Path, tmp_path: Path) -> None:
    make_backup(store, place(folder), tmp_path / "backup.tar")
    newer = msgspec.structs.replace(read_manifest(tmp_path / "backup.tar"), schema=9_999, version="99.0")
    with tarfile.open(tmp_path / "newer.tar", "w:") as tar:
        text = msgspec.json.encode(newer)
        info = tarfile.TarInfo(NAME)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    with pytest.raises(LocalError, match=r"made by pixeltrail 99\.0 .*install that version"):
        restore_backup(tmp_path / "newer.tar", place(tmp_path))


def test_a_backup_that_cannot_be_finished_leaves_nothing(
    store: SqlStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tar: tarfile.TarFile, info: tarfile.TarInfo, file: object = None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(LocalError, match=r"cannot be written: No space left .*; nothing was changed"):
        make_backup(store, place(folder), tmp_path / "backup.tar")
    assert [one.name for one in tmp_path.iterdir()] == ["data"]
    assert not list(folder.glob("backup-*"))


def test_backups_at_regular_times_keep_the_newest(store: SqlStore, folder: Path, tmp_path: Path) -> None:
    now_ms = 1_790_000_000_000
    target = tmp_path / "elsewhere"
    backups = Backups(store, place(folder), target, every_ms=3_600_000, keep=2, now_ms=lambda: now_ms)
    first = backups.turn()
    assert first is not None
    assert backups.turn() is None
    for _ in range(2):
        now_ms += 3_600_000
        last = backups.turn()
    assert last is not None
    assert sorted(target.iterdir())[-1] == last
    assert len(list(target.iterdir())) == 2 and not first.exists()
    shutil.rmtree(target)
    target.write_text("no folder")
    now_ms += 3_600_000
    assert backups.turn() is None
    assert backups.problem
    target.unlink()
    assert backups.turn() is None, "it waits before it tries again"
    now_ms += 900_000
    assert backups.turn() is not None
    assert backups.problem is None


def test_postgresql_goes_and_comes_back_through_its_own_tools(
    folder: Path, tmp_path: Path, postgres_server: Postgres
) -> None:
    source, target = (_database(postgres_server, name) for name in ("from_here", "to_there"))
    store = open_store(folder / "unused.db", source)
    store.commit_batch(lambda tx: tx.count_all({("oven", "calls"): 3}))
    objects = FolderObjects(folder / "objects")
    store.packs.objects = objects
    of_source = Place(folder, folder / "unused.db", source)
    make_backup(store, of_source, tmp_path / "backup.tar")
    store.close()
    with pytest.raises(LocalError, match="holds PostgreSQL"):
        restore_backup(tmp_path / "backup.tar", place(tmp_path))
    restore_backup(tmp_path / "backup.tar", Place(tmp_path, tmp_path / "unused.db", target))
    again = open_store(folder / "unused.db", target)
    assert again.counters() == {"oven": {"calls": 3}}
    assert again.bridge_id == store.bridge_id
    again.close()


def _database(server: Postgres, name: str) -> str:
    place = PostgresPlace(server.url)
    unique = f"{name}_{place.schema}"
    place.query(f"CREATE DATABASE {unique}")
    head, _, rest = server.url.rpartition("/")
    return f"{head}/{unique}" + ("?" + rest.partition("?")[2] if "?" in rest else "")
