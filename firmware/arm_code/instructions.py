"""Thumb instructions as the compiler writes them for armv7m, in a form that is easy to change.

    mov d a    movi d n    add sub d a (b or n)    lsl lsr asr d a (b or n)
    and eor orr mul d a b    neg mvn uxtb uxth d a
    ldw ldh ldb d [a + (b or n)]    stw sth stb v [a + (b or n)]    stx v [a + (b << n)]
    lds d n, sts a n    from and to byte n of the frame
    cmp a (b or n)    tst a b    bc c n, b n    jumps to label n    setc d c    1 where the comparison says so, else 0
    blx a    addsp d n    the frame's address    enter, leave, spadj    of the frame    label n

Only cmp and tst tell jumps and setc anything: whether other instructions change the flags does not count here.
"""

from __future__ import annotations

from dataclasses import dataclass

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
OPPOSITE = {c: CONDITIONS[k ^ 1] for k, c in enumerate(CONDITIONS)}
LOADS = {"ldw": 4, "ldh": 2, "ldb": 1}  # bytes
STORES = {"stw": 4, "sth": 2, "stb": 1}
SHIFTS = ("lsl", "lsr", "asr")
_REGISTER_SHIFTS = {2: "lsl", 3: "lsr", 4: "asr"}
_TWO_OPERANDS = {0: "and", 1: "eor", 12: "orr", 13: "mul"}
_BY_REGISTER = {0: "stw", 1: "sth", 2: "stb", 4: "ldw", 5: "ldh", 6: "ldb"}
_BY_NUMBER = {12: "stw", 13: "ldw", 14: "stb", 15: "ldb", 16: "sth", 17: "ldh"}
_WIDE = {0xF8D: "ldw", 0xF8B: "ldh", 0xF89: "ldb", 0xF8C: "stw", 0xF8A: "sth", 0xF88: "stb"}
ENTER, LEAVE = 0xB5FE, 0xBDFE  # push and pop of r1 to r7 and the return address
_PUSH, _POP = 0xB400, 0xBC00


class UnknownCode(ValueError):
    """Not what the compiler of viper writes."""


@dataclass(slots=True)
class Instruction:
    op: str
    d: int | None = None
    a: int | None = None
    b: int | None = None
    v: int | None = None
    n: int = 0
    c: str = ""

    def uses(self) -> set[int]:
        """Registers that are read. A call may read any of those that carry arguments."""
        if self.op in ("blx", "enter"):
            return {0, 1, 2, 3} | ({self.a} if self.a is not None else set())
        if self.op == "leave":
            return {0}
        return {r for r in (self.a, self.b, self.v) if r is not None}

    def sets(self) -> set[int]:
        if self.op == "blx":
            return {0, 1, 2, 3}
        return set() if self.d is None else {self.d}


def decode(code: bytes) -> list[Instruction]:
    """A whole function. Raises UnknownCode."""
    halves = [code[i] | code[i + 1] << 8 for i in range(0, len(code) - 1, 2)]
    halves += [0, 0, 0]  # whatever looks ahead
    found: list[Instruction] = []
    places: dict[int, int] = {}
    at = 0
    while 2 * at < len(code):
        places[at] = len(found)
        instruction, size = _decode(halves, at)
        if instruction.op == "movt":
            low = found[-1]
            if low.op != "movi" or low.d != instruction.d:
                raise UnknownCode("half of a number")
            low.n |= instruction.n << 16
        else:
            found.append(instruction)
        at += size
    places[at] = len(found)
    return _with_labels(found, places)


def _with_labels(code: list[Instruction], places: dict[int, int]) -> list[Instruction]:
    labels: dict[int, int] = {}
    for instruction in code:
        if instruction.op in ("b", "bc"):
            if instruction.n not in places:
                raise UnknownCode("a jump into an instruction")
            instruction.n = places[instruction.n]
            labels[instruction.n] = instruction.n
    done: list[Instruction] = []
    for i, instruction in enumerate(code):
        if i in labels:
            done.append(Instruction("label", n=i))
        done.append(instruction)
    if len(code) in labels:
        done.append(Instruction("label", n=len(code)))
    return done


def _decode(halves: list[int], at: int) -> tuple[Instruction, int]:
    w = halves[at]
    if w >> 11 > 28:
        return _wide(w, halves[at + 1], at), 2
    if w & 0xFF00 == _PUSH:
        return _scaled_store(halves, at), 4
    if w >> 8 == 0xBF:
        return _outcome(halves, at), 3
    found = _narrow(w, at)
    if found is None:
        raise UnknownCode(f"{w:04x} at {2 * at}")
    return found, 1


def _narrow(w: int, at: int) -> Instruction | None:
    kind = w >> 11
    if kind < 3:
        shift = w >> 6 & 31
        if not kind and not shift:
            return Instruction("mov", d=w & 7, a=w >> 3 & 7)
        return Instruction(SHIFTS[kind], d=w & 7, a=w >> 3 & 7, n=shift) if shift else None
    if kind == 3:
        op = "sub" if w >> 9 & 1 else "add"
        if w >> 10 & 1:
            return Instruction(op, d=w & 7, a=w >> 3 & 7, n=w >> 6 & 7)
        return Instruction(op, d=w & 7, a=w >> 3 & 7, b=w >> 6 & 7)
    if kind < 8:
        return _with_number(kind, w >> 8 & 7, w & 255)
    if w >> 10 == 16:
        return _two_operands(w >> 6 & 15, w & 7, w >> 3 & 7)
    if w & 0xFFC0 == 0x4600:
        return Instruction("mov", d=w & 7, a=w >> 3 & 7)
    if w & 0xFFC7 == 0x4780:
        return Instruction("blx", a=w >> 3 & 7)
    if kind in (10, 11):
        return _access(_BY_REGISTER.get(w >> 9 & 7), w & 7, w >> 3 & 7, b=w >> 6 & 7)
    if kind in _BY_NUMBER:
        op = _BY_NUMBER[kind]
        return _access(op, w & 7, w >> 3 & 7, n=(w >> 6 & 31) * (LOADS.get(op) or STORES[op]))
    return _frame_or_jump(w, kind, at)


def _with_number(kind: int, register: int, n: int) -> Instruction:
    if kind == 4:
        return Instruction("movi", d=register, n=n)
    if kind == 5:
        return Instruction("cmp", a=register, n=n)
    return Instruction("add" if kind == 6 else "sub", d=register, a=register, n=n)


def _two_operands(number: int, d: int, b: int) -> Instruction | None:
    op = _TWO_OPERANDS.get(number) or _REGISTER_SHIFTS.get(number)
    if op:
        return Instruction(op, d=d, a=d, b=b)
    if number == 10:
        return Instruction("cmp", a=d, b=b)
    if number in (9, 15):
        return Instruction("neg" if number == 9 else "mvn", d=d, a=b)
    return None


def _access(op: str | None, register: int, a: int, b: int | None = None, n: int = 0) -> Instruction | None:
    if op is None:
        return None
    if op in LOADS:
        return Instruction(op, d=register, a=a, b=b, n=n)
    return Instruction(op, v=register, a=a, b=b, n=n)


def _frame_or_jump(w: int, kind: int, at: int) -> Instruction | None:
    if kind == 18:
        return Instruction("sts", a=w >> 8 & 7, n=(w & 255) * 4)
    if kind == 19:
        return Instruction("lds", d=w >> 8 & 7, n=(w & 255) * 4)
    if kind == 21:
        return Instruction("addsp", d=w >> 8 & 7, n=(w & 255) * 4)
    if w >> 8 == 0xB0:
        return Instruction("spadj", n=w)
    if w in (ENTER, LEAVE):
        return Instruction("enter" if w == ENTER else "leave")
    if w >> 12 == 13 and w >> 8 & 15 < 14:
        return Instruction("bc", c=CONDITIONS[w >> 8 & 15], n=at + 2 + _signed(w & 255, 8))
    if kind == 28:
        return Instruction("b", n=at + 2 + _signed(w & 2047, 11))
    return None


def _wide(w: int, x: int, at: int) -> Instruction:
    if w >> 11 == 30 and x >> 14 == 2:
        sign = w >> 10 & 1
        if x & 0x1000:
            high = (1 ^ (x >> 13 & 1) ^ sign) << 22 | (1 ^ (x >> 11 & 1) ^ sign) << 21 | (w & 1023) << 11
            return Instruction("b", n=at + 2 + _signed(sign << 23 | high | x & 2047, 24))
        if w >> 6 & 15 < 14:
            high = (x >> 11 & 1) << 18 | (x >> 13 & 1) << 17 | (w & 63) << 11
            return Instruction(
                "bc", c=CONDITIONS[w >> 6 & 15], n=at + 2 + _signed(sign << 19 | high | x & 2047, 20)
            )
    if w & 0xFBF0 in (0xF240, 0xF2C0) and not x >> 15:
        n = (w & 15) << 12 | (w >> 10 & 1) << 11 | (x >> 12 & 7) << 8 | x & 255
        return Instruction("movi" if w & 0xFBF0 == 0xF240 else "movt", d=x >> 8 & 15, n=n)
    found = _access(_WIDE.get(w >> 4), x >> 12, w & 15, n=x & 4095)
    if found is None or x >> 12 > 7 or w & 15 > 7:
        raise UnknownCode(f"{w:04x} {x:04x} at {2 * at}")
    return found


def _scaled_store(halves: list[int], at: int) -> Instruction:
    """push {r}; lsls r, r, #size; str v, [a, r]; pop {r}"""
    push, shift, store, pop = halves[at : at + 4]
    r = (push & 255).bit_length() - 1
    for n, base in ((2, 0x28), (1, 0x29)):
        is_store = store >> 9 == base and store >> 6 & 7 == r and r not in (store & 7, store >> 3 & 7)
        if push == _PUSH | 1 << r and shift == n << 6 | r << 3 | r and is_store and pop == _POP | 1 << r:
            return Instruction("stx", v=store & 7, a=store >> 3 & 7, b=r, n=n)
    raise UnknownCode(f"{push:04x} at {2 * at}")


def _outcome(halves: list[int], at: int) -> Instruction:
    """ite condition; mov r, #1; mov r, #0"""
    ite, then, other = halves[at : at + 3]
    condition = ite >> 4 & 15
    is_pair = condition < 14 and ite & 15 == (4 if condition & 1 else 12)
    if not is_pair or then >> 8 != other >> 8 or then >> 11 != 4 or (then & 255, other & 255) != (1, 0):
        raise UnknownCode(f"{ite:04x} at {2 * at}")
    return Instruction("setc", d=then >> 8 & 7, c=CONDITIONS[condition])


def _signed(n: int, bits: int) -> int:
    return n - (1 << bits) if n >> (bits - 1) else n
