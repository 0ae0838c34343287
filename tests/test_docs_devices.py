"""The code in docs/taps.md and docs/install.md runs, on displays that are stand-ins, and what the pages say is so."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from pixeltrail.taps import framebuf

from tests.support import micropython, mpy
from tests.support.packages import packager, served

from .test_docs import ROOT, blocks, run

# What the blocks of docs/taps.md take for granted, and what is so behind each.
APP = """
import time
import pixeltrail
from drivers import epaper, gc9a01, lvgl

WHOLE = [(0, y, 319, y + 23) for y in range(0, 240, 24)]
panel = lvgl.Panel(320, 240)
display = lvgl.DisplayDriver(lvgl.Bus(panel), 320, 240)
lv_display = lvgl.Display(320, 240)

def task_handler():
    for renderer in (display._disp_drv, lv_display):
        if hasattr(renderer, "_flush_cb"):
            renderer.refresh(bytes(range(256)) * 600, WHOLE)

tft = gc9a01.GC9A01(60, 40)
epd = epaper.Waveshare2in9()
transport = pixeltrail.File("FOLDER/chunks")
"""
AFTER = """
for _ in range(300):
    rec.poll()
    time.sleep_ms(1)
stats = rec.stats()
assert stats["errors"] == 0 and stats["off"] == [], stats
assert stats["frames"], stats
print("ran")
"""
PICOGRAPHICS = """
from drivers import picographics

DISPLAY_PICO_DISPLAY_2, PEN_P4 = 9, picographics.PEN_P4

def PicoGraphics(display, pen_type):
    return picographics.PicoGraphics(64, 48, pen_type)[0]
"""
TAPS = [block for page, block in blocks("python") if page.name == "taps.md"]


@pytest.mark.parametrize("block", [block for block in TAPS if "luma" not in block])
def test_code_of_the_page_about_displays_runs(block: str, tmp_path: Path) -> None:
    (tmp_path / "picographics.py").write_text(PICOGRAPHICS)
    (tmp_path / "main.py").write_text(APP.replace("FOLDER", str(tmp_path)) + block + AFTER)
    search = (tmp_path, micropython.FIRMWARE, ROOT / "tests" / "firmware")
    printed = micropython.run(tmp_path / "main.py", search=search, cwd=tmp_path, heap="6m")
    assert printed.endswith("ran\n")


@pytest.mark.parametrize("block", [block for block in TAPS if "luma" in block])
def test_code_for_boards_with_linux_runs(block: str, tmp_path: Path) -> None:
    before = f"import time\nimport pixeltrail\ntransport = pixeltrail.File({str(tmp_path / 'chunks')!r})\n"
    (tmp_path / "main.py").write_text(before + block + AFTER.replace("sleep_ms(1)", "sleep(0.001)"))
    assert run(sys.executable, str(tmp_path / "main.py"), cwd=tmp_path).endswith("ran\n")


def test_code_of_the_page_about_installing_runs(tmp_path: Path) -> None:
    """mip is the one that MicroPython has; the address is that of a server on loopback, and the processor x64."""
    (block,) = [block for page, block in blocks("python") if page.name == "install.md"]
    shutil.copytree(mpy.tree("x64"), tmp_path / "dist" / "x64")
    packager().main([str(tmp_path / "dist")])
    lib = tmp_path / "lib"
    lib.mkdir()
    with served(tmp_path / "dist") as server:
        there = block.replace("http://192.168.1.20:8000/armv6m", f"{server.url}/x64")
        assert there != block
        printed = micropython.run(there, search=(lib,), cwd=tmp_path)
    assert printed.endswith("Done\n") and (lib / "pixeltrail" / "__init__.mpy").is_file()


def test_the_page_about_installing_names_every_processor_and_option() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.M)
    processors = [name for name, _ in rows if name in mpy.builder().ARCHITECTURES]
    assert sorted(processors) == sorted(mpy.builder().ARCHITECTURES)
    options = {name: shown for name, shown in rows if shown in ("`True`", "`False`")}
    told = re.search(r"options\.defaults\(\s*(.*?)\s*\)", (ROOT / "firmware" / "manifest.py").read_text())
    assert told is not None
    defaults = dict(word.split("=") for word in told[1].split(", "))
    assert options == {name: f"`{value}`" for name, value in defaults.items()}


def test_every_tap_is_on_the_page_about_displays() -> None:
    page = (ROOT / "docs" / "taps.md").read_text()
    for name in ("tap", "lvgl_tap", "pico_tap", "epaper_tap", "direct_tap", "c_tap"):
        assert f"`{name}(" in page
    with pytest.raises(ValueError, match="no tap knows"):
        framebuf.find(object())
