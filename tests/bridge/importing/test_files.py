"""Files may be anything: what can be read is read, and the rest is told with its line, in bounded memory."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.importing import files
from pixeltrail_bridge.importing.files import FileProblem, Line, RowProblem

EVENT = json.dumps({"messageId": "a", "type": "track"}).encode() + b"\n"


def read(path: Path) -> list[Line]:
    with files.opened(path) as opened:
        return list(files.rows(opened))


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_of_json(tmp_path: Path, pack) -> None:
    lines = read(written(tmp_path, pack(b"\xef\xbb\xbf" + EVENT + b"\n" + EVENT)))
    assert [(one.number, one.problem) for one in lines] == [(1, None), (3, None)]
    assert lines[0].row == {"messageId": "a", "type": "track"}


def test_gzip_members_one_behind_the_other(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, gzip.compress(EVENT) * 3))) == 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "is no JSON"),
        (b"[1]", "is a JSON list"),
        (b'"' + b"x" * files.MAX_LINE_BYTES + b'"', "more than 256 KB"),
        (b"[" * 100_000, "JSON"),
        (b'{"a": "\xff"}', "is no JSON"),
    ],
)
def test_a_line_that_is_no_event_says_so_and_the_next_is_read(tmp_path: Path, line: bytes, why: str) -> None:
    first, second, third = read(written(tmp_path, EVENT + line + b"\n" + EVENT))
    assert first.row == third.row and third.number == 3
    assert second.row is None and isinstance(second.problem, RowProblem)
    assert why in str(second.problem) and second.number == 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PAR1....", "Parquet"),
        (b"\x28\xb5\x2f\xfd123", "zstd"),
        (b"a\0b", "no text"),
        (b"a,b\n1,2\n", "no column from_seq"),
        (gzip.compress(EVENT * 9, mtime=0)[:-12], "ends in the middle"),
        (gzip.compress(EVENT, mtime=0)[:20] + b"\0" * 20, "damaged"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(FileProblem, match=why):
        read(written(tmp_path, data))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="No such file"):
        read(tmp_path / "nothing")


def test_what_unpacks_out_of_proportion_is_left_alone(tmp_path: Path) -> None:
    line = b" " * 200_000 + b"\n"
    bomb = written(tmp_path, gzip.compress(line * ((files.FREE_BYTES + (8 << 20)) // len(line)), 6))
    with pytest.raises(FileProblem, match="200 times"):
        read(bomb)


def test_csv_with_names_quotes_and_rows_that_do_not_fit(tmp_path: Path) -> None:
    text = 'FROM_SEQ,data\n1,"a\n""b"""\n2\n3,c\n'
    one, two, three = read(written(tmp_path, text.encode()))
    assert one.row == {"FROM_SEQ": "1", "data": 'a\n"b"'} and one.number == 3
    assert two.problem is not None and "has 1 columns" in str(two.problem) and two.number == 4
    assert three.row == {"FROM_SEQ": "3", "data": "c"}


def test_csv_with_a_quote_that_never_ends_is_told(tmp_path: Path) -> None:
    rows = b"".join(b"%d,%s\n" % (number, b"x" * 1_000) for number in range(400))
    lines = read(written(tmp_path, b'from_seq,data\n1,"open\n' + rows))
    assert any(one.problem is not None for one in lines)


@given(st.binary(max_size=400))
def test_any_bytes_end_in_rows_or_a_problem(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    try:
        with files.opened(path) as opened:
            if opened.kind != "ptr":
                assert all((one.row is None) != (one.problem is None) for one in files.rows(opened))
    except FileProblem:
        pass
