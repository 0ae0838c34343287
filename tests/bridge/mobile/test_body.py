"""Posts to the Tracking API: limits, gzip, keys, clocks, and whatever else a stranger may send."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mobile.body import MAX_BODY_BYTES, BodyError, parse_batch, parse_call, unpack

NOW = 1_767_323_045_000
KEY = "Basic " + base64.b64encode(b"key:").decode()


def batch(*events: Any, **fields: Any) -> bytes:
    return json.dumps({"batch": events, **fields}).encode()


def status_of(work: Any) -> int:
    with pytest.raises(BodyError) as raised:
        work()
    return raised.value.status


def test_gzip_and_plain_say_the_same() -> None:
    body = batch({"type": "track"})
    assert unpack(gzip.compress(body), "gzip") == unpack(body, None) == unpack(body, "identity") == body


@pytest.mark.parametrize(
    ("raw", "encoding", "status"),
    [
        (b"x" * (MAX_BODY_BYTES + 1), None, 400),
        (gzip.compress(b"0" * 50_000_000, mtime=0), "gzip", 400),
        (gzip.compress(b"hello", mtime=0)[:-4], "gzip", 400),
        (b"not gzip", "gzip", 400),
        (b"", "gzip", 400),
        (b"hello", "br", 415),
    ],
)
def test_what_cannot_be_unpacked(raw: bytes, encoding: str | None, status: int) -> None:
    assert status_of(lambda: unpack(raw, encoding)) == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"batch": {}}',
        b'{"batch": [1]}',
        b'{"batch": [[]]}',
        b'{"batch": NaN}',
        b'{"batch": [{"a": "\xff"}]}',
        b'{"batch": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_batch(body: bytes) -> None:
    assert status_of(lambda: parse_batch(body, None, NOW)) == 400


def test_the_key_comes_from_either_place() -> None:
    assert parse_batch(batch(), KEY, NOW).write_key == "key"
    assert parse_batch(batch(writeKey="body"), None, NOW).write_key == "body"
    assert parse_batch(batch(writeKey="body"), "Bearer token", NOW).write_key == "body"
    assert parse_batch(batch(writeKey=5), None, NOW).write_key == ""
    assert status_of(lambda: parse_batch(batch(), "Basic !!", NOW)) == 400


def test_what_stands_beside_the_batch_counts_for_its_events() -> None:
    post = parse_batch(
        batch({"context": {"ip": "1.2.3.4"}}, {}, {"context": 7}, context={"ip": "5.6.7.8", "locale": "de"}),
        KEY,
        NOW,
    )
    assert [event.get("context") for event in post.events] == [
        {"ip": "1.2.3.4", "locale": "de"},
        {"ip": "5.6.7.8", "locale": "de"},
        7,
    ]


@pytest.mark.parametrize(
    ("sent_at", "skew_ms"),
    [
        ("2026-01-02T03:04:05.000Z", 0),
        ("2026-01-02T03:04:04.000Z", 0),
        ("2026-01-02T02:04:05.000Z", 3_600_000),
        ("1970-01-01T00:00:01.000Z", NOW - 1000),
        ("2026-01-02T04:04:05.000Z", -3_600_000),
        ("soon", 0),
        (None, 0),
        (12, 0),
    ],
)
def test_the_clock_of_the_app_is_read_off_its_post(sent_at: Any, skew_ms: int) -> None:
    assert parse_batch(batch({}, sentAt=sent_at), KEY, NOW).skew_ms == skew_ms


def test_a_large_event_does_not_take_the_others_with_it() -> None:
    post = parse_batch(batch({"type": "track"}, {"event": "x" * 40_000}, {"type": "page"}), KEY, NOW)
    assert [event["type"] for event in post.events] == ["track", "page"]
    assert len(post.too_large) == 1


def test_one_call() -> None:
    post = parse_call(b'{"event": "Tapped", "type": "other", "writeKey": "key"}', "track", None, NOW)
    assert (post.events[0]["type"], post.write_key) == ("track", "key")
    assert status_of(lambda: parse_call(b'{"a": "%s"}' % (b"x" * 40_000), "track", None, NOW)) == 400


@given(st.binary(max_size=300), st.sampled_from([None, "gzip", "identity", "x"]), st.text(max_size=20))
def test_no_bytes_end_in_anything_but_a_post_or_our_error(
    raw: bytes, encoding: str | None, authorization: str
) -> None:
    try:
        body = unpack(raw, encoding)
        parse_batch(body, authorization, NOW)
        parse_call(body, "track", f"Basic {authorization}", NOW)
    except BodyError as error:
        assert error.status in (400, 401, 415)
