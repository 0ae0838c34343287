"""A chunk without what people did in it: how the stream goes on, for the decoder's sake, and nothing else."""

from __future__ import annotations

from typing import Final

from . import messages as m
from .encode import encode_uplink

_FRAMEWORK: Final = (
    m.Hello,
    m.Display,
    m.SessionStart,
    m.SessionEnd,
    m.Gap,
    m.OptOut,
    m.Vitals,
    m.Masks,
)
_DISPLAYS: Final = (m.Hello, m.Display)
_NEEDED: Final = (m.Hello, m.Display, m.SessionStart)


def scrub(chunk: m.Chunk, *, displays_only: bool = False) -> bytes | None:
    """The bytes of what may be kept, under the same place in the stream; None when nothing of it is needed."""
    kept = _DISPLAYS if displays_only else _FRAMEWORK
    records = tuple(one for one in chunk.records if isinstance(one.body, kept))
    if not any(isinstance(one.body, _NEEDED) for one in records):
        return None
    return encode_uplink(m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, records))
