"""Instructions as half words, of armv6m or of armv7m, and jumps of the length they need.

armv6m has no instruction for a large number, a far place or a far jump. Numbers that are no shifted byte lie in the
code, behind a jump around them. A far jump is `bl`: what it overwrites, the return address, is in the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .flow import Needs, Place
from .instructions import CONDITIONS, ENTER, LEAVE, LOADS, OPPOSITE, SHIFTS, STORES, Instruction, UnknownCode

_SCRATCH = range(4)
_OPERATIONS = {"and": 0, "eor": 1, "lsl": 2, "lsr": 3, "asr": 4, "neg": 9, "orr": 12, "mul": 13, "mvn": 15}
_TWO_OPERANDS = ("and", "eor", "orr", "mul")
_BY_REGISTER = {"stw": 0x5000, "sth": 0x5200, "stb": 0x5400, "ldw": 0x5800, "ldh": 0x5A00, "ldb": 0x5C00}
_BY_NUMBER = {"stw": 0x6000, "ldw": 0x6800, "stb": 0x7000, "ldb": 0x7800, "sth": 0x8000, "ldh": 0x8800}
_WIDE = {"stw": 0xF8C0, "ldw": 0xF8D0, "stb": 0xF880, "ldb": 0xF890, "sth": 0xF8A0, "ldh": 0xF8B0}
_PUSH, _POP, _NOP = 0xB400, 0xBC00, 0xBF00
# These say by themselves whether their result is 0.
_TELLING = ("add", "sub", "lsl", "lsr", "asr", "and", "eor", "orr", "mul", "neg", "mvn")


@dataclass(slots=True)
class _Jump:
    instruction: Instruction
    size: int = 2
    """Bytes; grows until all jumps reach."""


@dataclass(frozen=True, slots=True)
class _Label:
    number: int


@dataclass(frozen=True, slots=True)
class _Number:
    register: int
    value: int


_Piece = _Jump | _Label | _Number | int


def encode(code: list[Instruction], is_armv6m: bool) -> bytes:
    """Raises UnknownCode when a function cannot be encoded."""
    needs = Needs(code)
    pieces: list[_Piece] = []
    for block in needs.blocks(code):
        after = [live for _, live in needs.after_each(block)]
        after.reverse()
        for k, (i, live) in enumerate(zip(block.code, after, strict=True)):
            if not _is_told(block.code, k):
                pieces += _Encoder(is_armv6m, live).pieces(i)
    return _assemble(pieces, is_armv6m)


def _is_told(code: list[Instruction], k: int) -> bool:
    """A comparison with 0 of what the instruction before it has computed."""
    i = code[k]
    if not 0 < k < len(code) - 1 or i.op != "cmp" or i.b is not None or i.n:
        return False
    before = code[k - 1]
    return before.op in _TELLING and before.d == i.a and code[k + 1].c in ("eq", "ne")


class _Encoder:
    """live: what is needed after the instruction; other registers may be borrowed."""

    def __init__(self, is_armv6m: bool, live: set[Place]) -> None:
        self._is_armv6m = is_armv6m
        self._live = live
        self._out: list[_Piece] = []

    def pieces(self, i: Instruction) -> list[_Piece]:
        getattr(self, f"_{i.op}", self._other)(i)
        return self._out

    def _put(self, *halves: int) -> None:
        self._out += halves

    def _other(self, i: Instruction) -> None:
        if i.op in LOADS or i.op in STORES:
            self._access(i)
        elif i.op in SHIFTS:
            self._shift(i)
        elif i.op in _TWO_OPERANDS:
            self._two_operands(i)
        elif i.op in _OPERATIONS:
            self._put(0x4000 | _OPERATIONS[i.op] << 6 | i.a << 3 | i.d)
        else:
            raise UnknownCode(i.op)

    def _label(self, i: Instruction) -> None:
        self._out.append(_Label(i.n))

    def _b(self, i: Instruction) -> None:
        self._out.append(_Jump(i))

    _bc = _b

    def _enter(self, i: Instruction) -> None:
        self._put(ENTER)

    def _leave(self, i: Instruction) -> None:
        self._put(LEAVE)

    def _spadj(self, i: Instruction) -> None:
        self._put(i.n)

    def _blx(self, i: Instruction) -> None:
        self._put(0x4780 | i.a << 3)

    def _mov(self, i: Instruction) -> None:
        self._put(0x4600 | i.a << 3 | i.d)

    def _lds(self, i: Instruction) -> None:
        self._put(0x9800 | i.d << 8 | i.n >> 2)

    def _sts(self, i: Instruction) -> None:
        self._put(0x9000 | i.a << 8 | i.n >> 2)

    def _addsp(self, i: Instruction) -> None:
        self._put(0xA800 | i.d << 8 | i.n >> 2)

    def _uxtb(self, i: Instruction) -> None:
        self._put(0xB2C0 | i.a << 3 | i.d)

    def _uxth(self, i: Instruction) -> None:
        self._put(0xB280 | i.a << 3 | i.d)

    def _cmp(self, i: Instruction) -> None:
        self._put(0x2800 | i.a << 8 | i.n if i.b is None else 0x4280 | i.b << 3 | i.a)

    def _tst(self, i: Instruction) -> None:
        self._put(0x4200 | i.b << 3 | i.a)

    def _movi(self, i: Instruction) -> None:
        self._number(i.d, i.n)

    def _number(self, d: int, n: int) -> None:
        zeros = (n & -n).bit_length() - 1
        if n < 256:
            self._put(0x2000 | d << 8 | n)
        elif not self._is_armv6m:
            self._put(*_half(0xF240, d, n & 0xFFFF))
            if n >> 16:
                self._put(*_half(0xF2C0, d, n >> 16))
        elif n >> zeros < 256:
            self._put(0x2000 | d << 8 | n >> zeros, zeros << 6 | d << 3 | d)
        else:
            self._out.append(_Number(d, n))

    def _add(self, i: Instruction) -> None:
        is_sub = i.op == "sub"
        if i.b is not None:
            self._put(0x1800 | is_sub << 9 | i.b << 6 | i.a << 3 | i.d)
        elif i.n < 8:
            self._put(0x1C00 | is_sub << 9 | i.n << 6 | i.a << 3 | i.d)
        else:
            self._copy(i.d, i.a)
            self._put(0x3000 | is_sub << 11 | i.d << 8 | i.n)

    _sub = _add

    def _copy(self, d: int, a: int) -> None:
        if d != a:
            self._put(0x4600 | a << 3 | d)

    def _shift(self, i: Instruction) -> None:
        if i.b is None:
            self._put(SHIFTS.index(i.op) << 11 | i.n << 6 | i.a << 3 | i.d)
            return
        if i.d == i.b and i.d != i.a:
            raise UnknownCode("a shift by the register that it goes to")
        self._copy(i.d, i.a)
        self._put(0x4000 | _OPERATIONS[i.op] << 6 | i.b << 3 | i.d)

    def _two_operands(self, i: Instruction) -> None:
        a, b = (i.b, i.a) if i.d == i.b else (i.a, i.b)
        self._copy(i.d, a)
        self._put(0x4000 | _OPERATIONS[i.op] << 6 | b << 3 | i.d)

    def _setc(self, i: Instruction) -> None:
        k = CONDITIONS.index(i.c)
        if self._is_armv6m:  # around `0` and a jump to `1`
            self._put(0xD001 | k << 8, 0x2000 | i.d << 8, 0xE000, 0x2001 | i.d << 8)
        else:
            self._put(0xBF00 | k << 4 | (4 if k & 1 else 12), 0x2001 | i.d << 8, 0x2000 | i.d << 8)

    def _access(self, i: Instruction) -> None:
        size = LOADS.get(i.op) or STORES[i.op]
        register = i.d if i.op in LOADS else i.v
        if i.b is not None:
            self._put(_BY_REGISTER[i.op] | i.b << 6 | i.a << 3 | register)
        elif i.n % size == 0 and i.n < 32 * size:
            self._put(_BY_NUMBER[i.op] | i.n // size << 6 | i.a << 3 | register)
        elif self._is_armv6m:
            self._far_access(i, register)
        else:
            self._put(_WIDE[i.op] | i.a, register << 12 | i.n)

    def _far_access(self, i: Instruction, register: int) -> None:
        if i.op in LOADS and register != i.a:
            self._access_by(i, register)
            return
        spare = self._spare(i.a, register)
        if spare is not None:
            self._access_by(i, spare)
            return
        spare = next(r for r in _SCRATCH if r not in (i.a, register))
        self._put(_PUSH | 1 << spare)
        self._access_by(i, spare)
        self._put(_POP | 1 << spare)

    def _access_by(self, i: Instruction, distance: int) -> None:
        self._number(distance, i.n)
        self._access(replace(i, b=distance, n=0))

    def _spare(self, *taken: int | None) -> int | None:
        return next((r for r in _SCRATCH if r not in self._live and r not in taken), None)

    def _stx(self, i: Instruction) -> None:
        base = 0x5000 if i.n == 2 else 0x5200
        spare = self._spare(i.a, i.v)
        index = i.b if spare is None else spare
        if index in (i.a, i.v):
            raise UnknownCode("no register for an index")
        halves = (i.n << 6 | i.b << 3 | index, base | index << 6 | i.a << 3 | i.v)
        if spare is None and i.b in self._live:
            self._put(_PUSH | 1 << index, *halves, _POP | 1 << index)
        else:
            self._put(*halves)


def _half(base: int, d: int, n: int) -> tuple[int, int]:
    """movw or movt"""
    return base | n >> 12 | (n >> 11 & 1) << 10, (n >> 8 & 7) << 12 | d << 8 | n & 255


def _assemble(pieces: list[_Piece], is_armv6m: bool) -> bytes:
    while True:
        places = _places(pieces)
        labels = {p.number: at for p, at in zip(pieces, places, strict=True) if isinstance(p, _Label)}
        grown = False
        for piece, at in zip(pieces, places, strict=True):
            if isinstance(piece, _Jump):
                size = _size(piece.instruction, labels[piece.instruction.n] - at, is_armv6m)
                if size > piece.size:
                    piece.size = size
                    grown = True
        if not grown:
            break
    out: list[int] = []
    for piece, at in zip(pieces, places, strict=True):
        if isinstance(piece, _Jump):
            out += _jump(piece, labels[piece.instruction.n] - at, is_armv6m)
        elif isinstance(piece, _Number):
            out += _number_in_code(piece, at)
        elif isinstance(piece, int):
            out.append(piece)
    return b"".join(half.to_bytes(2, "little") for half in out)


def _places(pieces: list[_Piece]) -> list[int]:
    places = []
    at = 0
    for piece in pieces:
        places.append(at)
        if isinstance(piece, _Jump):
            at += piece.size
        elif isinstance(piece, _Number):
            at += 10 if at & 2 else 8
        elif isinstance(piece, int):
            at += 2
    return places


def _size(i: Instruction, distance: int, is_armv6m: bool) -> int:
    """Bytes that a jump takes. A processor counts from 4 bytes behind it."""
    if i.op == "b":
        return 2 if -2048 <= distance - 4 <= 2046 else 4
    if -256 <= distance - 4 <= 254:
        return 2
    return 4 if not is_armv6m or -2048 <= distance - 6 <= 2046 else 6


def _jump(jump: _Jump, distance: int, is_armv6m: bool) -> list[int]:
    i = jump.instruction
    distance -= 4
    if i.op == "b":
        return [0xE000 | distance >> 1 & 2047] if jump.size == 2 else _far(distance, is_armv6m)
    condition = CONDITIONS.index(i.c) << 8
    if jump.size == 2:
        return [0xD000 | condition | distance >> 1 & 255]
    if not is_armv6m:
        high = (distance < 0) << 10 | condition >> 2 | distance >> 12 & 63
        return [
            0xF000 | high,
            0x8000 | (distance >> 18 & 1) << 13 | (distance >> 19 & 1) << 11 | distance >> 1 & 2047,
        ]
    around = 0xD000 | CONDITIONS.index(OPPOSITE[i.c]) << 8
    if jump.size == 4:
        return [around, 0xE000 | distance - 2 >> 1 & 2047]
    return [around | 1, *_far(distance - 2, is_armv6m)]


def _far(distance: int, is_armv6m: bool) -> list[int]:
    sign = int(distance < 0)
    first = 1 ^ (distance >> 23 & 1) ^ sign
    second = 1 ^ (distance >> 22 & 1) ^ sign
    base = 0xD000 if is_armv6m else 0x9000
    return [
        0xF000 | sign << 10 | distance >> 12 & 1023,
        base | first << 13 | second << 11 | distance >> 1 & 2047,
    ]


def _number_in_code(number: _Number, at: int) -> list[int]:
    """A load relative to the code, a jump around the number, and the number, at an address of whole words."""
    load = 0x4800 | number.register << 8
    words = [number.value & 0xFFFF, number.value >> 16]
    return [load | 1, 0xE002, _NOP, *words] if at & 2 else [load, 0xE001, *words]
