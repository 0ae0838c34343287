"""An import from beginning to end: files into the store, what follows from them, and a report.

May be interrupted at any moment, and run again: what was taken stays, and what was left unfinished is found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import LocalError
from ..ingest.refusals import Blocked
from ..mapping.settings import MappingSettings
from ..projector import Projector, ProjectorSettings
from ..store import imports
from ..store.database import SqlStore
from ..wire.recording_file import read_file
from . import files
from .files import FileProblem, RowProblem
from .rebuilding import Missing, Rebuilt, rebuild
from .records import pieces_of_file, read_row
from .writing import BATCH_BYTES, BATCH_ROWS, Counts, Read, Refusal, Writer, size_of

_TURN_MS: Final = 10_000  # of the projector's clock, which stands for no time here: it commits at every turn

Tell = Callable[[Refusal], None]
Progress = Callable[[int], None]  # bytes of the files that were read so far


@dataclass(slots=True)
class Report:
    """What an import came to. `refused`: lines and files, of which each was told when it came."""

    counts: Counts
    refused: int = 0
    rebuilt: list[Rebuilt] = field(default_factory=list)

    @property
    def missing(self) -> list[Missing]:
        return [one for device in self.rebuilt for one in device.missing]

    @property
    def made_events(self) -> int:
        return sum(device.new_events for device in self.rebuilt)


def import_files(
    store: SqlStore,
    paths: Sequence[Path],
    settings: MappingSettings,
    tell: Tell,
    progress: Progress = lambda done: None,
    blocked: Blocked | None = None,
) -> Report:
    """`store` has no sinks. `tell` hears of each line that cannot be used, at once."""
    assert not store.sinks, "what is imported was sent before"
    writer = Writer(store, blocked or Blocked())
    report = Report(writer.counts)

    def refuse(refusal: Refusal) -> None:
        report.refused += 1
        tell(refusal)

    shaping, store.shaping = store.shaping, None  # what is in files went through rules before it was sent
    done = 0
    for path in paths:
        reader = _Reader(path, writer.counts, refuse, lambda at, before=done: progress(before + at))  # type: ignore[misc]
        for batch in _batches(reader.read()):
            for refusal in writer.write(batch):
                refuse(refusal)
        done += path.stat().st_size if path.exists() else 0
        progress(done)
    store.shaping = shaping
    report.rebuilt = [rebuild(store, device_id, settings) for device_id in imports.unfinished(store)]
    project(store)
    return report


class _Reader:
    """One file's pieces and events; what cannot be read is told, and the rest goes on."""

    def __init__(self, path: Path, counts: Counts, refuse: Tell, progress: Progress) -> None:
        self._path, self._counts, self._refuse, self._progress = path, counts, refuse, progress
        self._line = 0

    def read(self) -> Iterator[Read]:
        try:
            with files.opened(self._path) as opened:
                if opened.kind == "ptr":
                    yield from self._recording(opened)
                else:
                    yield from self._rows(opened)
        except FileProblem as problem:
            self._refuse(Refusal(str(self._path), self._line, "", str(problem)))

    def _rows(self, opened: files.Opened) -> Iterator[Read]:
        for line in files.rows(opened):
            self._line = line.number
            self._progress(opened.tell())
            try:
                if line.problem is not None or line.row is None:
                    raise line.problem or RowProblem("", "is empty")
                found = read_row(line.row)
            except RowProblem as problem:
                self._refuse(_refusal(self._path, line.number, problem))
                continue
            if found is None:
                self._counts.others += 1
            else:
                yield Read(str(self._path), line.number, found)

    def _recording(self, opened: files.Opened) -> Iterator[Read]:
        try:
            head, chunks = read_file(opened.data, str(self._path))
            for number, piece in enumerate(pieces_of_file(head, chunks), 1):
                self._progress(opened.tell())
                yield Read(str(self._path), number, piece)
        except FileProblem:
            raise
        except LocalError as error:
            raise FileProblem(str(error).removeprefix(f"{self._path} ")) from None


def _refusal(path: Path, line: int, problem: RowProblem) -> Refusal:
    return Refusal(str(path), line, problem.field, str(problem).removeprefix(f"{problem.field}: "))


def _batches(reads: Iterator[Read]) -> Iterator[list[Read]]:
    some: list[Read] = []
    size = 0
    for one in reads:
        some.append(one)
        size += size_of(one.what)
        if size >= BATCH_BYTES or len(some) >= BATCH_ROWS:
            yield some
            some, size = [], 0
    if some:
        yield some


def project(store: SqlStore) -> None:
    """Find the pictures of imported streams, as the bridge does of others, and tell nobody."""
    waiting = imports.to_project(store)
    if not waiting:
        return
    clock = itertools.count(0, _TURN_MS)
    projector = Projector(
        store,
        ProjectorSettings(display_events=False),
        lambda device_id, request: None,
        now_ms=lambda: next(clock),
    )
    for device_id, stream, watermark in waiting:
        projector.notify(device_id, stream, watermark)
        while projector.turn():
            pass
        projector.turn()  # closes what a quiet stream left open
        projector.commit()
