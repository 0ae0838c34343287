"""Messages at the bridge, up and down: refused with WireError, or (up) of the same meaning when encoded again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pixeltrail_bridge.errors import LocalError, WireError
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink, decode_uplink
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support import vectors

MAX_BYTES = 4_200
MODULES = tuple(f"pixeltrail_bridge.wire.{name}" for name in ("decode", "fields", "records", "scan"))


def seeds() -> Iterator[bytes]:
    for name in ("up", "down", "invalid"):
        yield from (bytes.fromhex(one["hex"]) for one in vectors.load(name))


def one(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_downlink(data)
    try:
        message = decode_uplink(data)
    except WireError as error:
        assert len(str(error)) < 400, "an error repeats what came"
        return
    if isinstance(message, m.Chunk) and any(isinstance(r.body, (m.Bad, m.Unknown)) for r in message.records):
        return  # has no form of its own
    try:
        again = encode_uplink(message)
    except LocalError:  # a float in a short form may come out longer than a message may be
        return
    # as text: what is no number does not equal itself
    assert repr(decode_uplink(again)) == repr(message), "it means something else when encoded again"
