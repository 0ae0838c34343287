"""What an app posts: refused with BodyError, or events that are no larger than they may be.

The first byte says: 1 packs the rest as gzip, 2 sends it as if it were, 4 is a single call instead of a batch, 8 ends a
line that is the header Authorization.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from pixeltrail_bridge.mobile.body import MAX_BODY_BYTES, BodyError, Post, parse_batch, parse_call, unpack
from pixeltrail_bridge.mobile.extract import device_id_of, session_id_of, time_ms

MAX_BYTES = 4_000
MODULES = ("pixeltrail_bridge.mobile.body", "pixeltrail_bridge.mobile.extract")
_PACKED, _SENT_AS_GZIP, _CALL, _AUTHORIZED = 1, 2, 4, 8
_NOW_MS = 1_800_000_000_000
_MOST_SESSION = (1 << 53) - 1


def seeds() -> Iterator[bytes]:
    event = {
        "type": "track",
        "event": "Brewed",
        "anonymousId": "a",
        "context": {"device": {"id": "kettle-1"}},
        "properties": {"session_id": "1767323045000"},
        "integrations": {"Actions Amplitude": {"session_id": 1767323045000}},
        "sentAt": "2027-01-15T08:00:00.000Z",
        "writeKey": "k",
    }
    for session in ("1767323045000", "2027-01-15T08:00:00+01:00", -1, 1.5, None, "nan", "-7"):
        event["properties"] = {"session_id": session}
        yield bytes((_CALL,)) + json.dumps(event).encode()
    batch = json.dumps(
        {"batch": [event, {**event, "context": None}], "context": {"a": 1}, "writeKey": "k"}
    ).encode()
    for flags in (0, _PACKED):
        yield bytes((flags,)) + batch
    yield bytes((_SENT_AS_GZIP,)) + gzip.compress(batch, mtime=0)
    yield bytes((_AUTHORIZED,)) + b"Basic azo=\n" + batch
    yield bytes((0,)) + b"[" * 2_000
    yield bytes((0,)) + b'{"batch":[{"a":' + b"[" * 900 + b"]" * 900 + b"}]}"


def one(data: bytes) -> None:
    flags, raw, authorization = data[0] if data else 0, data[1:], None
    if flags & _AUTHORIZED:
        line, _, raw = raw.partition(b"\n")
        authorization = line.decode("latin-1")
    if flags & _PACKED:
        raw = gzip.compress(raw, 1, mtime=0)
    try:
        body = unpack(raw, "gzip" if flags & (_PACKED | _SENT_AS_GZIP) else None)
        assert len(body) <= MAX_BODY_BYTES
        if flags & _CALL:
            post = parse_call(body, "track", authorization, _NOW_MS)
        else:
            post = parse_batch(body, authorization, _NOW_MS)
    except BodyError as error:
        assert error.status in (400, 415) and len(str(error)) < 400
        return
    _look_at(post)


def _look_at(post: Post) -> None:
    """What the intake asks each event first."""
    assert isinstance(post.write_key, str) and isinstance(post.skew_ms, int)
    for event in post.events:
        device, _ = device_id_of(event)
        assert device is None or 0 < len(device) <= 512
        session, where = session_id_of(event)
        assert session == -1 or 0 < session <= _MOST_SESSION, (session, where)
        moment = time_ms(event.get("timestamp"))
        assert moment is None or moment >= 0
