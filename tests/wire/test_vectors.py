"""schema/vectors/ against the bridge's decoder and encoder, and against schema/wire.cddl."""

from __future__ import annotations

from typing import Any

import pytest
from pixeltrail_bridge.errors import WireError
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink, decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink, encode_uplink

from tests.support import cddl, vectors

# Rules that only the prose of wire.md has: relations between fields, sizes, directions, classes.
PROSE_ALONE = {
    "one byte above the largest message",
    "kind of the other direction",
    "times that pass 2^30",
    "palette of 4 bytes",
    "touch with one coordinate",
    "properties 9 levels deep",
    "gap that ends before it begins",
    "masks with three numbers",
    "touch among calls",
    "track among frames",
    "sync with a wrong oldest",
    "chunk going down",
    "sync going down",
}


def table(*names: str) -> Any:
    rows = [(name, row) for name in names for row in vectors.load(name)]
    return pytest.mark.parametrize(
        ("kind", "row"), rows, ids=[f"{name}: {row['name']}" for name, row in rows]
    )


@table("up", "down")
def test_valid(kind: str, row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["hex"])
    cddl.check(data)
    cddl.check(data, {"up": "uplink", "down": "downlink"}[kind])
    decode, encode = (decode_uplink, encode_uplink) if kind == "up" else (decode_downlink, encode_downlink)
    message = decode(data)
    assert vectors.to_json(message) == row["meaning"]
    again = encode(message)
    assert (again == data) is row["is_canonical"]
    assert decode(again) == message


@table("invalid")
def test_invalid(kind: str, row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["hex"])
    decode = decode_uplink if row["direction"] == "up" else decode_downlink
    if row["fault"] == "message":
        with pytest.raises(WireError) as caught:
            decode(data)
        error = caught.value
        assert error.field == row["field"]
        assert (error.stream.hex() if error.stream else None, error.seq) == (
            row.get("stream"),
            row.get("seq"),
        )
        assert error.expected in str(error) and len(str(error)) < 500
    else:
        chunk = decode(data)
        assert isinstance(chunk, m.Chunk)
        bad = [record for record in chunk.records if isinstance(record.body, m.Bad)]
        assert [record.index for record in bad] == [row["index"]]
        assert row["field"] in bad[0].body.reason and bad[0].body.raw in data
    if row["name"] not in PROSE_ALONE:
        with pytest.raises(AssertionError):
            cddl.check(data)


def test_every_kind_has_a_vector() -> None:
    up = [row["meaning"] for row in vectors.load("up")]
    records = {
        record["type"] for meaning in up if meaning["type"] == "Chunk" for record in meaning["records"]
    }
    assert records == {kind.__name__ for kind in m.Body.__args__} - {"Bad"}
    kinds = {meaning["type"] for meaning in up} | {row["meaning"]["type"] for row in vectors.load("down")}
    assert kinds == {kind.__name__ for kind in (*m.Uplink.__args__, *m.Downlink.__args__)}
