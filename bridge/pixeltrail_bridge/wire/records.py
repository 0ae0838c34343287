"""Records of a chunk: decoded CBOR to dataclasses, each field checked. One parser for each kind of wire.cddl."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import fields, limits
from . import messages as m
from .fields import Wrong


def parse_record(item: Any) -> m.Body:
    """The body of a record that is no frame. Raises Wrong, its field naming the record too."""
    if type(item) is not list or not item:
        raise Wrong("record", "a frame or an array that begins with a kind", item)
    kind = item[0]
    known = _PARSERS.get(kind) if type(kind) is int else None
    if known is None:
        return m.Unknown(fields.within(kind, 18, 255, "record kind"))
    name, least, parse = known
    try:
        if len(item) < least:
            raise Wrong("length", f"at least {least} items", len(item))
        return parse(item)
    except Wrong as error:
        raise Wrong(f"{name} {error.field}", error.expected, error.got) from None


def _hello(i: list[Any]) -> m.Hello:
    return m.Hello(
        fields.device_id(i[1]),
        fields.u30(i[2], "boot"),
        fields.within(i[3], 0, 255, "boot reason"),
        fields.name(i[4], "board"),
        fields.name(i[5], "library"),
        fields.name(i[6], "app"),
        fields.name(i[7], "app version"),
        fields.within(i[8], 0, 2, "clock quality"),
        fields.maybe_identifier(i[9], "previous"),
        fields.name(i[10], "os"),
    )


def _display(i: list[Any]) -> m.Display:
    return m.Display(
        fields.within(i[1], 1, limits.MAX_SIDE_PX, "width"),
        fields.within(i[2], 1, limits.MAX_SIDE_PX, "height"),
        m.PixelFormat(fields.within(i[3], 0, 8, "pixel format")),
        fields.within(i[4], 1, 255, "strip width"),
        fields.within(i[5], 1, 8, "strip rows"),
        fields.within(i[6], 0, 1024, "references"),
        fields.palette(i[7]),
        fields.within(i[8], 0, 3, "rotation"),
    )


def _touch(i: list[Any]) -> m.Touch:
    if type(i[1]) is type(i[2]) is type(i[3]) is int and 0 <= i[1] <= 1023 >= i[2] >= 0 <= i[3] <= 3:
        return m.Touch(i[1], i[2], i[3])  # most of what a display hears
    x, y = fields.maybe_within(i[1], 0, 1023, "x"), fields.maybe_within(i[2], 0, 1023, "y")
    if (x is None) is not (y is None):
        raise Wrong("y", "null exactly when x is", y)
    return m.Touch(x, y, fields.within(i[3], 0, 3, "phase"))


def _gap(i: list[Any]) -> m.Gap:
    first, end, counts = fields.u30(i[1], "from"), fields.u30(i[2], "to"), i[3]
    if end < first:
        raise Wrong("to", "at least from", end)
    if type(counts) is not list or len(counts) < 3:
        raise Wrong("counts", "an array of at least 3 counts", counts)
    frames, inputs, calls = (fields.u30(count, "counts") for count in counts[:3])
    return m.Gap(first, end, frames, inputs, calls, fields.within(i[4], 0, 255, "reason"))


def _vitals(i: list[Any]) -> m.Vitals:
    if type(i[1]) is not dict:
        raise Wrong("values", "a map", i[1])
    return m.Vitals(
        {
            fields.within(key, 0, 255, "key"): fields.within(value, limits.I30_MIN, limits.U30_MAX, "value")
            for key, value in i[1].items()
        }
    )


def _masks(i: list[Any]) -> m.Masks:
    flat = i[1]
    if type(flat) is not list or len(flat) % 4:
        raise Wrong("rectangles", "an array of x, y, width, height", flat)
    numbers = [fields.u30(number, "rectangles") for number in flat]
    groups = zip(numbers[0::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)
    return m.Masks(tuple(groups))


_PARSERS: Final[dict[int, tuple[str, int, Callable[[list[Any]], m.Body]]]] = {
    1: ("hello", 11, _hello),
    2: ("display", 9, _display),
    3: (
        "session start",
        4,
        lambda i: m.SessionStart(
            fields.u30(i[1], "index"),
            fields.maybe_boolean(i[2], "sampled"),
            fields.maybe_epoch(i[3], "epoch"),
        ),
    ),
    4: ("session end", 2, lambda i: m.SessionEnd(fields.u30(i[1], "index"))),
    5: ("touch", 4, _touch),
    6: (
        "key",
        4,
        lambda i: m.Key(
            fields.name(i[1], "name"),
            fields.within(i[2], 0, 4, "phase"),
            fields.within(i[3], limits.I30_MIN, limits.U30_MAX, "amount"),
        ),
    ),
    7: ("track", 3, lambda i: m.Track(fields.name(i[1], "event"), fields.properties(i[2], "properties"))),
    8: ("screen", 3, lambda i: m.Screen(fields.name(i[1], "name"), fields.properties(i[2], "properties"))),
    9: (
        "identify",
        3,
        lambda i: m.Identify(fields.maybe_name(i[1], "user"), fields.properties(i[2], "traits")),
    ),
    10: ("group", 3, lambda i: m.Group(fields.name(i[1], "group"), fields.properties(i[2], "traits"))),
    11: ("alias", 3, lambda i: m.Alias(fields.name(i[1], "user"), fields.maybe_name(i[2], "previous"))),
    12: ("gap", 5, _gap),
    13: ("vitals", 2, _vitals),
    14: ("log", 3, lambda i: m.Log(fields.within(i[1], 0, 4, "level"), fields.text(i[2], "text"))),
    15: ("masks", 2, _masks),
    16: (
        "unknown area",
        5,
        lambda i: m.UnknownArea(
            fields.u30(i[1], "x"),
            fields.u30(i[2], "y"),
            fields.u30(i[3], "width"),
            fields.u30(i[4], "height"),
        ),
    ),
    17: ("opt-out", 2, lambda i: m.OptOut(fields.boolean(i[1], "opted out"))),
}
