"""Functions of viper in a .mpy, version 6 of the format (py/persistentcode.c): found, and put back shorter."""

from __future__ import annotations

from dataclasses import dataclass

from .instructions import UnknownCode, decode
from .machine import encode
from .passes import rewrite

_NATIVE, _VIPER, _ASSEMBLER = 1, 2, 3
_TYPES_WITH_LENGTH = (5, 6, 7, 8, 9)  # str, bytes, and the numbers that are kept as text
_WITH_END = (5, 6)
_TUPLE = 10
_OWN_DATA = 0x70  # flags: viper code with data of its own


@dataclass(frozen=True, slots=True)
class _Function:
    start: int
    """Of its head: length, whether others are within, kind."""
    end: int
    head: int
    code: bytes


def shorten(compiled: bytes, model: bytes, is_armv6m: bool) -> tuple[bytes, int]:
    """A module with shorter machine code, and how many functions had to stay as they were.

    model: the same module, compiled the same way for armv7m. Raises ValueError for anything but a .mpy of version 6.
    """
    functions, models = _functions(compiled), _functions(model)
    if len(functions) != len(models):
        raise ValueError("the model is another module")
    kept = 0
    for function, other in zip(reversed(functions), reversed(models), strict=True):
        try:
            code = encode(rewrite(decode(other.code), is_armv6m), is_armv6m)
        except UnknownCode:
            kept += 1
            continue
        head = _number(len(code) << 3 | function.head & 7)
        compiled = compiled[: function.start] + head + code + compiled[function.end :]
    return compiled, kept


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.take(1)[0]
            value = value << 7 | byte & 127
            if byte < 128:
                return value


def _functions(data: bytes) -> list[_Function]:
    reader = _Reader(data)
    if reader.take(4)[:2] != b"M\x06":
        raise ValueError(f"no .mpy of version 6: {data[:4]!r}")
    names, objects = reader.number(), reader.number()
    for _ in range(names):
        length = reader.number()
        if not length & 1:
            reader.take((length >> 1) + 1)
    for _ in range(objects):
        _skip_object(reader)
    found: list[_Function] = []
    _collect(reader, found)
    return found


def _skip_object(reader: _Reader) -> None:
    kind = reader.take(1)[0]
    if kind in _TYPES_WITH_LENGTH:
        reader.take(reader.number() + (kind in _WITH_END))
    elif kind == _TUPLE:
        for _ in range(reader.number()):
            _skip_object(reader)


def _collect(reader: _Reader, found: list[_Function]) -> None:
    start = reader.at
    head = reader.number()
    code = reader.take(head >> 3)
    kind = head & 3
    end = reader.at
    if kind == _NATIVE:
        reader.number()
    elif kind:
        flags = reader.number()
        if kind == _ASSEMBLER:
            reader.number()
            reader.number()
        elif not flags & _OWN_DATA:
            found.append(_Function(start, end, head, code))
        else:
            raise ValueError("viper code with data of its own")
    if head & 4:
        for _ in range(reader.number()):
            _collect(reader, found)


def _number(value: int) -> bytes:
    out = [value & 127]
    while value := value >> 7:
        out.insert(0, value & 127 | 128)
    return bytes(out)
