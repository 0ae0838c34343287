"""Trees of .mpy, as `./dev build` makes them: one per architecture and process, made on first use."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType

from .micropython import FIRMWARE

# Private names that scripts of the tests use. Those of a shipped tree are all short: test_shrink.py runs one.
KEPT = frozenset(
    (
        "_IS_32_BIT",
        "_IS_THUMB",
        "_address",
        "_answers",
        "_assembler",
        "_shape",
        "_chunk",
        "_job",
        "_link",
        "_masks",
        "_moves",
        "_numbers",
        "_remote",
        "_session",
        "_settings",
        "_strips",
        "_use_remote",
    )
)


def builder() -> ModuleType:
    """firmware/build_mpy.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("build_mpy", FIRMWARE / "build_mpy.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mpy-")


@functools.cache
def tree(architecture: str, assembler: bool = False, as_compiled: bool = False) -> Path:
    """A folder for MICROPYPATH that holds the whole library compiled for an architecture.

    as_compiled: with the machine code that the compiler wrote, which firmware/arm_code would shorten.
    """
    folder = Path(_home().name) / f"{architecture}-{assembler:d}-{as_compiled:d}"
    builder().build(architecture, folder, assembler, as_compiled, KEPT)
    return folder
