"""schema/vectors/recording.json against the bridge's reader and writer, and against schema/wire.cddl."""

from __future__ import annotations

import io
from typing import Any

import cbor2
import pytest
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.wire.recording_file import FiledChunk, Head, encode_chunk, encode_head, read_file

from tests.support import cddl, vectors

ROWS = vectors.load("recording")
VALID = [row for row in ROWS if "meaning" in row]
INVALID = [row for row in ROWS if "fault" in row]


def by_name(rows: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=[row["name"] for row in rows])


def items(data: bytes) -> list[bytes]:
    """The items of the sequence, as they stand."""
    file, found = io.BytesIO(data), []
    while (start := file.tell()) < len(data):
        cbor2.load(file, read_size=1)
        found.append(data[start : file.tell()])
    return found


def read(data: bytes) -> tuple[Head, list[FiledChunk]]:
    head, chunks = read_file(io.BufferedReader(io.BytesIO(data)), "a.ptr")  # type: ignore[arg-type]
    return head, list(chunks)


@by_name(VALID)
def test_valid(row: dict[str, Any]) -> None:
    data, meaning = bytes.fromhex(row["hex"]), row["meaning"]
    first, *others = items(data)
    cddl.check(first, "recording-head")
    for one in others:
        cddl.check(one, "recording-chunk")
    head, chunks = read(data)
    assert [head.device_id, head.session_id, head.start_ms, head.end_ms] == [
        meaning[name] for name in ("device_id", "session_id", "start_ms", "end_ms")
    ]
    assert [
        {
            "stream": one.stream.hex(),
            "seq": one.seq,
            "host_ms": one.host_ms,
            "is_own": one.session_id is not None,
            "received_ms": one.received_ms,
            "data": one.data.hex(),
        }
        for one in chunks
    ] == meaning["chunks"]


def test_what_is_written_is_the_first_vector() -> None:
    row = VALID[0]
    head, chunks = read(bytes.fromhex(row["hex"]))
    again = encode_head(head) + b"".join(encode_chunk(one, head.session_id) for one in chunks)
    assert again.hex() == row["hex"]


@by_name(INVALID)
def test_invalid(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["hex"])
    with pytest.raises(LocalError):
        read(data)
    first, *others = items(data)
    if row["fault"] == "head":
        with pytest.raises(AssertionError):
            cddl.check(first, "recording-head")
    elif row["fault"] == "chunk":
        with pytest.raises(AssertionError):
            cddl.check(others[-1], "recording-chunk")
    else:
        cddl.check(others[-1], "recording-chunk")
