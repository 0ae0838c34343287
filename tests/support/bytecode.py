"""How many slots the functions of a .mpy need, read from the file (version 6 of the format, py/persistentcode.c).

A bytecode function whose slots (arguments, locals, expression stack; three more for each nested block that needs one)
number more than 11 gets its frame from the heap, or from the C stack when there is none: an allocation that a locked
heap does not notice. On a board with a large frame buffer it may cost a collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_SLOTS = 11  # VM_MAX_STATE_ON_STACK in py/vm.c and py/objfun.c
_EXCEPTION_SLOTS = 3
_BYTECODE = 2
_TYPES_WITH_LENGTH = (5, 6, 7, 8, 9)  # str, bytes, and the numbers that are kept as text


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    slots: int


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 127
            if byte < 128:
                return value


def functions(data: bytes) -> Iterator[Function]:
    """Every bytecode function of a file, the module's own code first. ValueError: another format."""
    reader = _Reader(data)
    magic, version, _, _ = reader.take(4)
    if magic != ord("M") or version != 6:
        raise ValueError(f"no .mpy of version 6: {data[:4]!r}")
    names, objects = reader.number(), reader.number()
    strings = [_string(reader) for _ in range(names)]
    for _ in range(objects):
        _skip_object(reader)
    yield from _code(reader, strings)


def _string(reader: _Reader) -> str:
    length = reader.number()
    if length & 1:
        return f"(static {length >> 1})"
    text = reader.take(length >> 1).decode()
    reader.take(1)
    return text


def _skip_object(reader: _Reader) -> None:
    kind = reader.byte()
    if kind in _TYPES_WITH_LENGTH:
        reader.take(reader.number() + (kind in (5, 6)))
    elif kind == 10:
        for _ in range(reader.number()):
            _skip_object(reader)


def _code(reader: _Reader, strings: list[str]) -> Iterator[Function]:
    head = reader.number()
    length, has_children, kind = head >> 3, head & 4, head & 3
    code = reader.take(length)
    if kind == 0:
        yield _function(code, strings)
    else:
        _skip_native(reader, code, kind)
    if has_children:
        for _ in range(reader.number()):
            yield from _code(reader, strings)


def _skip_native(reader: _Reader, code: bytes, kind: int) -> None:
    if kind == 1:  # native code has a prelude of its own
        reader.number()
    else:
        flags = reader.number()
        if kind == 3 or flags & 0x70:
            raise ValueError("viper code with data of its own, or inline assembler")


def _function(code: bytes, strings: list[str]) -> Function:
    at = 0
    z = code[at]
    at += 1
    slots, exceptions, shift = z >> 3 & 15, z >> 2 & 1, 0
    while z & 0x80:
        z = code[at]
        at += 1
        slots |= (z & 0x30) << (2 * shift)
        exceptions |= (z & 2) << shift
        shift += 1
    while code[at] & 0x80:  # the sizes of what follows
        at += 1
    at += 1
    name = 0
    while True:
        name = name << 7 | code[at] & 127
        at += 1
        if code[at - 1] < 128:
            break
    return Function(strings[name], slots + 1 + _EXCEPTION_SLOTS * exceptions)
