"""Rewrites a function until nothing changes. No pass moves an access to memory across another one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .flow import PURE, Block, Needs
from .instructions import OPPOSITE, SHIFTS, Instruction
from .jumps import straighten
from .values import propagate

_ROUNDS = 12  # more than any function needed
_SPARE = 6  # the register that functions without names of the module never use
_DEEPEST = 5
_TWO_OPERANDS = ("and", "eor", "orr", "mul")


def rewrite(code: list[Instruction], is_armv6m: bool) -> list[Instruction]:
    return _settle(_use_spare(_settle(code, is_armv6m)), is_armv6m)


def _settle(code: list[Instruction], is_armv6m: bool) -> list[Instruction]:
    for _ in range(_ROUNDS):
        before = str(code)
        code = _sweep(propagate(straighten(code), is_armv6m))
        code = _sweep(_each_block(code, _compare_once, _aim, _reuse))
        if str(code) == before:
            break
    return straighten(code)


def _each_block(code, *changes):
    for change in changes:
        needs = Needs(code)
        blocks = needs.blocks(code)
        for block in blocks:
            change(block)
        code = [instruction for block in blocks for instruction in block.code]
    return code


def _sweep(code: list[Instruction]) -> list[Instruction]:
    """Leave out what nobody needs."""
    needs = Needs(code)
    done: list[Instruction] = []
    for block in needs.blocks(code):
        live = set(block.live)
        kept = []
        for i in reversed(block.code):
            if i.op in PURE and i.d not in live or i.op == "mov" and i.a == i.d:
                continue
            if i.op == "sts" and ("frame", i.n) not in live:
                continue
            live = needs.before(i, live)
            kept.append(i)
        done += reversed(kept)
    return done


def _compare_once(block: Block) -> None:
    """An outcome that is only compared with 0, and a difference that is only compared with 0, are one comparison."""
    if len(block.code) < 3 or block.code[-1].op != "bc" or block.code[-1].c not in ("eq", "ne"):
        return
    first, test, jump = block.code[-3:]
    if test.op != "cmp" or test.b is not None or test.n or first.d != test.a or first.d in block.live:
        return
    if first.op == "setc":
        condition = first.c if jump.c == "ne" else OPPOSITE[first.c]
        block.code[-3:] = [replace(jump, c=condition)]
    elif first.op in ("eor", "sub"):
        block.code[-3:-1] = [Instruction("cmp", a=first.a, b=first.b, n=first.n)]
    elif first.op == "and":
        block.code[-3:-1] = [Instruction("tst", a=first.a, b=first.b)]


def _aim(block: Block) -> None:
    """Let an instruction put its result where a move behind it would: op d; ...; mov e d, and d is done with."""
    at = 0
    while at < len(block.code):
        move = block.code[at]
        if move.op == "mov" and move.a != move.d and not _is_needed(block, at + 1, move.a):
            begin = _set_before(block, at, move.a, move.d)
            if begin >= 0 and _rename(block, begin, at, move.a, move.d):
                del block.code[at]
                continue
        at += 1


def _reuse(block: Block) -> None:
    """Where an instruction must put its result into an operand, take one that is done with.

    The result's next reader but one may be anywhere in the block; beyond it the result must not be needed.
    """
    for at, i in enumerate(block.code):
        if not _needs_copy(i) or i.d in block.live:
            continue
        end = _last_use(block, at)
        for e in (i.a, i.b) if i.op in _TWO_OPERANDS else (i.a,):
            if end > at and e is not None and not _is_needed(block, at + 1, e):
                if all(e not in x.sets() for x in block.code[at + 1 : end]) and _rename(
                    block, at, end + 1, i.d, e
                ):
                    break


def _needs_copy(i: Instruction) -> bool:
    if i.op in _TWO_OPERANDS:
        return i.d not in (i.a, i.b)
    if i.op in SHIFTS and i.b is not None:
        return i.d != i.a
    return i.op in ("add", "sub") and i.b is None and i.n > 7 and i.d != i.a


def _last_use(block: Block, at: int) -> int:
    """Where the result of an instruction is read last, -1 when a call might read it."""
    d = block.code[at].d
    end = at
    for k in range(at + 1, len(block.code)):
        i = block.code[k]
        if d in i.uses():
            if i.op in ("blx", "leave"):
                return -1
            end = k
        if d in i.sets():
            break
    return end


def _is_needed(block: Block, at: int, register: int | None) -> bool:
    for i in block.code[at:]:
        if register in i.uses():
            return True
        if register in i.sets():
            return False
    return register in block.live


def _set_before(block: Block, at: int, d: int | None, e: int | None) -> int:
    """Where d got its value, -1 if that may not be changed to e: somebody else uses e in between."""
    for k in range(at - 1, -1, -1):
        i = block.code[k]
        if i.op in ("label", "blx", "enter"):
            return -1
        if d in i.sets():
            return k if i.op in PURE else -1
        if e in i.uses() or e in i.sets():
            return -1
    return -1


def _rename(block: Block, begin: int, end: int, d: int | None, e: int | None) -> bool:
    """From instruction `begin`, which sets it, to before `end`, let d be e. False: it cannot be encoded."""
    renamed = [replace(block.code[begin], d=e)]
    for i in block.code[begin + 1 : end]:
        renamed.append(replace(i, **{f: e for f in ("a", "b", "v") if getattr(i, f) == d}))
    if not all(map(_is_possible, renamed)):
        return False
    block.code[begin:end] = renamed
    return True


def _is_possible(i: Instruction) -> bool:
    if i.op in SHIFTS and i.b is not None:
        return i.d != i.b or i.a == i.b
    if i.op == "sub" and i.b is None and i.n > 7:
        return True
    return i.op != "stx" or i.b not in (i.a, i.v)


def _use_spare(code: list[Instruction]) -> list[Instruction]:
    """Keep the local of the frame that is used most, inner loops above all, in the register that is left."""
    needs = Needs(code)
    if needs.is_shared or any(_SPARE in i.uses() | i.sets() and not _is_names(i) for i in code):
        return code
    weights = _weights(code)
    for place in needs.at_start(code):
        if isinstance(place, tuple):
            weights.pop(place[1], None)  # somebody else set it
    if not weights:
        return code
    place = weights.most_common(1)[0][0]
    done = []
    for i in code:
        if i.op == "lds" and i.n == place:
            done.append(Instruction("mov", d=i.d, a=_SPARE))
        elif i.op == "sts" and i.n == place:
            done.append(Instruction("mov", d=_SPARE, a=i.a))
        elif not _is_names(i):
            done.append(i)
    return done


def _is_names(i: Instruction) -> bool:
    """The load of the table of names that every function begins with."""
    return i.op == "ldw" and i.d == _SPARE


def _weights(code: list[Instruction]) -> Counter[int]:
    where = {i.n: k for k, i in enumerate(code) if i.op == "label"}
    depth = [0] * len(code)
    for k, i in enumerate(code):
        if i.op in ("b", "bc"):
            for inner in range(where[i.n], k + 1):
                depth[inner] += 1
    found: Counter[int] = Counter()
    for k, i in enumerate(code):
        if i.op in ("lds", "sts"):
            found[i.n] += 8 ** min(depth[k], _DEEPEST)
    return found
