"""A new board is one folder and no code: this one is made up, and every command knows what to do with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pixeltrail_bridge.boards.catalogue import BoardError, find_board
from pixeltrail_bridge.cli import run as cli

from .imitations import on_a_bridge, recorded, shown
from .test_boards import judge, used

BOARD = """
[board]
name = "A made-up badge"
chip = "rp2350"
mhz = 150
ram_kb = 520
heap_kb = 430
files_kb = 2560
display = { width = 240, height = 240, format = "RGB565S", driver = "st7789.ST7789" }
input = "a button"
link = "mqtt"
micropython = ">=1.25"
architecture = "armv7emsp"

[pins]
button = 2

[usb]
running = ["2e8a:0005"]

[flash]
method = "uf2"
firmware = "https://example.org/made-up"
drive = "RP2350"
family = 0xe48bff59
files = ["main.py", "drivers/st7789.py", "drivers/spi_bus.py"]
settings = ["broker"]

[emulation]
chips = [{ chip = "gc9a01", cs = 5, dc = 6 }]
person = [[300, "press", 2, 100]]
"""
MAIN = """
import json
import time

import machine
import pixeltrail
from spi_bus import Bus
from st7789 import ST7789, rgb

settings = json.load(open("settings.json"))
spi = machine.SPI(0, baudrate=40_000_000)
lcd = ST7789(Bus(spi, machine.Pin(6, machine.Pin.OUT), machine.Pin(5, machine.Pin.OUT)), 240, 240)
button = machine.Pin(2, machine.Pin.IN, machine.Pin.PULL_UP)
rec = pixeltrail.Recorder(
    pixeltrail.tap(lcd, format="RGB565S"),
    pixeltrail.MQTT(settings["broker"], settings["port"]),
    device_id=settings["device_id"],
    sample_rate=1.0,
)
count, was_down, drawn = 0, False, time.ticks_ms()
rec.screen("Names")
while True:
    is_down = not button.value()
    if is_down != was_down:
        was_down = is_down
        rec.key("next", pixeltrail.DOWN if is_down else pixeltrail.UP)
        if is_down:
            count += 1
            rec.screen("Name %d" % count)
            rec.track("Name Shown", {"number": count})
    if time.ticks_diff(time.ticks_ms(), drawn) > 100:
        drawn = time.ticks_ms()
        lcd.fill(rgb(20, 30, 60))
        lcd.fill_rect(10 * (count % 20), 40 + drawn // 100 % 100, 40, 40, rgb(250, 200, 40))
        lcd.text("name %d" % count, 80, 200, rgb(255, 255, 255))
        lcd.show()
    rec.poll()
    time.sleep_ms(5)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made-up"
    made.mkdir()
    (made / "board.toml").write_text(BOARD)
    (made / "main.py").write_text(MAIN)
    return made


def test_every_command_takes_the_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli(["boards", str(folder)]) == 0
    assert "A made-up badge" in capfd.readouterr().out
    assert cli(["size", str(folder), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] == "fits"
    assert cli(["flash", str(folder), "--dry-run", "--port", "/dev/ttyACM7"]) == 0
    assert "mpremote connect /dev/ttyACM7 cp BUILD/app/st7789.mpy :st7789.mpy" in capfd.readouterr().out


def test_sim_runs_it(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli(["sim", str(folder), "--for", "2", "--data", str(tmp_path / "data")]) == 0
    printed = capfd.readouterr().out
    assert "A made-up badge, live: http://" in printed and "sim-made-up" in printed


def test_its_session_arrives_as_shown(folder: Path, tmp_path: Path) -> None:
    board = find_board(str(folder))
    with on_a_bridge(board, tmp_path) as run:
        used(run, board)
        pictures = recorded(run.bridge.store)
    judge(pictures, shown(board, tmp_path / "dump"))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('method = "uf2"', 'method = "jtag"', "flash.method must be one of uf2, esptool, none, got 'jtag'"),
        ("width = 240", "width = 4000", "board.display.width must be from 1 to 1024, got 4000"),
        ('chip = "rp2350"', "chip = 2350", "board.chip must be of type str, got 2350"),
        ('format = "RGB565S"', 'format = "BGR"', "board.display.format must be one of"),
        ("[board]", "[bord]", "board.name must be of type str, got None"),
    ],
)
def test_what_cannot_be_meant_is_named(was: str, now: str, said: str, folder: Path) -> None:
    (folder / "board.toml").write_text(BOARD.replace(was, now, 1))
    with pytest.raises(BoardError, match="board.toml: ") as raised:
        find_board(str(folder))
    assert said in str(raised.value)


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "main.py").unlink()
    with pytest.raises(BoardError, match=r"flash.files: there is no main.py"):
        find_board(str(folder)).files()
