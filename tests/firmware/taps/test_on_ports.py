"""Taps under MicroPython: kernels and their twins, nothing allocated, and what a small flush costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import armhf, micropython, mpy, ports

SCRIPTS = micropython.ROOT / "tests" / "firmware" / "device"


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_kernels_agree_with_their_twins(port: ports.Port) -> None:
    script = """
from array import array
import pixeltrail.taps.kernels as fast
import pixeltrail.taps.kernels_plain as plain
seed = 1
def dice(most):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
    return (seed >> 8) % most
source = bytes([dice(256) for _ in range(600)])
def same(name, make):
    results = []
    for kernels in (fast, plain):
        a, b = bytearray(source), bytearray(source)
        areas = array("H", (0,) + (0,) * 32)
        results.append(make(getattr(kernels, name), a, b, areas))
    assert results[0] == results[1], (name, results)
def blit(f, a, b, areas):
    for q in CASES:
        f(a, b, array("i", q))
    return bytes(a)
CASES = [(4, 32, 8, 16, 16, 9), (1, 33, 3, 21, 15, 9), (0, 40, 0, 40, 36, 5)]
CASES += [(8, 20, 4, 20, 20, 7), (2, 30, 6, 30, 28, 3)]
same("blit", blit)
def fill(f, a, b, areas):
    for q in CASES:
        f(a, array("i", (q[0], q[1], dice(256), dice(256), q[4], q[5])))
    return bytes(a)
keep = seed
def fill_same(f, a, b, areas):
    global seed
    seed = keep
    return fill(f, a, b, areas)
same("fill", fill_same)
def add(f, a, b, areas):
    global seed
    seed = keep
    for _ in range(60):
        x, y = dice(200), dice(200)
        f(areas, array("i", (x, y, x + dice(30), y + dice(30))))
        if dice(3) == 0:
            f(areas, array("i", (10, 8 * dice(9), 40, 8 * dice(9) + 7)))
        if dice(20) == 0:
            areas[0] = 0
    return list(areas)
same("add", add)
def columns(f, a, b, areas):
    f(a, b, array("i", (3, 1, 20, 4)), 60, 6)
    return bytes(a)
same("columns", columns)
def exchange(f, a, b, areas):
    a[5] = b[5] ^ 255
    f(a, b, 300)
    return bytes(a) + bytes(b)
same("exchange", exchange)
def glyph(f, a, b, areas):
    for depth in (1, 2, 3, 8):
        f(a, b, bytes(range(256)) * 2, array("i", (6, 40, 13, depth, 18, 7)))
    return bytes(a)
same("glyph", glyph)
for at in range(5):
    assert fast.byte_at("21:5", at) == plain.byte_at("21:5", at)
print("same")
"""
    assert port.run(script).split() == ["same"]


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_hashing_inside_areas_finds_what_hashing_everything_finds(port: ports.Port) -> None:
    assert port.run(SCRIPTS / "check_areas.py", heap="2m").split() == ["same", "16"]


@pytest.mark.parametrize("port", (ports.X64, ports.X64_MPY, ports.ARMHF, ports.ARMHF_V6M), ids=str)
def test_nothing_is_allocated_by_any_tap(port: ports.Port) -> None:
    search = [SCRIPTS, SCRIPTS.parent]
    lines = [line.split() for line in port.run(SCRIPTS / "taps_steady.py", search=search).splitlines()]
    assert lines[-1] == ["done"] and len(lines) == 7 * 3 + 1
    for name, value in lines[:-1]:
        assert int(value) == 0 if name == "errors" else int(value) > 20, name


def test_a_small_flush_costs_a_fraction_of_the_whole_display() -> None:
    """Instructions of a flush of 320x240 in which nothing changed, with copy, hash pass and the recorder's hook."""
    script = SCRIPTS / "lvgl_flush.py"
    search = (mpy.tree("armv7m"), SCRIPTS, SCRIPTS.parent)
    whole, small = (
        armhf.count_each(script, size, search=search, heap="2m", few=2, step=4)
        for size in ("320x240", "40x20")
    )
    assert small * 3 < whole
    print(f"a flush of the whole display takes {whole} instructions, one of 40x20 {small}")


def test_the_stand_ins_run_under_micropython(tmp_path: Path) -> None:
    """They are shared by both sides, so a fault of one shows on the other."""
    lines = "; ".join(
        f"import drivers.{path.stem}"
        for path in sorted((SCRIPTS.parent / "drivers").glob("*.py"))
        if path.stem != "__init__"
    )
    assert ports.X64.run(f"{lines}; print('imported')", search=[SCRIPTS.parent]).split() == ["imported"]
