"""The hash against published values of session IDs."""

import pytest
from pixeltrail.xxh32 import xxh32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1767323045000", 2389989302),
        ("1767323045001", 1201867324),
        ("1700000000000", 1072223047),
        ("1719847315000", 1317076842),
        ("-1", 602628616),
        ("0", 1212501170),
        ("", 46947589),
        ("Nobody inspects the spammish repetition", 0xE2293B2F),
    ],
)
def test_published_values(text, expected):
    assert xxh32(text.encode()) == expected
