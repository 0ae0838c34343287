"""Kernels of S-CX from templates: viper and a plain twin from one text. make_kernels.py calls it.

A template is a module with macros, each on a line of its own:

    @VIPER            the decorator
    @RENORM           emit bytes until the range has 22 bits, with a carry when one is due; clobbers j
    @CARRY            the carry alone
    @LOAD c           t: the state's entry, m: the part of the range that is `1`
    @ONE c, @ZERO c   the decision in context c was 1, or 0; after @LOAD c
    @TOKEN            token `a`, after @RENORM; clobbers b, t, m and a
    @STOP bits        the decision whether the rectangle ends here, whose pixels so far had so many bits; clobbers i
    x = @ROW at       a row of ws that begins at `at`; P, Q and R are rows
    x = @AT row i     its pixels from i on; S, U and V are such places
    @NEXT x           one pixel further
    x = @STOPS at n   what int() of a place is, n pixels further
    x = @LEFT at e    pixels from a place to where it stops
    x = @BEFORE at    the pixel before a place
    @IF viper rgb, @ELSE, @END    what only viper gets, and of it what pixels of 16 bits need; or plain, or grey
"""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
NAMES = ("cxhead", "cxcolour", "cxgrey", "cxmono")
# Two kernels from one template: which one, and what else its lines are for.
FLAVOURS = {"cxcolour": ("cxcolour", "rgb"), "cxgrey": ("cxcolour", "grey")}

CARRY = """\
if low >> 30:
    low &= 0x3FFFFFFF
    j = k - 1
    while out[j] == 255:
        out[j] = 0
        j -= 1
    out[j] += 1
"""
MACROS = {
    "VIPER": "@micropython.viper\n",
    "CARRY": CARRY,
    "RENORM": """\
while not rng >> 22:
    if low >> 30:
        low &= 0x3FFFFFFF
        j = k - 1
        while out[j] == 255:
            out[j] = 0
            j -= 1
        out[j] += 1
    out[k] = low >> 22
    k += 1
    low = (low & 0x3FFFFF) << 8
    rng <<= 8
""",
    "LOAD": """\
t = T[pr[{0}]]
m = (rng >> 12) * (t >> 16)
""",
    "ONE": """\
rng = m
pr[{0}] = t{cut}
""",
    "ZERO": """\
low += m
rng -= m
pr[{0}] = t >> 8{cut}
""",
    "TOKEN": """\
if a >> 15:
    b = a >> 8 & 15
    rng >>= b
    low += rng * (a & 255)
else:
    b = a & 1
    a >>= 1
    t = T[pr[a]]
    m = (rng >> 12) * (t >> 16)
    if b:
        rng = m
        pr[a] = t{cut}
    else:
        low += m
        rng -= m
        pr[a] = t >> 8{cut}
""",
    "STOP": """\
mark = k + 31
stop = 0
if k > st[22]:
    stop = 1
elif k - st[2] > 8 + (({0}) >> 3):
    stop = 2
i = st[23]
@RENORM
t = T[pr[i]]
m = (rng >> 12) * (t >> 16)
if stop:
    rng = m
    pr[i] = t{cut}
else:
    low += m
    rng -= m
    pr[i] = t >> 8{cut}
""",
}
# In viper a place is a pointer, in plain Python an index of ws.
PLACES = {
    r"@ROW (\w+)": (r"ptr16(int(ws) + (\1 << 1))", r"\1"),
    r"@AT (\w+) (\w+)": (r"ptr16(int(\1) + (\2 << 1))", r"\1 + \2"),
    r"@NEXT (\w+)": (r"\1 = ptr16(int(\1) + 2)", r"\1 += 1"),
    r"@STOPS (\w+) (\w+)": (r"int(\1) + (\2 << 1)", r"\1 + \2"),
    r"@LEFT (\w+) (\w+)": (r"(\2 - int(\1) >> 1)", r"(\2 - \1)"),
    r"@BEFORE (\w+)": (r"ptr16(int(\1) - 2)[0]", r"ws[\1 - 1]"),
}
TYPES = re.compile(r": (?:ptr8|ptr16|ptr32|int|uint)(?=[,)])")


def kernel(name: str) -> str:
    text = _expand(name, "viper", "")
    for macro, meaning in PLACES.items():
        text = re.sub(macro, meaning[0], text)
    note = "# ruff: noqa: E501 - generated\n\nimport micropython\n"
    return text.replace("import micropython\n", note.removeprefix("\n"), 1).replace(
        '"""\n\n# ruff', '"""\n# ruff'
    )


def twin(name: str) -> str:
    text = _expand(name, "plain", " & 255")
    body = text.split("import micropython\n", 1)[1].replace("@micropython.viper\n", "")
    body = TYPES.sub("", body).replace(") -> int:", "):")
    for macro, meaning in PLACES.items():
        body = re.sub(macro, meaning[1], body)
    body = re.sub(r"\b([PQRSUV])\[([^\]]+)\]", r"ws[\1 + \2]", body)
    return f'"""kernels/{name}.py without viper. Written by tests/firmware/codec/make_kernels.py."""\n{body}'


def _expand(name: str, flavour: str, cut: str) -> str:
    template, *flavours = FLAVOURS.get(name, (name,))
    lines = _choose((TEMPLATES / f"{template}.in").read_text(), {flavour, *flavours})
    done: list[str] = []
    while lines:
        line = lines.pop(0)
        found = re.fullmatch(r"( *)@([A-Z]+) ?(.*)", line)
        if found and found[2] in MACROS:
            body = MACROS[found[2]].replace("{0}", found[3]).replace("{cut}", cut)
            lines[:0] = [found[1] + inner for inner in body.splitlines()]
        else:
            done.append(line)
    return "\n".join(done) + "\n"


def _choose(text: str, flavours: set[str]) -> list[str]:
    kept = []
    taken = True
    for line in text.splitlines():
        if line.startswith("@IF "):
            taken = set(line.split()[1:]) <= flavours
        elif line == "@ELSE":
            taken = not taken
        elif line == "@END":
            taken = True
        elif taken:
            kept.append(line)
    return kept
