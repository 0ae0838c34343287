"""Jumps to jumps, around jumps, to the next instruction, and what no jump reaches."""

from __future__ import annotations

from dataclasses import replace

from .instructions import OPPOSITE, Instruction


def straighten(code: list[Instruction]) -> list[Instruction]:
    while True:
        changed = _without_labels(_without_detours(_reached(_ahead(code))))
        if changed == code:
            return code
        code = changed


def _ahead(code: list[Instruction]) -> list[Instruction]:
    """Jump to where a jump leads that is jumped to."""
    where = {i.n: k for k, i in enumerate(code) if i.op == "label"}
    return [replace(i, n=_end_of(i.n, code, where)) if i.op in ("b", "bc") else i for i in code]


def _end_of(label: int, code: list[Instruction], where: dict[int, int]) -> int:
    seen = {label}
    while True:
        k = where[label]
        while k < len(code) and code[k].op == "label":
            k += 1
        if k == len(code) or code[k].op != "b" or code[k].n in seen:
            return label
        label = code[k].n
        seen.add(label)


def _reached(code: list[Instruction]) -> list[Instruction]:
    done = []
    is_reached = True
    for i in code:
        is_reached = is_reached or i.op == "label"
        if is_reached:
            done.append(i)
        if i.op in ("b", "leave"):
            is_reached = False
    return done


def _without_detours(code: list[Instruction]) -> list[Instruction]:
    done: list[Instruction] = []
    k = 0
    while k < len(code):
        i = code[k]
        if i.op in ("b", "bc") and _follows(code, k + 1, i.n):
            k += 1
        elif i.op == "bc" and code[k + 1].op == "b" and _follows(code, k + 2, i.n):
            done.append(Instruction("bc", c=OPPOSITE[i.c], n=code[k + 1].n))
            k += 2
        else:
            done.append(i)
            k += 1
    return done


def _follows(code: list[Instruction], k: int, label: int) -> bool:
    while k < len(code) and code[k].op == "label":
        if code[k].n == label:
            return True
        k += 1
    return False


def _without_labels(code: list[Instruction]) -> list[Instruction]:
    used = {i.n for i in code if i.op in ("b", "bc")}
    return [i for i in code if i.op != "label" or i.n in used]
