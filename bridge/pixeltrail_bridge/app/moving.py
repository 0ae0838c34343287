"""From settings to the two sides of a move, and who may be at work meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ..backup.manifest import KEYS, USERS
from ..config import Config
from ..config.table import rows
from ..errors import InUseError, LocalError
from ..moving import Move, Side
from ..moving.copying import Tell
from ..moving.ends import End, SqliteEnd
from ..store.opening import open_anyway
from . import exposure
from .parts import make_objects, sole_user


@contextmanager
def prepared(source: Config, target: Config, tell: Tell) -> Iterator[Move]:
    """Raises LocalError where these two cannot be moved into each other."""
    if bool(source.store.url) == bool(target.store.url):
        raise LocalError(
            "a move is from SQLite to PostgreSQL or back; with --to store.url=postgresql://... you name the database, "
            "with --to store.url= the file in the data folder. From file to file, use `pixeltrail backup`"
        )
    if not source.store.url and not source.bridge.database.exists():
        raise LocalError(f"there are no recordings in {source.bridge.data_dir} that could be moved")
    exposure.check_outward(target)
    file_side = target if source.store.url else source
    with ExitStack() as stack:
        stack.enter_context(sole_user(file_side.bridge.data_dir, "migrate"))
        if file_side is target and not _is_same(source.bridge.data_dir, target.bridge.data_dir):
            stack.enter_context(sole_user(target.bridge.data_dir))
        ends = [stack.enter_context(closing(make_end(config))) for config in (source, target)]
        old, new = map(Side, ends, (make_objects(source), make_objects(target)))
        yield Move(old, new, tell)


def make_end(config: Config) -> End:
    store = open_anyway(config.bridge.database, config.store.url, config.store.password.reveal())
    if not config.store.url:
        store.close()
        return SqliteEnd(store.place)
    from ..moving.postgres import PostgresEnd
    from ..store.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    return PostgresEnd(store)


@contextmanager
def let_go(source: Config, move: Move, on_busy: Callable[[str], None]) -> Iterator[None]:
    """Once nobody works on the source, and as long as the block lasts no bridge in its folder.

    `on_busy` is called, with the reason, as long as somebody does; it waits, or raises.
    """
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(sole_user(source.bridge.data_dir))
                move.check_is_free()
            except InUseError as error:
                on_busy(str(error))
                continue
            yield
            return


def bring_files(source: Config, target: Config) -> list[Path]:
    """Copy keys of devices and users into another data folder that lacks them; returns what was copied."""
    brought = []
    for name in (USERS, KEYS.rstrip("/")):
        old, new = source.bridge.data_dir / name, target.bridge.data_dir / name
        if old.exists() and not new.exists():
            if old.is_dir():
                shutil.copytree(old, new)
            else:
                shutil.copy2(old, new)
            brought.append(new)
    return brought


def changed_settings(source: Config, target: Config) -> list[tuple[str, str, object]]:
    """Section, name and new value of all that differ; secrets are left out, the files that hold them are not."""
    return [
        (row.section, row.name, new)
        for row in rows()
        if not row.is_secret
        and (new := getattr(getattr(target, row.section), row.name))
        != getattr(getattr(source, row.section), row.name)
    ]


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
