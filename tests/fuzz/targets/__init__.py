"""One module for each decoder, with the same four names.

`MODULES` are the decoder, whose lines are counted, some as `module:name` of a function or class alone. `MAX_BYTES` of
an input. `seeds()` gives inputs that reach far. `one(data)` decodes one input: whatever it raises is a finding, a
broken promise as well as an exception that is not one of the product's own.

What was found once stays in tests/data/fuzz/TARGET, one file each, and is a seed from then on.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("serial", "chunk", "codec", "downlink", "post", "query", "signed")
FOUND = Path(__file__).resolve().parents[2] / "data" / "fuzz"


def load(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")


def found(name: str) -> Iterator[Path]:
    """What a target tripped over at some time."""
    yield from sorted((FOUND / name).glob("*.bin"))


def all_seeds(name: str) -> list[bytes]:
    return [*load(name).seeds(), *(path.read_bytes() for path in found(name))]
