"""Inline assembler: its machine code is run on 32 bits, and where it cannot be had, viper stays in charge."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware.armhf.measures import SCRIPTS
from tests.firmware.codec.make_thumb import FOLDER, WORDS, generated, strip_hash
from tests.support import armhf, micropython, mpy, ports
from tests.support.requirements import require

CODEC_TESTS = Path(__file__).parents[1] / "codec"
SEARCH = (micropython.FIRMWARE, SCRIPTS, CODEC_TESTS)
# A function begins with push {r1, r4-r7, lr} and ends with pop {r1, r4-r7, pc}.
FUNCTION = re.compile(rb"\xf2\xb5.*?\xf2\xbd", re.DOTALL)
# Upper bounds of an unchanged 320x240 RGB565 frame; some 10,000 are the foreign call, which a board does not make.
BUDGETS = {"thumb6": 223_000, "thumb7": 146_000}


def machine_code(name: str, words: int, folder: Path) -> Path:
    compiled = folder / "out.mpy"
    subprocess.run(
        [require("mpy-cross"), "-march=armv6m", FOLDER / f"{name}.py", "-o", compiled], check=True, timeout=30
    )
    functions = FUNCTION.findall(compiled.read_bytes())
    assert len(functions) == len(WORDS)
    path = folder / "code"
    path.write_bytes(functions[WORDS.index(words)])
    return path


def test_generated_files_are_current() -> None:
    for path, text in generated().items():
        assert path.read_text() == text, f"{path.name}: run tests/firmware/codec/make_thumb.py"


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", BUDGETS)
def test_machine_code_finds_every_changed_byte(name: str, words: int, tmp_path: Path) -> None:
    code = machine_code(name, words, tmp_path)
    printed = armhf.run(SCRIPTS / "assembled.py", code, str(words), search=SEARCH)
    assert printed.split() == ["shapes", "12", "ok"]


@pytest.mark.parametrize("name", BUDGETS)
def test_machine_code_is_quick(name: str, tmp_path: Path) -> None:
    counted = armhf.count_each(SCRIPTS / "assembled.py", machine_code(name, 16, tmp_path), 16, search=SEARCH)
    assert counted <= BUDGETS[name]


@pytest.mark.parametrize("library", ("source", "armv6m", "armv7m"))
def test_without_inline_assembler_viper_stays(library: str) -> None:
    """This port has none: a SyntaxError from source, a TypeError at the call of what was compiled elsewhere."""
    script = """
from array import array
from pixeltrail.codec import assembly, strips
from pixeltrail.codec.kernels import words16
print(strips._IS_THUMB, assembly.scan_for(64, bytearray(640), array("I", bytes(40)))[0])
print(strips.Strips(bytearray(6400), 10, 640, 640, 64)._job[0] == words16.scan)
"""
    folder = micropython.FIRMWARE if library == "source" else mpy.tree(library, assembler=True)
    assert armhf.run(script, search=(folder,)).split() == ["True", "None", "True"]


def test_other_processors_do_not_even_try() -> None:
    script = """
import sys
from pixeltrail.codec import strips
strips.Strips(bytearray(6400), 10, 640, 640, 64)
print(strips._IS_THUMB, "pixeltrail.codec.assembly" in sys.modules)
"""
    assert ports.X64.run(script).split() == ["False", "False"]


def test_the_viper_twin_computes_the_hash_of_the_trials() -> None:
    pixels = bytes((i * 37 + 11) & 0xFF for i in range(128))
    script = f"""
from array import array
from pixeltrail.codec.kernels import wordwise
for words in (16, 8):
    table = array("I", bytes(16))
    window = array("i", (0, 1, 0, 2, 2, 4 * words, 4 * words, 0, 4 * words, 0, 1))
    wordwise.scan({pixels!r}, wordwise.K, -1, table, bytearray(1), window)
    print(*table[:2])
"""
    printed = [int(word) for word in ports.ARMHF.run(script).split()]
    rows = [pixels[:64], pixels[64:], pixels[:32], pixels[32:64]]
    words = [[int.from_bytes(row[i : i + 4], "little") for i in range(0, len(row), 4)] for row in rows]
    assert printed == [strip_hash(row) for row in words]
