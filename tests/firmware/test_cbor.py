"""The writer against cbor2, and its limits."""

from __future__ import annotations

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail.cbor import Writer

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def written(write, size=4096) -> bytes | None:
    """What `write(writer)` wrote, or None when it did not fit or was refused."""
    writer = Writer(bytearray(size))
    write(writer)
    return bytes(writer.buffer[: writer.at]) if not writer.overflow and not writer.bad else None


@given(st.dictionaries(st.text(max_size=30), VALUES, max_size=5))
def test_properties_are_what_cbor2_reads(properties):
    data = written(lambda w: w.properties(properties))
    assert data is not None
    assert cbor2.loads(data) == properties


@given(st.dictionaries(st.text(max_size=30), VALUES, max_size=5), st.integers(0, 200))
def test_what_does_not_fit_leaves_no_trace(properties, size):
    writer = Writer(bytearray(300))
    writer.reset(7, 7 + size)
    writer.properties(properties)
    assert writer.at <= 7 + size
    assert not any(writer.buffer[7 + size :])
    if writer.overflow:
        writer.rewind(7)
        writer.uint(5) if size else None
        assert writer.at == 7 + min(size, 1)


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 65535, 65536, (1 << 30) - 1])
def test_heads_are_shortest(value):
    assert written(lambda w: w.uint(value)) == cbor2.dumps(value)
    assert written(lambda w: w.integer(-1 - value)) == cbor2.dumps(-1 - value)


@pytest.mark.parametrize("value", [1 << 30, -(1 << 30) - 1, (1 << 63) - 1, -(1 << 63)])
def test_wide_integers(value):
    data = written(lambda w: w.integer(value))
    assert data is not None and cbor2.loads(data) == value


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_null(value):
    assert written(lambda w: w.real(value)) == b"\xf6"


@pytest.mark.parametrize(
    "properties",
    [
        {"a": object()},
        {"a": b"bytes"},
        {1: "key"},
        {"a": 1 << 63},
        {"a": "x" * 1025},
        {"k" * 201: 1},
        {"a": list(range(300))},
        {"a": [[[[[[[[1]]]]]]]]},
        "text",
        7,
    ],
    ids=lambda p: str(p)[:20],
)
def test_beyond_the_contract(properties):
    assert written(lambda w: w.properties(properties)) is None


def test_eight_levels_are_allowed():
    nested = {"a": [[[[[[[1]]]]]]]}
    assert cbor2.loads(written(lambda w: w.properties(nested))) == nested


@given(st.text(max_size=400), st.integers(0, 300))
def test_cut_text_keeps_whole_characters(text, size):
    data = written(lambda w: w.cut_text(text), size)
    if data is None:
        assert size < 3
        return
    kept = cbor2.loads(data)
    assert text.startswith(kept)
    assert kept == text or len((kept + text[len(kept)]).encode()) > size - 3
