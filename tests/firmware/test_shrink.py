"""Short names and written-in constants change nothing of what the library does."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support import armhf, mpy
from tests.support.micropython import FIRMWARE

sys.path.insert(0, str(FIRMWARE))
from shrink import shrink  # noqa: E402 - lies beside the library, in no package

SCRIPTS = Path(__file__).parent / "device"
MODULES = {
    "__init__.py": "from .numbers import PUBLIC\n",
    "numbers.py": "from micropython import const\n\nPUBLIC = const(7)\nOTHER = const(PUBLIC << 1)\n",
    "first.py": '''"""Told."""
import sys
from . import numbers
from .numbers import OTHER

_SIZE = 3


class Base:
    """Told, too."""

    def __init__(self):
        self._left = _SIZE + OTHER
        self._told = numbers.PUBLIC
        self.port = getattr(sys.implementation, "_mpy", sys.implementation._nothing)
''',
    "second.py": """from .first import Base


class Derived(Base):
    def _step(self, _a, _b):
        self._right = self._left
        return _a + _b
""",
    "third.py": """class Alone:
    def __init__(self):
        self._far = self._away = 1

    def of(self, other):
        return other._told
""",
}


def write(folder: Path) -> Path:
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    return folder


def test_names_are_short_and_constants_are_numbers(tmp_path: Path) -> None:
    sources, names = shrink(write(tmp_path))
    first, second, third = (sources[Path(name)] for name in ("first.py", "second.py", "third.py"))
    assert sources[Path("__init__.py")] == "PUBLIC = 7\n"
    assert "import numbers" not in first and "OTHER" not in first and "+ 14" in first and "= 7" in first
    assert "Told" not in first and "'_mpy', sys.implementation._nothing" in first
    for name in ("_left", "_told", "_right", "_step", "_far", "_away", "_SIZE"):
        assert name not in first + second + third
    assert set(names["first"].values()) >= {"_left", "_told", "_SIZE"}


def test_what_meets_in_one_object_keeps_apart(tmp_path: Path) -> None:
    _, names = shrink(write(tmp_path))
    short = {module: {old: new for new, old in found.items()} for module, found in names.items()}
    family = {**short["first"], **short["second"]}
    assert len(set(family.values())) == len(family), "a class and its base share a name for two things"
    assert short["first"]["_left"] == short["second"]["_left"]
    assert short["first"]["_told"] == short["third"]["_told"], "it is read from outside"
    assert set(short["third"].values()) & (set(family.values()) - {short["third"]["_told"]}), (
        "others are shared"
    )


def test_names_to_keep(tmp_path: Path) -> None:
    sources, _ = shrink(write(tmp_path), keep=("_left",))
    assert "self._left" in sources[Path("first.py")] and "self._left" in sources[Path("second.py")]


def test_what_is_shipped_records_without_allocating(tmp_path: Path) -> None:
    """All names short, none kept for the tests: frames, calls, chunks, acks and resends with the heap locked."""
    mpy.builder().build("armv6m", tmp_path, assembler=False)
    script = """
import micropython, parts, pixeltrail
display, line, ticks = parts.Oled(128, 64), parts.Line(), parts.Ticks()
rec = pixeltrail.Recorder(display, line, device_id="short-1", sample_rate=1.0, clock=ticks.clock, masks=[(0, 0, 16, 8)])
properties = {"cups": 2, "hot": True}
def work(turns):
    for turn in range(turns):
        display.buffer[turn * 37 % 1024] ^= 255
        display.show()
        rec.touch(turn & 63, 5)
        rec.track("Brewed", properties)
        for _ in range(10):
            ticks.ms += 10
            rec.poll()
work(20)
micropython.heap_lock()
work(60)
micropython.heap_unlock()
stats = rec.stats()
print(stats["errors"], stats["frames"] > 50, stats["acks"] > 50, rec.session_id())
"""
    path = tmp_path / "records.py"
    path.write_text(script)
    assert armhf.run(path, search=(tmp_path, SCRIPTS)).split() == ["0", "True", "True", "-1"]
