"""What is counted on 32 bits, by name: for the budgets and for `./dev bench insn`.

The library is always compiled, for armv7m where nothing else is said: code for armv6m takes up to 1 % more
instructions.
Its machine code is shortened (firmware/arm_code), except `as_compiled`: as it runs frozen, or compiled on the board.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.firmware.codec.coding import CORPUS_FORMATS
from tests.support import armhf, corpus, mpy

SCRIPTS = Path(__file__).parent / "device"
PARTS = Path(__file__).parents[1] / "device"

# row bytes, rows, pitch, strip bytes
FRAMES = {
    "rgb565_320x240": (640, 240, 640, 64),
    "rgb565_320x240_64px": (640, 240, 640, 128),
    "rgb565_135x240": (270, 240, 270, 64),
    "rgb565_160x128": (320, 128, 320, 32),
    "gs8_320x240": (320, 240, 320, 32),
    "gs8_99x240_odd": (99, 240, 99, 32),
    "gs4_128x128": (64, 128, 64, 8),
    "mono_128x64": (128, 8, 128, 16),
    "mono_hlsb_296x128": (37, 128, 37, 4),
}
RGB565, MONO_VLSB = 6, 0
PANELS = {"rgb565_320x240": (320, 240, RGB565), "mono_128x64": (128, 64, MONO_VLSB)}


def _search(architecture: str, as_compiled: bool = False) -> tuple[Path, ...]:
    return (mpy.tree(architecture, as_compiled=as_compiled), SCRIPTS, PARTS)


def hash_pass(frame: str, architecture: str = "armv7m") -> int:
    """The hash pass over a frame that did not change."""
    return armhf.count_each(SCRIPTS / "hash_pass.py", *FRAMES[frame], search=_search(architecture))


def unchanged(panel: str, what: str = "show", architecture: str = "armv7m", as_compiled: bool = False) -> int:
    """A whole capture step over a frame that did not change: the display's refresh, with all of the recorder in it."""
    arguments = (*PANELS[panel], 0, what)
    search = _search(architecture, as_compiled)
    return armhf.count_each(SCRIPTS / "unchanged.py", *arguments, heap="2m", search=search)


@functools.cache
def _small(what: str) -> int:
    return armhf.count_each(SCRIPTS / "small.py", what, search=_search("armv7m"), step=80)


def small(what: str) -> int:
    """`head`, `cobs` or `decobs` of small.py, without the call."""
    return _small(what) - _small("empty")


VECTORS = Path(__file__).parents[3] / "schema" / "vectors" / "signed.json"


def _signed(what: str) -> int:
    script, search = SCRIPTS / "signing.py", _search("armv7m")
    return armhf.count_each(script, VECTORS, what, heap="4m", search=search, step=80)


def signed(what: str) -> int:
    """A signed message: `sign`, `sign_short` or `check` of signing.py, without the line's part."""
    return _signed(what) - (0 if what == "check" else _signed("send"))


def signing_ram() -> dict[str, int]:
    """Bytes of heap of the module, and of what a transport gets with a key."""
    printed = armhf.run(SCRIPTS / "signing.py", str(VECTORS), "ram", "0", heap="4m", search=_search("armv6m"))
    return dict(zip(("code", "data"), map(int, printed.split()), strict=True))


@dataclass(frozen=True, slots=True)
class Coded:
    pixels: int
    """In rectangles that were coded; not what moved or came again."""
    instructions: int
    """From the end of the refresh to the last part: rectangles, references, heads, pixels, the second hash."""
    search: int
    """For moves, in the refresh. The measurement that the target comes from was given its moves."""

    @property
    def each(self) -> float:
        return self.instructions / self.pixels

    @property
    def each_with_search(self) -> float:
        return (self.instructions + self.search) / self.pixels


def coded(sequence: corpus.Sequence, frames: int | None = None, architecture: str = "armv7m") -> Coded:
    """Delta frames of a recorded sequence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames"
        with path.open("wb") as file:
            for picture in itertools.islice(sequence.frames, frames):
                file.write(picture)
        size = (str(sequence.width), str(sequence.height), str(int(CORPUS_FORMATS[sequence.format])))
        start = (SCRIPTS / "coded.py", path, *size)
        search = _search(architecture)
        pixels = int(armhf.run(*start, "code", heap="4m", search=search))
        hashed, found, coded = (
            armhf.count(*start, what, heap="4m", search=search) for what in ("hash", "find", "code")
        )
    return Coded(pixels, coded - found, found - hashed)


@dataclass(frozen=True, slots=True)
class Ram:
    recorder: int
    """With its encoder, without its outbox."""
    encoder: int


def ram(panel: str) -> Ram:
    script = SCRIPTS / "ram.py"
    printed = armhf.run(script, *map(str, PANELS[panel]), heap="2m", search=_search("armv7m"))
    recorder, encoder, outbox = map(int, printed.split())
    return Ram(recorder - outbox, encoder)


def heap_of_library(link: str) -> int:
    """Bytes of heap on an rp2040 with a display of 128x64 px and a `link`, as weigh() has it: all that is not data."""
    return weigh(128, 64, MONO_VLSB, link, "armv6m").code + sum(kernel_sizes("mono_128x64").values())


def steady_heap(turns: int = 200) -> int:
    """Bytes of heap that this many turns of frames, calls, chunks, acks and resends took."""
    return int(armhf.run(SCRIPTS / "heap.py", str(turns), heap="32m", search=_search("armv7m")))


def kernel_sizes(panel: str, as_compiled: bool = False) -> dict[str, int]:
    """Bytes of each kernel module, compiled for armv6m, that a board with this display and a serial line loads."""
    search = _search("armv6m", as_compiled)
    folder = search[0]
    script = SCRIPTS / "kernels_loaded.py"
    modules = armhf.run(script, *map(str, PANELS[panel]), heap="2m", search=search).split()
    paths = {name: folder.joinpath(*name.split(".")).with_suffix(".mpy") for name in modules}
    return {name: path.stat().st_size for name, path in paths.items() if _is_kernel(name, path)}


def _is_kernel(name: str, path: Path) -> bool:
    return path.is_file() and (".kernels" in name or name.endswith("transport.framing"))


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of heap."""

    code: int
    """Bytecode, names and constants. This port keeps machine code outside of its heap, as esp32 does; rp2 does not."""
    recorder: int
    """With its encoder, without its outbox."""
    encoder: int
    outbox: int
    """Beyond its 4,096 bytes."""
    transport: int


def weigh(width: int, height: int, format: int, link: str, architecture: str) -> Weight:
    """What a recorder takes on a board: `link` is serial, mqtt, mqtts or none."""
    words = [*map(str, (width, height, format, link))]
    script = (
        "import gc; gc.collect(); empty = gc.mem_alloc(); import pixeltrail; "
        f"words = {words!r}; exec(open({str(SCRIPTS / 'weigh.py')!r}).read())"
    )
    printed = armhf.run(script, heap="2m", search=(mpy.tree(architecture),))
    total, recorder, encoder, outbox, transport = map(int, printed.split())
    return Weight(total - recorder - transport, recorder - outbox, encoder, outbox - 4096, transport)
