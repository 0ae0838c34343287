"""Bytes of the wire to messages, for bytes that nobody vouches for.

Size, then structure (scan.py), then cbor2, then every field (records.py,
fields.py): nothing outside schema/wire.cddl comes through. Raises WireError and
nothing else. A fault inside one record of a chunk costs that record alone: it
becomes `Bad`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cbor2

from ..errors import UnknownMessageError, WireError
from . import fields, limits
from . import messages as m
from .fields import Wrong
from .records import parse_record
from .scan import item_offsets

_SYNC: Final = 1


def decode_uplink(data: bytes) -> m.Chunk | m.Sync:
    """A chunk or a sync. UnknownMessageError: a kind of a later version; WireError: unreadable (see there)."""
    items, offsets = _load(data)
    kind = items[1]
    if type(kind) is bytes:
        return _chunk(data, items, offsets)
    if type(kind) is int and kind == _SYNC:
        sync = _parse("sync", 10, _sync, items)
        assert isinstance(sync, m.Sync)
        return sync
    raise _unknown(kind)


def decode_downlink(data: bytes) -> m.Downlink:
    """Any message that goes down. Errors as in decode_uplink."""
    items, _ = _load(data)
    kind = items[1]
    known = _DOWN.get(kind) if type(kind) is int else None
    if known is None:
        raise _unknown(kind)
    message = _parse(*known, items)
    assert not isinstance(message, m.Sync)
    return message


def _unknown(kind: object) -> WireError:
    if type(kind) is int and kind >= 0:
        return UnknownMessageError("message", "kind", "a kind of this version and direction", kind)
    return WireError("message", "kind", "a stream of 8 bytes or the number of a kind", kind)


# ---- CBOR ---------------------------------------------------------------------


class _Unreadable:
    """Stands for an item that is well-formed CBOR but no value, such as text that is not UTF-8."""

    def __init__(self, error: cbor2.CBORDecodeError) -> None:
        self.reason = f"record must be made of valid values: {error}"


def _load(data: bytes) -> tuple[list[Any], list[int]]:
    """The items of a message, and where each begins (then where the last one ends)."""
    try:
        offsets = item_offsets(data)
    except WireError as error:
        error.stream, error.seq = _peek(data)
        raise
    try:
        items = cbor2.loads(data)
    except cbor2.CBORDecodeError:
        items = [_load_item(data[start:end]) for start, end in zip(offsets, offsets[1:], strict=False)]
    if len(items) < 2:
        raise WireError("message", "length", "at least 2 items", len(items))
    if type(items[0]) is not int or items[0] != limits.VERSION:
        raise WireError("message", "version", str(limits.VERSION), items[0])
    return items, offsets


def _load_item(raw: bytes) -> Any:
    try:
        return cbor2.loads(raw)
    except cbor2.CBORDecodeError as error:
        return _Unreadable(error)


def _peek(data: bytes) -> tuple[bytes | None, int | None]:
    """Stream and seq of a chunk whose later bytes are broken, or None twice."""
    head = {24: 2, 25: 3, 26: 5, 27: 9}.get(data[0] & 31, 1) if data else 0
    begin = head + 2
    stream = data[begin : begin + limits.STREAM_ID_BYTES]
    if data[head:begin] != b"\x01\x48" or data[0] >> 5 != 4 or len(data) > limits.MAX_MESSAGE_BYTES:
        return None, None
    number = data[begin + len(stream) : begin + len(stream) + 9]
    seq = _load_item(number) if number[:1] and number[0] < 0x1C else None
    return (stream, seq) if fields.is_u30(seq) else (None, None)


# ---- chunks -------------------------------------------------------------------


def _chunk(data: bytes, items: list[Any], offsets: list[int]) -> m.Chunk:
    stream, seq, now = _chunk_head(items)
    time_ms = now
    records = []
    for position in range(5, len(items), 2):
        dt, item = items[position - 1], items[position]
        if type(dt) is not int or dt < 0 or now + dt > limits.U30_MAX:
            at = offsets[position - 1]
            raise WireError("chunk", "dt", "ms, the sum below 2^30", dt, offset=at, stream=stream, seq=seq)
        now += dt
        body: m.Body
        if type(item) is bytes and item:
            body = m.Frame(item[0], item[1:])
        else:
            try:
                body = parse_record(item)
            except Wrong as error:
                reason = item.reason if isinstance(item, _Unreadable) else str(error)
                body = m.Bad(data[offsets[position] : offsets[position + 1]], reason)
        records.append(m.Record((position - 5) // 2, now, body))
    return m.Chunk(stream, seq, time_ms, _of_one_class(records, data, offsets))


def _chunk_head(items: list[Any]) -> tuple[bytes, int, int]:
    stream, seq = items[1], items[2] if len(items) > 2 else None
    if len(stream) != limits.STREAM_ID_BYTES:
        raise WireError("chunk", "stream", f"{limits.STREAM_ID_BYTES} bytes", stream)
    if not fields.is_u30(seq):
        raise WireError("chunk", "seq", "an integer from 0 to 2^30 - 1", seq)
    time_ms = items[3] if len(items) > 3 else None
    if not fields.is_u30(time_ms):
        raise WireError("chunk", "time", "an integer from 0 to 2^30 - 1", time_ms, stream=stream, seq=seq)
    if len(items) % 2 or not 1 <= (len(items) - 4) // 2 <= limits.MAX_RECORDS:
        expected, got = f"1 to {limits.MAX_RECORDS} pairs of dt and body", f"{len(items) - 4} items"
        raise WireError("chunk", "records", expected, got, stream=stream, seq=seq)
    return stream, seq, time_ms


def _of_one_class(records: list[m.Record], data: bytes, offsets: list[int]) -> tuple[m.Record, ...]:
    """The records, those of another class than the first marked bad: opt-out drops replay data by whole chunks."""
    classes = {type(record.body) in _REPLAY for record in records if type(record.body) not in _CLASSLESS}
    if len(classes) < 2:
        return tuple(records)
    is_replay = next(type(r.body) in _REPLAY for r in records if type(r.body) not in _CLASSLESS)
    checked = []
    for record in records:
        kind = type(record.body)
        if kind not in _CLASSLESS and (kind in _REPLAY) is not is_replay:
            at = 5 + 2 * record.index
            reason = (
                f"{kind.__name__} stands in a chunk of the other class: replay data and calls never share one"
            )
            record = m.Record(
                record.index, record.time_ms, m.Bad(data[offsets[at] : offsets[at + 1]], reason)
            )
        checked.append(record)
    return tuple(checked)


_REPLAY: Final = frozenset(m.REPLAY_BODIES)
_CLASSLESS: Final = frozenset((m.Unknown, m.Bad))


# ---- other messages -----------------------------------------------------------

_Parser = Callable[[list[Any]], m.Sync | m.Downlink]


def _parse(name: str, least: int, parse: _Parser, items: list[Any]) -> m.Sync | m.Downlink:
    try:
        if len(items) < least:
            raise Wrong("length", f"at least {least} items", len(items))
        return parse(items)
    except Wrong as error:
        raise WireError(name, error.field, error.expected, error.got) from None


def _sync(i: list[Any]) -> m.Sync:
    oldest, following = fields.u30(i[3], "oldest"), fields.u30(i[4], "next")
    if oldest > following:
        raise Wrong("oldest", f"at most next, {following}", oldest)
    return m.Sync(
        fields.identifier(i[2], "stream"),
        oldest,
        following,
        fields.u30(i[5], "now"),
        fields.maybe_epoch(i[6], "epoch"),
        fields.u30(i[7], "boot"),
        fields.maybe_identifier(i[8], "previous"),
        fields.device_id(i[9]),
    )


def _ack(i: list[Any]) -> m.Ack:
    stream, window = fields.identifier(i[2], "stream"), fields.within(i[4], 1, 255, "window")
    return m.Ack(stream, fields.u30(i[3], "next"), window, fields.identifier(i[5], "bridge ID"))


def _session(i: list[Any]) -> m.Session:
    stream, index = fields.identifier(i[2], "stream"), fields.u30(i[3], "index")
    return m.Session(stream, index, fields.epoch(i[4], "session ID"), fields.boolean(i[5], "sampled"))


def _host_hello(i: list[Any]) -> m.HostHello:
    oldest, newest = (
        fields.within(i[3], 0, 255, "oldest version"),
        fields.within(i[4], 0, 255, "newest version"),
    )
    return m.HostHello(fields.identifier(i[2], "bridge ID"), oldest, newest)


_DOWN: Final[dict[int, tuple[str, int, _Parser]]] = {
    2: ("ack", 6, _ack),
    3: ("session", 6, _session),
    4: ("config", 4, lambda i: m.Config(fields.properties(i[2], "settings"), fields.u30(i[3], "ttl"))),
    5: ("keyframe request", 3, lambda i: m.KeyframeRequest(fields.identifier(i[2], "stream"))),
    6: ("time", 3, lambda i: m.Time(fields.epoch(i[2], "epoch"))),
    7: ("opt-out", 3, lambda i: m.OptOutOrder(fields.boolean(i[2], "opted out"))),
    8: ("new stream", 3, lambda i: m.NewStream(fields.identifier(i[2], "stream"))),
    9: ("host hello", 5, _host_hello),
}
