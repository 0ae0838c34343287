"""Files as rows: JSON lines or CSV, plain or in gzip. Bounded in every direction, because a file may be anything."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import msgspec

from ..errors import LocalError

# Segment's events have 32 KB at most; some exports escape every other character
MAX_LINE_BYTES: Final = 256 << 10
MAX_COLUMNS: Final = 4_096
FREE_BYTES: Final = 64 << 20  # of unpacked data, before its ratio to the packed counts
MAX_RATIO: Final = (
    200  # base64 in JSON packs to a quarter, repeats of it to a hundredth; a bomb's ratio is 1,000
)
_GZIP: Final = b"\x1f\x8b"
_RECORDING: Final = b"\x86\x6apixeltrail"
_FOREIGN: Final = (
    (b"PAR1", "Parquet"),
    (b"Obj\x01", "Avro"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
)

Kind = Literal["json", "csv", "ptr"]
Row = dict[str, Any]


class FileProblem(LocalError):
    """A file, or the rest of it, that cannot be read; says why and what to do."""


class RowProblem(LocalError):
    """One line or field that cannot be used; the others can."""

    def __init__(self, field: str, why: str) -> None:
        self.field = field
        super().__init__(f"{field}: {why}" if field else why)


@dataclass(frozen=True, slots=True)
class Line:
    """A row with the number of its (last) line, or what is wrong with it."""

    number: int
    row: Row | None
    problem: RowProblem | None = None


@dataclass(slots=True)
class Opened:
    """`data` is what is in the file once it is unpacked; `tell()` says how far the file itself has been read."""

    kind: Kind
    data: io.BufferedReader
    tell: Callable[[], int]


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """FileProblem: it cannot be read, or is nothing that can be imported."""
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == _GZIP:
                unpacked = _Unpacked(gzip.GzipFile(fileobj=raw), raw.tell)
                with io.BufferedReader(cast(Any, unpacked), MAX_LINE_BYTES) as data:
                    yield Opened(_kind_of(data), data, raw.tell)
            else:
                yield Opened(_kind_of(raw), raw, raw.tell)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise FileProblem(f"is damaged: {error}; get it once more") from None
        raise FileProblem(f"cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise FileProblem(
            "ends in the middle, or is damaged; what came before was taken; get it once more"
        ) from None


class _Unpacked(io.RawIOBase):
    """What gzip gives, as long as it is not out of proportion to what went in."""

    def __init__(self, source: gzip.GzipFile, tell: Callable[[], int]) -> None:
        self._source, self._tell, self._total = source, tell, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._source.readinto(buffer)
        self._total += size
        if self._total > FREE_BYTES and self._total > MAX_RATIO * self._tell():
            raise FileProblem(
                f"unpacks to more than {MAX_RATIO} times its size, as no export does; unpack it yourself if it is one"
            )
        return size


def _kind_of(data: io.BufferedReader) -> Kind:
    head = data.peek(64)[:64]
    if head.startswith(_RECORDING):
        return "ptr"
    name = next((name for magic, name in _FOREIGN if head.startswith(magic)), None)
    if name is not None:
        raise FileProblem(f"is a {name} file; export JSON lines or CSV, plain or in gzip")
    if b"\0" in head:
        raise FileProblem("is no text; expected JSON lines or CSV, plain or in gzip, or a .ptr file")
    return "json" if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[", b"") else "csv"


def rows(opened: Opened) -> Iterator[Line]:
    """Each line's row; a line that is none says so and is passed over. FileProblem: the rest cannot be read."""
    return _json_rows(opened.data) if opened.kind == "json" else _csv_rows(opened.data)


def _lines(data: BinaryIO) -> Iterator[bytes | None]:
    """None: a line that is too long."""
    while line := data.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = data.readline(MAX_LINE_BYTES)
        yield None


def _too_long() -> RowProblem:
    return RowProblem(
        "", f"the line has more than {MAX_LINE_BYTES >> 10} KB, and no event has; export one event a line"
    )


def _json_rows(data: BinaryIO) -> Iterator[Line]:
    for number, line in enumerate(_lines(data), 1):
        if line is None:
            yield Line(number, None, _too_long())
            continue
        text = line.removeprefix(codecs.BOM_UTF8).strip() if number == 1 else line.strip()
        if text:
            yield _json_row(number, text)


def _json_row(number: int, text: bytes) -> Line:
    try:
        row = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Line(number, None, RowProblem("", f"is no JSON: {error}; export one JSON object a line"))
    if not isinstance(row, dict):
        what = type(row).__name__
        return Line(number, None, RowProblem("", f"is a JSON {what}; export one JSON object a line"))
    return Line(number, row)


def _csv_rows(data: BinaryIO) -> Iterator[Line]:
    before = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        yield from _csv_lines(data)
    finally:
        csv.field_size_limit(before)


def _csv_lines(data: BinaryIO) -> Iterator[Line]:
    too_long: list[int] = []

    def text() -> Iterator[str]:
        for number, line in enumerate(_lines(data), 1):
            if line is None:
                too_long.append(number)
                yield "\n"
            else:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")

    reader = csv.reader(text())
    names: list[str] | None = None
    while True:
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Line(reader.line_num, None, RowProblem("", f"is no CSV: {error}; export it with quotes"))
            continue
        while too_long:
            yield Line(too_long.pop(), None, _too_long())
        if names is None and values:
            names = [name.strip() for name in values]
            if len(names) > MAX_COLUMNS or "from_seq" not in [name.lower() for name in names]:
                raise FileProblem(
                    "has no column from_seq in its first line; export the table replay_chunks with its column names"
                )
        elif names is not None and values:
            if len(values) != len(names):
                why = (
                    f"has {len(values)} columns, and the first line names {len(names)}; export it with quotes"
                )
                yield Line(reader.line_num, None, RowProblem("", why))
            else:
                yield Line(reader.line_num, dict(zip(names, values, strict=True)))
