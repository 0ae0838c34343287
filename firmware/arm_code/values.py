"""What is known to be where: operands are taken from where they came from, and numbers from the instruction itself.

Everything that was computed or loaded is a value of its own; a copy has the value of its source. Where ways meet that
all come from above, what they agree on is known; where a loop begins, nothing is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .flow import Needs
from .instructions import LOADS, SHIFTS, STORES, Instruction

Value = tuple[str, int]
_Known = tuple[dict[int, Value], dict[int, Value]]
_MASKS = {255: "uxtb", 65535: "uxth"}
_WIDEST = 4095  # of a distance from an address, where an instruction may have four bytes
_UNCHANGED = ("enter", "spadj")


def propagate(code: list[Instruction], is_armv6m: bool) -> list[Instruction]:
    return _Values(Needs(code).is_shared, is_armv6m).follow(code)


class _Values:
    def __init__(self, is_shared: bool, is_armv6m: bool) -> None:
        self._is_shared = is_shared
        self._is_armv6m = is_armv6m
        self._count = 0
        self._registers: dict[int, Value] = {}  # in the order they were set
        self._frame: dict[int, Value] = {}
        self._is_reached = True  # from the instruction before
        self._ways: dict[int, list[_Known]] = {}  # to a label, so far
        self._all_ways: Counter[int] = Counter()

    def follow(self, code: list[Instruction]) -> list[Instruction]:
        self._all_ways = Counter(i.n for i in code if i.op in ("b", "bc"))
        done = []
        for instruction in code:
            kept = self._step(replace(instruction))
            if kept is not None:
                done.append(kept)
        return done

    def _step(self, i: Instruction) -> Instruction | None:
        if i.op == "label":
            self._meet(i.n)
        elif i.op in ("b", "bc", "leave"):
            if i.op != "leave":
                self._ways.setdefault(i.n, []).append((dict(self._registers), dict(self._frame)))
            self._is_reached = i.op == "bc"
        elif i.op == "blx":
            for r in range(4):
                self._registers.pop(r, None)
            if self._is_shared:
                self._frame = {}
        elif i.op not in _UNCHANGED:
            return self._result(self._simpler(i))
        return i

    def _meet(self, label: int) -> None:
        ways = self._ways.get(label, [])
        if self._all_ways[label] > len(ways):
            ways = [({}, {})]  # a jump back
        elif self._is_reached:
            ways = [*ways, (self._registers, self._frame)]
        self._registers = _agreed([registers for registers, _ in ways])
        self._frame = _agreed([frame for _, frame in ways])
        self._is_reached = True

    def _result(self, i: Instruction) -> Instruction | None:
        if i.op == "sts":
            assert i.a is not None
            value = self._value(i.a)
            if self._frame.get(i.n) == value:
                return None
            self._frame[i.n] = value
        elif i.d is not None:
            value = self._value_of(i)
            if self._registers.get(i.d) == value:
                return None
            self._set(i.d, value)
        return i

    def _value_of(self, i: Instruction) -> Value:
        if i.op == "mov":
            assert i.a is not None
            return self._value(i.a)
        if i.op == "movi":
            return ("number", i.n)
        if i.op == "lds":
            return self._frame.setdefault(i.n, self._new())
        return self._new()

    def _simpler(self, i: Instruction) -> Instruction:
        i.a, i.b, i.v = self._source(i.a), self._source(i.b), self._source(i.v)
        if i.op == "lds":
            return self._from_register(i)
        if i.op == "stx":
            return self._with_distance(i)
        if i.b is None:
            return i
        if i.op in ("add", "sub"):
            return self._sum(i)
        if i.op in SHIFTS or i.op == "cmp":
            return self._with_number(i)
        if i.op == "and":
            return self._masked(i)
        if i.op in LOADS or i.op in STORES:
            return self._at_distance(i)
        return i

    def _sum(self, i: Instruction) -> Instruction:
        if i.op == "add" and self._number(i.b) is None:
            i.a, i.b = i.b, i.a
        number = self._number(i.b)
        if number is None or number > 255:
            if i.op == "add":
                i.a, i.b = i.b, i.a
            return i
        if not number:
            return Instruction("mov", d=i.d, a=i.a)
        return replace(i, b=None, n=number)

    def _with_number(self, i: Instruction) -> Instruction:
        number = self._number(i.b)
        if number is None or number > (31 if i.op in SHIFTS else 255):
            return i
        if not number and i.op in SHIFTS:
            return Instruction("mov", d=i.d, a=i.a)
        return replace(i, b=None, n=number)

    def _masked(self, i: Instruction) -> Instruction:
        for a, b in ((i.a, i.b), (i.b, i.a)):
            op = _MASKS.get(self._number(b) or 0)
            if op:
                return Instruction(op, d=i.d, a=a)
        return i

    def _at_distance(self, i: Instruction) -> Instruction:
        size = LOADS.get(i.op) or STORES[i.op]
        for a, b in ((i.a, i.b), (i.b, i.a)):
            number = self._number(b)
            if number is None:
                continue
            if (number % size == 0 and number < 32 * size) or (not self._is_armv6m and number <= _WIDEST):
                return replace(i, a=a, b=None, n=number)
        return i

    def _with_distance(self, i: Instruction) -> Instruction:
        number = self._number(i.b)
        if number is None or number > 31:
            return i
        return Instruction("stw" if i.n == 2 else "sth", v=i.v, a=i.a, n=number << i.n)

    def _from_register(self, i: Instruction) -> Instruction:
        value = self._frame.get(i.n)
        for r, held in self._registers.items():
            if held == value:
                return Instruction("mov", d=i.d, a=r)
        return i

    # --- who has which value ---

    def _source(self, register: int | None) -> int | None:
        """The register that has had this one's value longest."""
        if register is None:
            return None
        value = self._value(register)
        return next(r for r, held in self._registers.items() if held == value)

    def _value(self, register: int) -> Value:
        return self._registers.setdefault(register, self._new())

    def _set(self, register: int, value: Value) -> None:
        self._registers.pop(register, None)
        self._registers[register] = value

    def _number(self, register: int | None) -> int | None:
        kind, number = self._registers.get(-1 if register is None else register, ("", 0))
        return number if kind == "number" else None

    def _new(self) -> Value:
        self._count += 1
        return ("value", self._count)


def _agreed(ways: list[dict[int, Value]]) -> dict[int, Value]:
    first, *others = ways
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
