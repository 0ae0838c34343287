"""Which store there is: the SQLite file of a bridge, or, where the settings name one, a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ..errors import ConfigError
from .database import SqlStore
from .moved import check_is_here
from .objects import FolderObjects, Objects, S3Objects
from .sqlite import SqliteStore


def open_store(path: Path, url: str = "", password: str = "", sinks: Sequence[str] = ()) -> SqlStore:
    """The store at `url`, or without one in the file. Raises StoreError or LocalError, which say what to do."""
    store = open_anyway(path, url, password, sinks)
    try:
        check_is_here(store)
    except BaseException:
        store.close()
        raise
    return store


def open_anyway(path: Path, url: str = "", password: str = "", sinks: Sequence[str] = ()) -> SqlStore:
    """As open_store(), also one that has moved or is not whole."""
    if not url:
        return SqliteStore(path, sinks)
    store: SqlStore = _postgres().PostgresStore(url, sinks, password)
    return store


def open_objects(
    folder: Path, url: str = "", endpoint: str = "", region: str = "", key_id: str = "", secret: str = ""
) -> Objects:
    """Where packed sessions lie: in `folder`/objects, or at `url`. Nothing is asked yet. Raises ConfigError."""
    if not url:
        return FolderObjects(folder / "objects")
    given = {"endpoint": endpoint, "region": region, "key_id": key_id, "secret": secret}
    return S3Objects(url, scratch=folder / "packing", **given)


def probe(url: str, password: str, offline: bool = False) -> str:
    """What is at `url`, asked without changing anything. Raises StoreError or ConfigError."""
    module = _postgres()
    where = module.describe(url)
    return f"{where} not asked (--offline)" if offline else f"{where}: {module.probe(url, password)}"


def _postgres() -> ModuleType:
    try:
        from . import postgres
    except ImportError:
        raise ConfigError(
            "store.url names a PostgreSQL database, which needs psycopg: pip install 'pixeltrail[postgres]'"
        ) from None
    return postgres
