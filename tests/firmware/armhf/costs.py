"""What a recorder costs a board, measured on 32 bits: `python -m tests.firmware.armhf.costs` writes boards/costs.toml.

`pixeltrail size` computes with these, on machines that have no 32-bit build.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixeltrail_bridge.boards import size

from tests.support import armhf, mpy

from . import measures

FORMATS = (
    "MONO_VLSB",
    "MONO_HLSB",
    "MONO_HMSB",
    "GS2_HMSB",
    "GS4_HMSB",
    "GS8",
    "RGB565",
    "RGB565S",
    "RGB332",
)
WIDTHS = {"narrow": 128, "wide": 320}  # strips of 16 and of 32 pixels
LINKS = ("serial", "mqtt", "mqtts")
ARCHITECTURES = ("armv6m", "armv7emsp", "xtensawin", "rv32imc")
REFERENCE = "armv6m"
HEIGHT = 64


def modules(width: int, format: int) -> list[str]:
    """The modules that such a display loads, by name."""
    search = (mpy.tree(REFERENCE), measures.SCRIPTS, measures.PARTS)
    words = map(str, (width, HEIGHT, format))
    return armhf.run(measures.SCRIPTS / "kernels_loaded.py", *words, heap="2m", search=search).split()


def machine_code(names: list[str], architecture: str) -> int:
    """Bytes of the compiled kernels among modules."""
    paths = [mpy.tree(architecture).joinpath(*name.split(".")).with_suffix(".mpy") for name in names]
    kernels = [
        path
        for path in paths
        if path.is_file() and ("kernels" in path.parts or path.stem in ("kernels", "framing"))
    ]
    return sum(path.stat().st_size for path in kernels)


def measure() -> dict[str, Any]:
    bare = measures.weigh(128, HEIGHT, 0, "none", REFERENCE)
    links = {link: measures.weigh(128, HEIGHT, 0, link, REFERENCE) for link in LINKS}
    code: dict[str, int] = {}
    kernels: dict[str, dict[str, int]] = {name: {} for name in ARCHITECTURES}
    for key, width, format in displays():
        code[key] = measures.weigh(width, HEIGHT, format, "none", REFERENCE).code
        loaded = modules(width, format)
        for architecture in ARCHITECTURES:
            kernels[architecture][key] = machine_code(loaded, architecture)
    return {
        "data": {
            "recorder": bare.recorder - bare.encoder,
            "outbox": bare.outbox,
            **{link: weight.transport for link, weight in links.items()},
        },
        "link": {link: weight.code - bare.code for link, weight in links.items()},
        "code": code,
        **{f"kernels.{name}": row for name, row in kernels.items()},
        "files": {name: _total(mpy.tree(name, True)) for name in ARCHITECTURES},
    }


def displays() -> Iterator[tuple[str, int, int]]:
    for number, format in enumerate(FORMATS):
        for which, width in WIDTHS.items():
            yield f"{format}_{which}", width, number


def _total(tree: Path) -> int:
    return sum(path.stat().st_size for path in tree.rglob("*.mpy"))


def text(tables: dict[str, Any]) -> str:
    lines = [
        "# Bytes, measured on the 32-bit build from .mpy: python -m tests.firmware.armhf.costs writes this file.",
        "# data: objects of a recorder beyond its encoder and outbox. link, code: bytecode in the heap.",
        "# kernels: machine code. files: the compiled library in flash.",
    ]
    for name, row in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    size.COSTS.write_text(text(measure()))
