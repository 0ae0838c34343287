"""What the device library costs: instructions, heap, RAM and code, on 32-bit MicroPython (tests/support/armhf.py).

Every figure is a count and comes out the same on any machine. The library is compiled for armv7m; sizes are those for
armv6m. Machine code is shortened as `./dev build` does it (firmware/arm_code); "as_compiled" is without that.
`--corpus FOLDER` chooses the recorded sequences, `--frames N` how many pictures of each (all).
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from tests.firmware.armhf import measures
from tests.support import corpus

_COLOUR = ("RGB565", "RGB565S")
_MONO = ("MONO_VLSB", "MONO_HLSB")
_RGB565, _OLED = measures.PANELS


def _figure(name: str, value: float, unit: str, detail: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "against": None, "detail": detail}


def _unchanged() -> dict[str, Any]:
    value = measures.unchanged(_RGB565)
    detail = {
        "measured": "the display's refresh with the recorder's hook in it, armv7m",
        "armv6m": measures.unchanged(_RGB565, architecture="armv6m"),
        "as_compiled": measures.unchanged(_RGB565, as_compiled=True),
        "hash_pass": measures.hash_pass(_RGB565),
        "hash_pass_armv6m": measures.hash_pass(_RGB565, "armv6m"),
        "idle_poll": measures.unchanged(_RGB565, "poll"),
        "stopped": measures.unchanged(_RGB565, "off"),
        "mono_128x64": measures.unchanged(_OLED),
    }
    return _figure("insn.unchanged_320x240_rgb565", value, "instructions", detail)


def _coded(name: str, formats: tuple[str, ...], folder: Path, frames: int | None) -> list[dict[str, Any]]:
    chosen = [s for s in corpus.load_all(folder) if s.format in formats and not s.name.startswith("photo_")]
    if not chosen:
        return []
    counts = {sequence.name: measures.coded(sequence, frames) for sequence in chosen}
    each = {sequence: count.each for sequence, count in counts.items() if count.pixels}
    with_search = {sequence: count.each_with_search for sequence, count in counts.items() if count.pixels}
    detail = {
        "measured": "from the end of the refresh to the last part; pixels in rectangles that were coded",
        "with_search_for_moves": round(statistics.geometric_mean(with_search.values()), 1),
        "sequences": {sequence: round(value, 1) for sequence, value in each.items()},
        "sequences_with_search_for_moves": {name: round(value, 1) for name, value in with_search.items()},
        "pixels": {sequence: count.pixels for sequence, count in counts.items()},
        "frames": frames,
    }
    return [
        _figure(name, round(statistics.geometric_mean(each.values()), 1), "instructions per pixel", detail)
    ]


def _ram(name: str, panel: str) -> dict[str, Any]:
    ram = measures.ram(panel)
    detail = {"encoder": ram.encoder, "rest of the recorder": ram.recorder - ram.encoder}
    return _figure(name, ram.recorder, "B", detail)


def _kernels() -> dict[str, Any]:
    sizes = {panel: measures.kernel_sizes(panel) for panel in measures.PANELS}
    totals = {panel: sum(modules.values()) for panel, modules in sizes.items()}
    whole = {panel: sum(measures.kernel_sizes(panel, True).values()) for panel in measures.PANELS}
    detail = {"totals": totals, "modules": sizes, "totals_as_compiled": whole}
    return _figure("size.kernels", max(totals.values()), "B", detail)


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench insn", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=corpus.DEFAULT_FOLDER)
    parser.add_argument("--frames", type=int)
    options = parser.parse_args(argv)
    return [
        _unchanged(),
        *_coded("insn.coded_pixel", _COLOUR, options.corpus, options.frames),
        *_coded("insn.coded_pixel_mono", _MONO, options.corpus, options.frames),
        _figure(
            "heap.steady_bytes",
            measures.steady_heap(),
            "B",
            "200 turns of frames, calls, chunks, acks, resends",
        ),
        _ram("ram.320x240_rgb565", _RGB565),
        _ram("ram.128x64_mono", _OLED),
        _kernels(),
    ]
