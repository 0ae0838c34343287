"""Flashing: every step of a dry run, recorded runs of esptool, copies of UF2 images, refusals, and mpremote itself."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pixeltrail_bridge.boards import flashing, ports, uf2
from pixeltrail_bridge.boards.catalogue import Board, BoardError, all_boards, find_board
from pixeltrail_bridge.boards.flashing import Flasher, Job
from pixeltrail_bridge.boards.imitation import emulation
from pixeltrail_bridge.boards.ports import Port
from pixeltrail_bridge.boards.virtual import VirtualBoard
from pixeltrail_bridge.cli import run as cli

from tests.support.bridge_process import wait_until

from .imitations import DEVICE_ID, line_bridge
from .imitations import recorded as frames_of
from .tools import RUNNING, Tools, recorded

FLASHED = [board.id for board in all_boards() if board.flash.method != "none"]
_MPY = {"armv6m": 4, "armv7emsp": 7, "xtensawin": 10}
_SETTINGS = {"wifi": "home", "password": "hidden", "broker": "10.0.0.2"}


def running(board: Board) -> str:
    return RUNNING.format(mpy=(_MPY[board.architecture] << 10) + 6, machine=board.chip)


@contextlib.contextmanager
def terminal() -> Iterator[str]:
    """A port that can be opened."""
    ours, theirs = os.openpty()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def flasher(job: Job, folder: Path, tools: Tools | None = None, usb_id: str = "", path: str = "") -> Flasher:
    return Flasher(
        job,
        folder,
        say=lambda line: None,
        progress=lambda title, percent: None,
        tools=str(tools.folder) if tools is not None else None,
        list_ports=lambda: [Port(path, usb_id)] if path else [],
        wait_s=5,
    )


# --- dry run ---


@pytest.mark.parametrize("name", FLASHED)
def test_a_dry_run_prints_every_step(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"image")
    port = "/dev/ttyACM7"
    assert (
        cli(["flash", name, "--port", port, "--firmware", str(image), "--dry-run", "--set", "wifi=home"]) == 0
    )
    printed = capfd.readouterr().out
    steps = flashing.plan(Job(find_board(name), port, image, {}), Path("BUILD"))
    at = 0
    for step in steps:
        at = printed.index(step.title, at)
        if step.command:
            at = printed.index(step.shown(port), at)
    assert "settings.json" in printed and '"wifi": "home"' in printed


def test_secrets_are_neither_printed_nor_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    job = Job(find_board("pico-w-ssd1306"), "/dev/ttyACM7", None, {**_SETTINGS, "key": "hidden-too"})
    lines = "\n".join(flashing.dry_run(job))
    assert cli(["flash", "pico-w-ssd1306", "--set", "key=mine", "--dry-run", "--port", "/dev/ttyACM7"]) == 2
    assert "--settings FILE" in capfd.readouterr().err
    assert "hidden" not in lines and "https://micropython.org/download/RPI_PICO_W/" in lines


# --- ESP32, against recorded runs ---


def esp_answers(board: Board, chip: str) -> dict[str, tuple[str, int]]:
    return {
        "chip-id": (recorded(chip), 0),
        "erase-flash": (recorded("erase-flash"), 0),
        "write-flash": (recorded("write-flash"), 0),
        flashing.ASK: (running(board), 0),
        "mpremote": ("", 0),
    }


def test_an_esp32_is_flashed_step_by_step(tmp_path: Path) -> None:
    board = find_board("t-display-s3")
    image = tmp_path / "ESP32_GENERIC_S3.bin"
    image.write_bytes(b"\xe9image")
    authority = tmp_path / "ca.pem"
    authority.write_text("certificate")
    tools = Tools(tmp_path / "tools", esp_answers(board, "chip-id-esp32s3"))
    told: list[str] = []
    with terminal() as port:
        job = Job(board, port, image, _SETTINGS, extra=(authority,))
        Flasher(
            job,
            tmp_path / "build",
            say=told.append,
            progress=lambda title, percent: told.append(f"{title} {percent:g}"),
            tools=str(tools.folder),
        ).run()
    build = str(tmp_path / "build")
    files = ("st7789.mpy", "i80.mpy", "letters.mpy", "wifi.mpy", "settings.json")
    copies = [word for name in files for word in ("+", "cp", f"{build}/app/{name}", f":{name}")][1:]
    copies += ["+", "cp", str(authority), ":ca.pem"]
    mpremote = ["mpremote", "connect", port]
    assert tools.asked == [
        ["esptool", "--port", port, "chip-id"],
        ["esptool", "--port", port, "erase-flash"],
        ["esptool", "--port", port, "write-flash", "0x0", str(image)],
        [*mpremote, "exec", flashing.ASK],
        [*mpremote, "exec", flashing.MAKE_LIB],
        [*mpremote, "cp", "-r", f"{build}/pixeltrail", ":lib/"],
        [*mpremote, *copies],
        [*mpremote, "cp", f"{build}/app/main.py", ":main.py"],
        [*mpremote, "reset"],
    ]
    assert json.loads(Path(build, "app", "settings.json").read_text()) == _SETTINGS
    assert Path(build, "app", "settings.json").stat().st_mode & 0o077 == 0
    assert Path(build, "pixeltrail", "codec", "kernels", "cxcolour.mpy").is_file()
    assert [line for line in told if line.startswith("write MicroPython")] == [
        f"write MicroPython {percent}" for percent in ("0", "1.1", "4.3", "100")
    ]
    assert told[0] == "[1/10] ask the chip what it is" and told[-1] == "[10/10] restart the board"


@pytest.mark.parametrize(
    ("name", "transcript", "found"),
    [("t-display-s3", "chip-id-esp32", "ESP32"), ("cyd-ili9341", "chip-id-esp32s3", "ESP32-S3")],
)
def test_another_chip_is_refused_before_anything_is_written(
    name: str, transcript: str, found: str, tmp_path: Path
) -> None:
    board = find_board(name)
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"image")
    tools = Tools(tmp_path / "tools", esp_answers(board, transcript))
    with terminal() as port, pytest.raises(BoardError, match=f"found {found}, {name} has {board.flash.chip}"):
        flasher(Job(board, port, image, {}), tmp_path / "build", tools).run()
    assert [words[3] for words in tools.asked] == ["chip-id"]


def test_a_chip_that_does_not_answer_is_told_with_what_to_press(tmp_path: Path) -> None:
    board = find_board("cyd-ili9341")
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"image")
    tools = Tools(tmp_path / "tools", {"chip-id": (recorded("no-answer"), 2)})
    with terminal() as port, pytest.raises(BoardError, match="hold BOOT"):
        flasher(Job(board, port, image, {}), tmp_path / "build", tools).run()


def test_a_running_board_of_another_chip_is_refused(tmp_path: Path) -> None:
    board = find_board("t-display-s3")
    tools = Tools(tmp_path / "tools", {flashing.ASK: (running(find_board("pico-w-ssd1306")), 0)})
    with (
        terminal() as port,
        pytest.raises(BoardError, match=r"'rp2040' \(armv6m\), t-display-s3 has esp32s3"),
    ):
        flasher(Job(board, port, None, _SETTINGS), tmp_path / "build", tools).run()
    assert len(tools.asked) == 1


def test_an_old_micropython_is_refused_with_where_to_get_a_new_one(tmp_path: Path) -> None:
    board = find_board("pico-w-ssd1306")
    tools = Tools(tmp_path / "tools", {flashing.ASK: ("is 1 20 4102 Raspberry Pi Pico with RP2040\n", 0)})
    with terminal() as port, pytest.raises(BoardError, match=r"runs MicroPython 1\.20.*RPI_PICO"):
        flasher(Job(board, port, None, _SETTINGS), tmp_path / "build", tools).run()


def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    board = find_board("pico-w-ssd1306")
    tools = Tools(tmp_path / "tools", {"exec": ("mpremote: could not enter raw repl\n", 1)})
    with (
        terminal() as port,
        pytest.raises(BoardError, match="ended with 1: mpremote: could not enter raw repl"),
    ):
        flasher(Job(board, port, None, _SETTINGS), tmp_path / "build", tools).run()


# --- ports ---


def test_a_port_is_found_by_usb_id() -> None:
    board = find_board("t-display-s3")
    found = [Port("/dev/ttyUSB0", "1a86:7523"), Port("/dev/ttyACM1", "303a:4001"), Port("/dev/ttyS0")]
    assert ports.find_port(board, found) == "/dev/ttyACM1"
    assert ports.find_port(board, found[:1]) is None
    with pytest.raises(BoardError, match="several ports.*choose one with --port"):
        ports.find_port(board, [*found, Port("/dev/ttyACM2", "303a:1001")])


def test_no_port_names_those_that_there_are(tmp_path: Path) -> None:
    job = Job(find_board("cyd-ili9341"), None, None, {})
    made = flasher(job, tmp_path / "build", path="/dev/ttyACM0", usb_id="2e8a:0005")
    with pytest.raises(
        BoardError, match=r"no port with a USB ID of cyd-ili9341 \(1a86:7523.*/dev/ttyACM0 2e8a:0005"
    ):
        made.run()


def test_a_busy_port_is_refused_with_the_process_that_has_it() -> None:
    hold = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); input()"
    with terminal() as port:
        other = subprocess.Popen(
            [sys.executable, "-c", hold, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            with pytest.raises(
                BoardError, match=rf"port {port} is busy: .*\(process {other.pid}\) has it open"
            ):
                ports.check_port(port)
        finally:
            other.kill()
            other.communicate()


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOENT, "there is no port"), (errno.EACCES, "usermod -aG"), (errno.EIO, "cannot be opened")],
)
def test_a_port_that_cannot_be_had_says_why(number: int, said: str) -> None:
    with terminal() as port:
        assert said in ports.explain(port, number, "broken")


def test_a_port_that_is_not_there_is_refused() -> None:
    with pytest.raises(BoardError, match="there is no port /dev/none"):
        ports.check_port("/dev/none")


# --- UF2 ---


def image_for(family: int, path: Path, blocks: int = 300) -> Path:
    block = struct.pack("<IIIIIIII", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000, 256, 0, blocks, family)
    path.write_bytes((block + bytes(512 - len(block) - 4) + struct.pack("<I", 0x0AB16F30)) * blocks)
    return path


def loader(folder: Path, board_id: str) -> Path:
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(
        f"UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: {board_id}\n"
    )
    return folder


def test_an_image_for_another_chip_is_refused(tmp_path: Path) -> None:
    image = image_for(0xE48BFF59, tmp_path / "pico2.uf2")
    with pytest.raises(BoardError, match="for another chip than rp2040"):
        uf2.check_image(find_board("pico-w-ssd1306"), image)
    image.write_bytes(b"\x7fELF" * 128)
    with pytest.raises(BoardError, match="is no UF2 image"):
        uf2.check_image(find_board("pico-w-ssd1306"), image)


def test_the_loader_of_another_chip_is_refused(tmp_path: Path) -> None:
    drive = loader(tmp_path / "RP2350", "RP2350")
    with pytest.raises(BoardError, match="RP2350 is RP2350, wanted RPI-RP2"):
        uf2.find_drive(find_board("pico-w-ssd1306"), [tmp_path, drive])
    assert uf2.find_drive(find_board("pico-2-w-st7789"), [tmp_path, drive]) == drive


def test_without_a_drive_the_button_is_told() -> None:
    with pytest.raises(BoardError, match="hold BOOTSEL"):
        uf2.wait_for_drive(find_board("pico-w-ssd1306"), list, wait_s=0)


# --- the real mpremote, and a board that is a process ---


def virtual_board() -> Board:
    """The Pico's folder, for the processor of this machine."""
    board = find_board("pico-w-ssd1306")
    return replace(board, architecture="x64")


def test_a_board_is_flashed_by_the_tools_themselves(tmp_path: Path) -> None:
    board = virtual_board()
    image = image_for(board.flash.family, tmp_path / "RPI_PICO.uf2")
    drive = loader(tmp_path / "RPI-RP2", "RPI-RP2")
    chip = tmp_path / "chip"
    chip.mkdir()
    (chip / "emulation.json").write_text(json.dumps(emulation(board)))
    settings = {"wifi": "", "password": "", "broker": "", "device_id": DEVICE_ID}
    told: list[str] = []
    with VirtualBoard(chip, "3m") as virtual:
        Flasher(
            Job(board, None, image, settings),
            tmp_path / "build",
            say=told.append,
            progress=lambda title, percent: told.append(f"{title} {percent:.0f}"),
            list_ports=lambda: [Port(virtual.port, "2e8a:0005")],
            drives=lambda: [drive],
        ).run()
        assert (drive / image.name).read_bytes() == image.read_bytes()
        assert "copied 100" in told
        assert (chip / "lib/pixeltrail/recorder.mpy").is_file() and (chip / "letters.mpy").is_file()
        wait_until(lambda: virtual.starts >= 2, "the app was started")
        Flasher(  # and once more, while it runs: Ctrl-C interrupts it
            Job(board, virtual.port, None, settings),
            tmp_path / "again",
            say=told.append,
            progress=lambda title, percent: None,
        ).run()
        with line_bridge(virtual.port, tmp_path) as bridge:
            wait_until(lambda: len(frames_of(bridge.store)) >= 3, "its app runs and is recorded", 60)
