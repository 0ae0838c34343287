"""Messages to bytes of the wire.

The bridge sends the messages that go down. Those that go up are encoded for
tests, vectors and measurements; only devices send them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import cbor2

from ..errors import LocalError
from . import limits
from . import messages as m


def encode_downlink(message: m.Downlink) -> bytes:
    """The bytes of a message that goes down. LocalError: too large, or a value CBOR has no form for."""
    return _dump([limits.VERSION, *_DOWN[type(message)](message)], type(message).__name__)


def encode_uplink(message: m.Chunk | m.Sync) -> bytes:
    """The bytes of a chunk or a sync. LocalError as above, or for a chunk that holds a `Bad` record."""
    if isinstance(message, m.Sync):
        s = message
        items: list[Any] = [
            1,
            s.stream,
            s.oldest,
            s.next,
            s.now_ms,
            s.epoch_ms,
            s.boot,
            s.previous,
            s.device_id,
        ]
        return _dump([limits.VERSION, *items], "Sync")
    items = [limits.VERSION, message.stream, message.seq, message.time_ms]
    now = message.time_ms
    for record in message.records:
        items += (record.time_ms - now, encode_body(record.body))
        now = record.time_ms
    return _dump(items, "Chunk")


def encode_body(body: m.Body) -> bytes | list[Any]:
    """A record's body as it stands in a chunk, before CBOR."""
    if isinstance(body, m.Frame):
        return bytes((body.flags,)) + body.payload
    encode = _BODIES.get(type(body))
    if encode is None:
        raise LocalError(
            f"encode_uplink: a {type(body).__name__} record has no form on the wire; leave it out"
        )
    return encode(body)


def _dump(items: list[Any], what: str) -> bytes:
    try:
        data = cbor2.dumps(items)
    except cbor2.CBOREncodeError as error:
        raise LocalError(
            f"{what}: {error}; properties hold null, booleans, numbers, text, arrays and maps"
        ) from error
    if len(data) > limits.MAX_MESSAGE_BYTES:
        raise LocalError(
            f"{what}: {len(data)} bytes, and a message has at most {limits.MAX_MESSAGE_BYTES}; send less"
        )
    return data


def _gap(g: Any) -> list[Any]:
    return [12, g.first, g.end, [g.frames, g.inputs, g.calls], g.reason]


def _hello(h: Any) -> list[Any]:
    who = [1, h.device_id, h.boot, h.boot_reason, h.board, h.library, h.app, h.app_version]
    return [*who, h.clock_quality, h.previous, h.os]


def _display(d: Any) -> list[Any]:
    strips = [d.strip_width, d.strip_rows, d.references]
    return [2, d.width, d.height, int(d.format), *strips, d.palette, d.rotation]


_BODIES: Final[Mapping[type, Callable[[Any], list[Any]]]] = {
    m.Hello: _hello,
    m.Display: _display,
    m.SessionStart: lambda b: [3, b.index, b.sampled, b.epoch_ms],
    m.SessionEnd: lambda b: [4, b.index],
    m.Touch: lambda b: [5, b.x, b.y, b.phase],
    m.Key: lambda b: [6, b.name, b.phase, b.amount],
    m.Track: lambda b: [7, b.event, b.properties],
    m.Screen: lambda b: [8, b.name, b.properties],
    m.Identify: lambda b: [9, b.user_id, b.traits],
    m.Group: lambda b: [10, b.group_id, b.traits],
    m.Alias: lambda b: [11, b.user_id, b.previous_id],
    m.Gap: _gap,
    m.Vitals: lambda b: [13, b.values],
    m.Log: lambda b: [14, b.level, b.text],
    m.Masks: lambda b: [15, [number for rectangle in b.rectangles for number in rectangle]],
    m.UnknownArea: lambda b: [16, b.x, b.y, b.width, b.height],
    m.OptOut: lambda b: [17, b.opted_out],
    m.Unknown: lambda b: [b.kind],
}

_DOWN: Final[Mapping[type, Callable[[Any], list[Any]]]] = {
    m.Ack: lambda a: [2, a.stream, a.next, a.window, a.bridge_id],
    m.Session: lambda s: [3, s.stream, s.index, s.session_id, s.sampled],
    m.Config: lambda c: [4, c.settings, c.ttl_s],
    m.KeyframeRequest: lambda k: [5, k.stream],
    m.Time: lambda t: [6, t.epoch_ms],
    m.OptOutOrder: lambda o: [7, o.opted_out],
    m.NewStream: lambda n: [8, n.stream],
    m.HostHello: lambda h: [9, h.bridge_id, h.oldest_version, h.newest_version],
}
