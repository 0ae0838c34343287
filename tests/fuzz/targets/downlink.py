"""Messages that go down, on the device, whose reader raises nothing: it says 0. What a bridge sends, it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pixeltrail.config import Settings
from pixeltrail.message import Downlink
from pixeltrail.remote import Remote
from pixeltrail_bridge.errors import LocalError, WireError
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.support import vectors

MAX_BYTES = 600
MODULES = ("pixeltrail.message:Downlink", "pixeltrail.cbor_reader", "pixeltrail.remote")
_CONFIG = 4
_KINDS = {m.Ack: 2, m.Session: 3, m.Config: _CONFIG, m.KeyframeRequest: 5, m.NewStream: 8, m.HostHello: 9}


class State(dict[str, Any]):
    """Flash that forgets."""

    def put(self, name: str, value: Any) -> None:
        self[name] = value


class Clock:
    now = 5

    def read_date(self) -> int:
        return 1_800_000_000_000


def seeds() -> Iterator[bytes]:
    for name in ("down", "invalid"):
        yield from (bytes.fromhex(one["hex"]) for one in vectors.load(name))


def one(data: bytes) -> None:
    read = Downlink()
    kind = read.read(bytearray(data), len(data))
    assert 0 <= kind < 1 << 30
    if kind == _CONFIG:
        _follow(read)
    _agree(data)


def _follow(read: Downlink) -> None:
    """What the settings lead to stays within what a device allows."""
    remote = Remote(Settings({}), State())
    remote.take(read.settings, read.ttl_s, Clock())
    assert 0 <= remote.sample_rate <= 1 and 0 < remote.max_fps <= 120
    assert 1 <= remote.keyframe_interval_s <= 86_400 and 0 <= remote.log_level <= 4
    remote.load(Clock())


def _agree(data: bytes) -> None:
    """A message that the bridge could have sent is one that a device reads."""
    try:
        message = decode_downlink(data)
        sent = encode_downlink(message)
    except (WireError, LocalError):
        return
    wanted = _KINDS.get(type(message))
    # Settings may be deeper, or more, than a device takes
    if wanted is None or isinstance(message, m.Config):
        return
    read = Downlink()
    assert read.read(bytearray(sent), len(sent)) == wanted, f"the device does not read {message}"
    if isinstance(message, m.Ack):
        assert (read.next, read.window) == (message.next, message.window)
    if isinstance(message, m.Session):
        assert int.from_bytes(read.session_id) == message.session_id and read.sampled == message.sampled
