"""What firmware/arm_code makes of machine code computes the same, and is shorter: made-up functions, run on 32 bits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support import armhf, mpy

builder = mpy.builder()

from arm_code import files, instructions, machine, passes  # noqa: E402 - the builder finds it

ARCHITECTURES = ("armv6m", "armv7m")
FUNCTIONS = 30
NAMES = ("n", "a", "b", "c", "d", "e")
RUN = """
import made
from array import array
for name in sorted(n for n in dir(made) if n[0] == "f"):
    p = bytearray(i * 29 & 255 for i in range(64))
    h = array("H", (i * 4099 & 0xFFFF for i in range(64)))
    q = array("i", (i * 0x1234567 & 0x3FFFFFFF for i in range(80)))
    results = [getattr(made, name)(p, h, q, n) for n in (0, 1, 7, 200, 70000)]
    print(name, results, sum(p), sum(h), sum(q))
"""


class Maker:
    """Functions with everything that kernels have: loops, jumps, memory of each width, comparisons, large numbers."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.loops = 0

    def module(self) -> str:
        return "import micropython\n\n" + "\n\n".join(self.function(k) for k in range(FUNCTIONS))

    def function(self, number: int) -> str:
        self.loops = 0
        body = self.statements(1, self.dice.randrange(3, 14), 0)
        lines = [
            "@micropython.viper",
            f"def f{number:02}(p: ptr8, h: ptr16, q: ptr32, n: int) -> int:",
        ]
        lines += [f"    {name} = {self.constant()}" for name in NAMES[1:]]
        lines += [f"    i{k} = 0" for k in range(6)]
        return "\n".join([*lines, *body, f"    return ({' ^ '.join(NAMES)}) & 0x3FFFFFFF"])

    def statements(self, level: int, count: int, depth: int) -> list[str]:
        done = []
        for _ in range(count):
            done += self.statement(level, depth)
        return done

    def statement(self, level: int, depth: int) -> list[str]:
        pad = "    " * level
        kind = self.dice.randrange(12)
        if kind < 5 or depth > 2:
            return [f"{pad}{self.name()} {self.dice.choice(('=', '=', '+=', '-=', '^='))} {self.value(2)}"]
        if kind < 8:
            return [f"{pad}{self.place()} = {self.value(1)}"]
        inner = self.statements(level + 1, self.dice.randrange(1, 4), depth + 1)
        if kind < 10 or self.loops > 5:
            done = [f"{pad}if {self.condition()}:", *inner]
            if self.dice.random() < 0.5:
                done += [f"{pad}else:", *self.statements(level + 1, self.dice.randrange(1, 3), depth + 1)]
            return done
        counter = f"i{self.loops}"
        self.loops += 1
        head = [f"{pad}{counter} = {self.dice.randrange(1, 5)}", f"{pad}while {counter}:"]
        stop = [f"{pad}    if {self.condition()}:", f"{pad}        break"] if self.dice.random() < 0.4 else []
        return [*head, f"{pad}    {counter} -= 1", *inner, *stop]

    def condition(self) -> str:
        a, b = self.value(1), self.value(1)
        plain = f"{a} {self.dice.choice(('<', '>', '==', '!=', '<=', '>='))} {b}"
        return self.dice.choice((plain, a, f"not {a}", f"{a} ^ {b}", f"not ({a} & {b})", f"{plain} and {a}"))

    def value(self, depth: int) -> str:
        kind = self.dice.randrange(9)
        if not depth or kind < 2:
            return self.name()
        if kind == 2:
            return f"({self.name()} {self.dice.choice('+-*&|^')} {self.constant()})"
        if kind < 5:
            return self.place()
        a = self.value(depth - 1)
        if kind == 5:
            return f"({a} {self.dice.choice(('<<', '>>'))} {self.dice.choice((1, 2, 8, 13, 31))})"
        if kind == 6:
            return f"({a} {self.dice.choice(('<<', '>>'))} ({self.name()} & 15))"
        return f"({a} {self.dice.choice('+-*&|^')} {self.value(depth - 1)})"

    def place(self) -> str:
        index = self.dice.choice(
            (f"{self.name()} & 63", f"({self.name()} + 3) & 31", *"0 5 31 33 47 63".split())
        )
        return f"{self.dice.choice('phq')}[{index}]"

    def name(self) -> str:
        return self.dice.choice(NAMES)

    def constant(self) -> str:
        return str(self.dice.choice((0, 1, 3, 7, 8, 100, 255, 256, 272, 890, 65535, 0x3FFFFF, 0x3AAE48CB)))


def check(seed: int, folder: Path) -> None:
    source = folder / "made.py"
    source.write_text(Maker(seed).module())
    printed = {}
    for architecture in ARCHITECTURES:
        compiled = builder.compile_module(source, "made.py", architecture)
        short = builder.shortened(compiled, source, "made.py", architecture)
        assert len(short) < len(compiled)
        for name, code in (("compiled", compiled), ("short", short)):
            library = folder / f"{architecture}-{name}-{seed}"
            library.mkdir()
            (library / "made.mpy").write_bytes(code)
            printed[architecture, name] = armhf.run(RUN, search=(library,))
    assert len(printed["armv7m", "compiled"].splitlines()) == FUNCTIONS
    assert len(set(printed.values())) == 1, f"seed {seed}: other results"


@pytest.mark.parametrize("seed", range(4))
def test_short_code_computes_the_same(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.slow
def test_short_code_computes_the_same_for_long(tmp_path: Path) -> None:
    for seed in range(100, 400):
        check(seed, tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_is_shortened(architecture: str) -> None:
    for source in sorted(builder.SOURCE.rglob("*kernels/*.py")):
        if "micropython.viper" not in source.read_text():
            continue
        compiled = builder.compile_module(source, source.name, architecture)
        model = builder.compile_module(source, source.name, "armv7m")
        short, kept = files.shorten(compiled, model, architecture == "armv6m")
        assert not kept and len(short) < len(compiled) * 0.85, source.name


def test_what_is_not_known_stays(tmp_path: Path) -> None:
    """Code for another processor is no code for Arm, and a module without viper has none."""
    source = tmp_path / "plain.py"
    source.write_text("def f():\n    return 1\n")
    compiled = builder.compile_module(source, "plain.py", "armv7m")
    assert files.shorten(compiled, compiled, False) == (compiled, 0)
    with pytest.raises(ValueError, match="version 6"):
        files.shorten(b"M\x05" + compiled[2:], compiled, False)
    for code in ("00be", "ffff", "0bb4c900"):  # a breakpoint, half a wide instruction, a push of two
        with pytest.raises(instructions.UnknownCode):
            instructions.decode(bytes.fromhex(code))


@pytest.mark.parametrize(
    "before, after",
    [
        # if frame[32] >> 22: *r4 = r5
        ("0898 1622 0146 d140 0846 0028 00d1 2560 0020 febd", "0898 810d 00d1 2560 0020 febd"),
        # frame[28] -= 1; *r4 = frame[28]
        ("0798 0122 0146 891a 0846 0790 0798 2060 0020 febd", "0798 411e 2160 0020 febd"),
        # if r5 == 255: *r4 = r5
        ("ff22 2946 9142 0cbf 0120 0020 0028 00d0 2560 0020 febd", "ff2d 00d1 2560 0020 febd"),
    ],
)
def test_examples(before: str, after: str) -> None:
    code = passes.rewrite(instructions.decode(bytes.fromhex(before)), False)
    assert machine.encode(code, False).hex(" ", -2) == after
