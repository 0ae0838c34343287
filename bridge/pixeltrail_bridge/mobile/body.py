"""What an app posted: limits first, then gzip, then JSON, then the key. Sources: Segment's HTTP Tracking API, and what
its libraries do with each status (analytics-python, -node, -next and -react-native).

400 makes every library drop the post, 408, 429 and 5xx make it try again: so 400 is for what can never be taken, and
what is wrong with one event of a batch is no fault of the others.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from .extract import table, time_ms

MAX_BODY_BYTES: Final = 500_000
MAX_EVENT_BYTES: Final = 32 << 10
TYPES: Final = {
    "track": "track",
    "screen": "screen",
    "page": "page",
    "identify": "identify",
    "group": "group",
    "alias": "alias",
    "t": "track",
    "s": "screen",
    "p": "page",
    "i": "identify",
    "g": "group",
    "a": "alias",
}
_GZIP_WINDOW: Final = 31  # zlib's way of saying: gzip alone, with its largest window
_SKEW_FLOOR_MS: Final = 2_000  # less is the way through the network
_decode = msgspec.json.Decoder().decode


class BodyError(Exception):
    """A post that is not taken. `status` is the answer; the text names the remedy."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Post:
    """`events` in their order; `too_large` were above 32 KB and are not among them."""

    events: list[dict[str, Any]]
    too_large: list[bytes]
    write_key: str
    skew_ms: int


def unpack(raw: bytes, encoding: str | None) -> bytes:
    """Undo Content-Encoding, no further than a post may be large. Raises BodyError."""
    name = (encoding or "").strip().lower()
    if name in ("", "identity"):
        body = raw
    elif name == "gzip":
        body = _gunzip(raw)
    else:
        raise BodyError(415, f"Content-Encoding {name[:20]!r} is not known; use gzip or none")
    if len(body) > MAX_BODY_BYTES:
        raise BodyError(400, f"the post has more than {MAX_BODY_BYTES:,} bytes; send smaller batches")
    return body


def parse_batch(body: bytes, authorization: str | None, received_ms: int) -> Post:
    """A post to /v1/batch. Top-level context and integrations count for each event that has none of its own."""
    content = _object(body)
    batch = content.get("batch")
    if not isinstance(batch, list):
        raise BodyError(400, "batch: must be a list of events")
    shared = {name: table(content, name) for name in ("context", "integrations")}
    events, too_large = [], []
    for item in batch:
        if not isinstance(item, dict):
            raise BodyError(400, "batch: every event must be an object")
        event = _with_shared(item, shared)
        if len(raw := msgspec.json.encode(event)) > MAX_EVENT_BYTES:
            too_large.append(raw)
        else:
            events.append(event)
    return Post(events, too_large, _key(authorization, content), _skew(content, received_ms))


def parse_call(body: bytes, kind: str, authorization: str | None, received_ms: int) -> Post:
    """A post to /v1/track and its like."""
    event = _object(body)
    if len(body) > MAX_EVENT_BYTES:
        raise BodyError(400, f"the event has more than {MAX_EVENT_BYTES:,} bytes; send less of it")
    key, skew_ms = _key(authorization, event), _skew(event, received_ms)
    event["type"] = kind
    return Post([event], [], key, skew_ms)


def _gunzip(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacker.decompress(raw, MAX_BODY_BYTES + 1)
        if len(body) <= MAX_BODY_BYTES and not unpacker.eof:
            raise BodyError(400, "the post is cut short: its gzip stream has no end")
    except zlib.error as error:
        raise BodyError(400, f"the post is no gzip, as its Content-Encoding says: {error}") from None
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = _decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BodyError(400, f"the post is not JSON: {str(error)[:200]}") from None
    if not isinstance(content, dict):
        raise BodyError(400, "the post must be a JSON object")
    return content


def _with_shared(item: dict[str, Any], shared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    for name, values in shared.items():
        own = item.get(name)
        if values and (own is None or isinstance(own, dict)):
            item[name] = {**values, **(own or {})}
    return item


def _key(authorization: str | None, content: Mapping[str, Any]) -> str:
    """The write key: from Basic authorization, else from the body, where React Native's library alone puts it."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            raise BodyError(400, "Authorization: is not Basic base64(write key + ':')") from None
        if name:
            return name
    key = content.get("writeKey")
    return key if isinstance(key, str) else ""


def _skew(content: Mapping[str, Any], received_ms: int) -> int:
    """What must be added to the app's clock. The app stamps sentAt at each try, so it was ours at `received_ms`."""
    sent_ms = time_ms(content.get("sentAt"))
    if sent_ms is None or abs(received_ms - sent_ms) < _SKEW_FLOOR_MS:
        return 0
    return received_ms - sent_ms
