"""Recorded display contents, changed frames only; the format is described in tests/data/corpus/README.md."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .requirements import ROOT

DEFAULT_FOLDER = ROOT / "tests" / "data" / "corpus"


@dataclass(frozen=True, slots=True)
class Sequence:
    name: str
    format: str
    """MONO_VLSB, MONO_HLSB, GS4, GS8, RGB565 (little-endian) or RGB565S (big-endian)."""
    width: int
    height: int
    frame_bytes: int
    t_ms: list[int]
    """When each frame was captured."""
    meta: dict[str, Any]
    """The whole description, with the sequence's source, licence and any flush rectangles."""
    path: Path

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def frames(self) -> Iterator[bytes]:
        """A new pass over the pictures from the first on, each `frame_bytes` long and owned by the caller."""
        picture = 0
        with gzip.open(self.path) as blocks:
            for _ in self.t_ms:
                block = blocks.read(self.frame_bytes)
                if len(block) != self.frame_bytes:
                    raise ValueError(f"{self.path.name} ends inside a frame")
                picture ^= int.from_bytes(block, "big")
                yield picture.to_bytes(self.frame_bytes, "big")

    def frame(self, index: int) -> bytes:
        """One picture. Costs a decode of all before it."""
        for number, picture in enumerate(self.frames):
            if number == index:
                return picture
        raise IndexError(index)


def names(folder: Path = DEFAULT_FOLDER) -> list[str]:
    found = sorted(path.stem for path in Path(folder).glob("*.json"))
    if not found:
        raise FileNotFoundError(f"no recorded sequences in {folder}")
    return found


def load(name: str, folder: Path = DEFAULT_FOLDER) -> Sequence:
    meta = json.loads((Path(folder) / f"{name}.json").read_text())
    return Sequence(
        name=meta["name"],
        format=meta["format"],
        width=meta["width"],
        height=meta["height"],
        frame_bytes=meta["frame_bytes"],
        t_ms=meta["t_ms"],
        meta=meta,
        path=Path(folder) / f"{name}.bin.gz",
    )


def load_all(folder: Path = DEFAULT_FOLDER) -> list[Sequence]:
    return [load(name, folder) for name in names(folder)]
