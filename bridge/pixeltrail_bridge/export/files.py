"""Writes an export where it was asked for: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ..errors import LocalError
from ..replay.recording import Placed, Recording, RecordingStore
from .formats import Event, Format, Session
from .options import Options, Progress

_PAGE = 500  # events read at a time


class Store(RecordingStore, Protocol):
    """What an export reads, beside the recording itself."""

    def session_chunks(self, device_id: str, session_id: int) -> Iterator[Placed]: ...
    def events(
        self, device_id: str | None = None, session_id: int | None = None, after_id: int = 0, limit: int = 100
    ) -> Sequence[Event]: ...


def open_session(store: Store, device_id: str, session_id: int) -> Session:
    """LocalError: there is no such session, and what there is."""
    recording = Recording.open(store, device_id, session_id)
    return Session(
        recording,
        lambda: _all_events(store, device_id, session_id),
        lambda: store.session_chunks(device_id, session_id),
    )


def _all_events(store: Store, device_id: str, session_id: int) -> Iterator[Event]:
    after = 0
    while page := store.events(device_id, session_id, after, _PAGE):
        yield from page
        after = page[-1].id


def write_file(
    session: Session,
    format: Format,
    options: Options,
    path: Path,
    progress: Progress | None = None,
    replace: bool = False,
) -> int:
    """Write a file and return its bytes. LocalError: it exists, the folder cannot be written, or nothing is there.

    What is written lies beside it under another name until it is whole and on the disk.
    """
    format.check(options)
    if path.exists() and not replace:
        raise LocalError(f"{path} exists; name another file, or overwrite it with --force")
    try:
        with _beside(path) as file:
            format.write(session, options, file, progress and _forwards(progress))
            file.flush()
            os.fsync(file.fileno())
            size_bytes = file.seek(0, os.SEEK_END)
            if replace:
                os.replace(file.name, path)
            else:
                os.link(file.name, path)
    except FileExistsError:
        raise LocalError(f"{path} exists; name another file, or overwrite it with --force") from None
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror or error}; name another file") from None
    return size_bytes


def _forwards(progress: Progress) -> Progress:
    """Events are in the order in which they were made, which is not always that of their times."""
    furthest = 0.0

    def tell(share: float) -> None:
        nonlocal furthest
        furthest = max(furthest, share)
        progress(furthest)

    return tell


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """A file in the same folder that goes with the block; rights as any new file has them."""
    name = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
    with name.open("x+b") as file:
        try:
            yield cast(BinaryIO, file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                name.unlink()
