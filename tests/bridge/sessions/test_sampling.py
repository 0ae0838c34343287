import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.sessions.sampling import is_sampled, xxh32

# What Amplitude's session-replay SDK 1.51.6 computes for these IDs.
TABLE = [
    ("1767323045000", 2389989302),
    ("1767323045001", 1201867324),
    ("1700000000000", 1072223047),
    ("1719847315000", 1317076842),
    ("-1", 602628616),
    ("0", 1212501170),
    ("", 46947589),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_hash_equals_amplitudes(text, expected):
    assert xxh32(text.encode()) == expected


def test_hash_of_more_than_one_block():
    # from the specification's own test program
    assert xxh32(b"Nobody inspects the spammish repetition") == 0xE2293B2F


@given(st.integers(1, 1 << 53))
def test_rate_0_records_nothing_and_rate_1_everything(session_id):
    assert not is_sampled(session_id, 0.0)
    assert is_sampled(session_id, 1.0)


def test_comparison_is_strict():
    assert not is_sampled(1719847315000, 0.076842)
    assert is_sampled(1719847315000, 0.076843)
