"""One moment as a PNG, with nothing lost."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from .options import Progress
from .stage import Stage


def write_png(stage: Stage, file: BinaryIO, progress: Progress | None = None) -> None:
    """The picture standing at the part's start; before the first one, the first. LocalError: there is none."""
    for _, shot in stage.shots(progress):
        Image.fromarray(shot.rgb()).save(file, "PNG", optimize=True)
        return
