"""What runs after what, and which registers and places of the frame somebody still reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .instructions import LOADS, Instruction

ENDS = ("b", "bc", "leave")
# Without them, nothing is missed but what they compute.
PURE = frozenset(("mov", "movi", "add", "sub", "lsl", "lsr", "asr", "and", "eor", "orr", "mul", "neg", "mvn"))
PURE |= {"uxtb", "uxth", "lds", "addsp", "setc", *LOADS}
Place = int | tuple[str, int]  # a register, or ("frame", byte)


@dataclass(slots=True)
class Block:
    code: list[Instruction]
    live: set[Place]
    """At its end."""


class Needs:
    """Of one function. Where its frame's address is given away, a call may read and write all of the frame."""

    def __init__(self, code: list[Instruction]) -> None:
        self.is_shared = any(i.op == "addsp" for i in code)
        self._frame: set[Place] = {("frame", i.n) for i in code if i.op in ("lds", "sts")}

    def before(self, instruction: Instruction, live: set[Place]) -> set[Place]:
        """What is needed before an instruction, when `live` is after it."""
        left = live - instruction.sets()
        if instruction.op == "sts":
            left.discard(("frame", instruction.n))
        left |= instruction.uses()
        if instruction.op == "lds":
            left.add(("frame", instruction.n))
        if instruction.op == "blx" and self.is_shared:
            left |= self._frame
        return left

    def blocks(self, code: list[Instruction]) -> list[Block]:
        blocks = [Block(part, set()) for part in _split(code)]
        followers = _followers(blocks)
        leaders: list[set[int]] = [set() for _ in blocks]
        for k, next_ones in enumerate(followers):
            for f in next_ones:
                leaders[f].add(k)
        waiting = set(range(len(blocks)))
        starts: list[set[Place]] = [set() for _ in blocks]
        while waiting:
            k = max(waiting)
            waiting.discard(k)
            live: set[Place] = set().union(*(starts[f] for f in followers[k]))
            blocks[k].live = set(live)
            for instruction in reversed(blocks[k].code):
                live = self.before(instruction, live)
            if live != starts[k]:
                starts[k] = live
                waiting |= leaders[k]
        return blocks

    def at_start(self, code: list[Instruction]) -> set[Place]:
        """What a function needs that it does not set."""
        first = self.blocks(code)[0]
        return self.before(first.code[0], [live for _, live in self.after_each(first)][-1])

    def after_each(self, block: Block) -> Iterator[tuple[Instruction, set[Place]]]:
        """Instructions from the last to the first, each with what is needed after it."""
        live = set(block.live)
        for instruction in reversed(block.code):
            yield instruction, live
            live = self.before(instruction, live)


def _split(code: list[Instruction]) -> list[list[Instruction]]:
    parts: list[list[Instruction]] = [[]]
    for instruction in code:
        if instruction.op == "label" and parts[-1]:
            parts.append([])
        parts[-1].append(instruction)
        if instruction.op in ENDS:
            parts.append([])
    return [part for part in parts if part]


def _followers(blocks: list[Block]) -> list[list[int]]:
    at = {i.n: k for k, block in enumerate(blocks) for i in block.code if i.op == "label"}
    found = []
    for k, block in enumerate(blocks):
        last = block.code[-1]
        next_ones = [at[last.n]] if last.op in ("b", "bc") else []
        if last.op not in ("b", "leave") and k + 1 < len(blocks):
            next_ones.append(k + 1)
        found.append(next_ones)
    return found
