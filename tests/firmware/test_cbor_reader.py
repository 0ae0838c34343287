"""The reader against cbor2 and against any bytes."""

from __future__ import annotations

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail.cbor_reader import Reader


@given(st.binary(max_size=40))
def test_reader_never_raises_and_stays_inside(data):
    reader = Reader()
    for method in ("uint", "array", "boolean"):
        reader.reset(data, len(data))
        getattr(reader, method)()
        assert reader.at <= len(data)
    reader.reset(data, len(data))
    reader.blob(8)
    reader.wide_into(bytearray(8))
    assert reader.at <= len(data)


@given(st.integers(0, (1 << 64) - 1))
def test_wide_into(value):
    reader = Reader()
    data = cbor2.dumps(value)
    target = bytearray(b"\xff" * 8)
    reader.reset(data, len(data))
    reader.wide_into(target)
    assert not reader.bad
    assert int.from_bytes(target, "big") == value
    reader.reset(data, len(data))
    assert reader.uint() == (value if value < 1 << 30 else 0)
    assert reader.bad == (value >= 1 << 30)


@pytest.mark.parametrize(
    "value", [b"\x1b" + bytes(7) + b"\x05", b"\x1a\0\0\0\x05", b"\x19\0\x05", b"\x18\x05"]
)
def test_longer_forms_are_read(value):
    reader = Reader()
    reader.reset(value, len(value))
    assert reader.uint() == 5 and not reader.bad


def item(data):
    reader = Reader()
    reader.reset(data, len(data))
    value = reader.item()
    return value, reader.bad


SETTINGS = st.dictionaries(
    st.text(max_size=20),
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.lists(st.integers(-300, 70_000), max_size=12),
    max_size=8,
)


@given(SETTINGS, st.booleans())
def test_items_are_what_cbor2_wrote(values, is_canonical):
    """Canonical floats are as short as they can be: of 16 or 32 bits."""
    assert item(cbor2.dumps(values, canonical=is_canonical)) == (values, False)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_item_or_bad(data):
    value, is_bad = item(data)
    assert value is None or not is_bad


@pytest.mark.parametrize("bits", ["0001", "03ff", "0400", "3555", "7bff", "7c00", "8001", "fc00"])
def test_halves(bits):
    data = bytes.fromhex("f9" + bits)
    assert item(data) == (cbor2.loads(data), False)


def test_a_half_that_is_no_number():
    assert math.isnan(item(bytes.fromhex("f97e00"))[0])


@pytest.mark.parametrize(
    "data",
    [
        cbor2.dumps(b"bytes"),
        cbor2.dumps({1: 2}),
        cbor2.dumps(cbor2.CBORTag(1, 2)),
        cbor2.dumps([[[[[[[[[1]]]]]]]]]),
        cbor2.dumps([0] * 256),
        b"\x9b" + b"\x7f" * 8,
        b"\x9f\x01\xff",
        b"\x62\xc3\x28",
        b"\x65abc",
        b"\xf7",
        b"\xf8\x20",
    ],
)
def test_what_no_setting_is(data):
    assert item(data) == (None, True)
