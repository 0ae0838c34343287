"""board.toml of each board, read and checked.

A board is hardware when it has a table [flash], and then [emulation] says what its imitation is made of. A board with a
table [sim] has no hardware at all; `simulate` starts it. Names of files in `flash.files` are looked up in the board's
folder first, then in `boards/`, which has drivers that several boards use.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import LocalError
from ..simulate import boards_folder

FORMATS: Final = {
    "MONO_VLSB": 1,
    "MONO_HLSB": 1,
    "MONO_HMSB": 1,
    "GS2_HMSB": 2,
    "GS4_HMSB": 4,
    "GS8": 8,
    "RGB332": 8,
    "RGB565": 16,
    "RGB565S": 16,
}
"""Bits of a pixel."""
ARCHITECTURES: Final = ("armv6m", "armv7m", "armv7emsp", "armv7emdp", "xtensawin", "rv32imc", "x64", "none")
METHODS: Final = ("uf2", "esptool", "none")
LINKS: Final = ("mqtt", "mqtts", "serial")


class BoardError(LocalError):
    """There is no such board, or its board.toml cannot be meant."""


@dataclass(frozen=True, slots=True)
class Display:
    width: int
    height: int
    format: str
    driver: str
    has_buffer: bool = True
    """False: drawn on without a buffer, and a shadow of 16 bits a pixel is what is recorded."""

    @property
    def frame_bytes(self) -> int:
        bits = FORMATS[self.format]
        if self.format == "MONO_VLSB":
            return self.width * ((self.height + 7) // 8)
        return (self.width * bits + 7) // 8 * self.height


@dataclass(frozen=True, slots=True)
class Flash:
    method: str = "none"
    firmware: str = ""
    """Where a person finds MicroPython for this board."""
    drive: str = ""
    """`Board-ID` of the drive that its loader shows (uf2)."""
    family: int = 0
    """Family ID that each block of its image carries (uf2)."""
    chip: str = ""
    """What esptool calls the chip."""
    offset: int = 0
    """Where the image begins in flash (esptool)."""
    files: tuple[str, ...] = ("main.py",)
    settings: tuple[str, ...] = ()
    """Names that its main.py looks up in settings.json."""


@dataclass(frozen=True, slots=True)
class Board:
    id: str
    folder: Path
    name: str
    chip: str
    display: Display
    input: str
    link: str
    micropython: str
    is_simulated: bool
    """There is no such hardware."""
    ram_kb: int = 0
    heap_kb: int = 0
    """What Python has after the start; 0 for a computer, where nobody counts."""
    files_kb: int = 0
    mhz: int = 100
    architecture: str = "none"
    pins: dict[str, Any] = field(default_factory=dict)
    usb_running: tuple[str, ...] = ()
    usb_loader: tuple[str, ...] = ()
    flash: Flash = Flash()
    emulation: dict[str, Any] | None = None
    recorder: dict[str, Any] = field(default_factory=dict)
    """Settings of its recorder that change what it costs: references, outbox_bytes, max_chunk."""

    def find(self, name: str) -> Path:
        """A file of this board, in its folder or in boards/."""
        for folder in (self.folder, boards_folder()):
            if (folder / name).is_file():
                return folder / name
        raise BoardError(f"{self.folder}/board.toml: flash.files: there is no {name}, here or in boards/")

    def files(self) -> list[Path]:
        return [self.find(name) for name in self.flash.files]


def folders() -> list[Path]:
    return [path.parent for path in sorted(boards_folder().glob("*/board.toml"))]


def all_boards() -> list[Board]:
    return [_read(folder) for folder in folders()]


def find_board(name: str) -> Board:
    """A board by its name, or by the path of its folder."""
    for folder in (boards_folder() / name, Path(name)):
        if (folder / "board.toml").is_file():
            return _read(folder.resolve())
    known = ", ".join(folder.name for folder in folders())
    raise BoardError(
        f"there is no board {name!r}; give the path of a folder with a board.toml, or one of {known}"
    )


def _read(folder: Path) -> Board:
    path = folder / "board.toml"
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BoardError(f"{path}: {error}") from None
    return _Reader(path, table).board()


class _Reader:
    """Takes values out of a table; what is missing or of another kind is an error that names file, field and value."""

    def __init__(self, path: Path, table: dict[str, Any]) -> None:
        self._path = path
        self._table = table

    def board(self) -> Board:
        get = self._get
        usb = self._table.get("usb", {})
        return Board(
            id=self._path.parent.name,
            folder=self._path.parent,
            name=get("board.name", str),
            chip=get("board.chip", str),
            display=self._display(),
            input=get("board.input", str, ""),
            link=get("board.link", str) if "sim" in self._table else self._one_of("board.link", LINKS),
            micropython=get("board.micropython", str, ""),
            is_simulated="sim" in self._table,
            ram_kb=get("board.ram_kb", int, 0),
            heap_kb=get("board.heap_kb", int, 0),
            files_kb=get("board.files_kb", int, 0),
            mhz=get("board.mhz", int, 100),
            architecture=self._one_of("board.architecture", ARCHITECTURES, "none"),
            pins=get("pins", dict, {}),
            usb_running=tuple(usb.get("running", ())),
            usb_loader=tuple(usb.get("loader", ())),
            flash=self._flash(),
            emulation=self._table.get("emulation"),
            recorder=get("recorder", dict, {}),
        )

    def _display(self) -> Display:
        for field_ in ("width", "height"):
            if not 1 <= self._get(f"board.display.{field_}", int) <= 1024:
                raise self._fault(f"board.display.{field_}", "from 1 to 1024")
        return Display(
            self._get("board.display.width", int),
            self._get("board.display.height", int),
            self._one_of("board.display.format", tuple(FORMATS)),
            self._get("board.display.driver", str),
            self._get("board.display.has_buffer", bool, True),
        )

    def _flash(self) -> Flash:
        get = self._get
        return Flash(
            method=self._one_of("flash.method", METHODS, "none"),
            firmware=get("flash.firmware", str, ""),
            drive=get("flash.drive", str, ""),
            family=get("flash.family", int, 0),
            chip=get("flash.chip", str, ""),
            offset=get("flash.offset", int, 0),
            files=tuple(get("flash.files", list, ["main.py"])),
            settings=tuple(get("flash.settings", list, [])),
        )

    def _get(self, name: str, kind: type, default: Any = None) -> Any:
        value: Any = self._table
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._fault(name, f"of type {kind.__name__}")
        return value

    def _one_of(self, name: str, known: tuple[str, ...], default: str | None = None) -> str:
        value = self._get(name, str, default)
        if value not in known:
            raise self._fault(name, f"one of {', '.join(known)}")
        return str(value)

    def _fault(self, name: str, wanted: str) -> BoardError:
        value: Any = self._table
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return BoardError(f"{self._path}: {name} must be {wanted}, got {value!r}")
