"""One stream's chunks as moments, with the canvas as it stood at each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import FrameError
from ..wire.messages import Body, Chunk, Display, Frame, Gap, Hello
from .canvas import Canvas, Shown


@dataclass(frozen=True, slots=True)
class Moment:
    """One record. `shown`: the frame that became visible with it. `error`: why a frame or display was given up on."""

    time_ms: int
    seq: int
    index: int
    body: Body
    shown: Shown | None = None
    error: str | None = None


class Timeline:
    """Feed it the chunks of ONE stream in rising seq; what is missing may be told by `lost`, or is noticed.

    canvas: None until the first display record, and after one that makes no sense. lost_chunks counts missing seqs.
    """

    def __init__(self, use_numba: bool = True) -> None:
        self.canvas: Canvas | None = None
        self.lost_chunks = 0
        self._use_numba = use_numba
        self._next_seq: int | None = None

    def feed(self, chunk: Chunk) -> Iterator[Moment]:
        """The moments of a chunk, one by one: `canvas` stands at the moment just yielded. Exhaust it."""
        if self._next_seq is not None and chunk.seq > self._next_seq:
            self.lost(self._next_seq, chunk.seq)
        self._next_seq = chunk.seq + 1
        for record in chunk.records:
            shown, error = None, None
            try:
                shown = self._apply(record.body)
            except FrameError as fault:
                error = str(fault)
            yield Moment(record.time_ms, chunk.seq, record.index, record.body, shown, error)

    def lost(self, first: int, end: int) -> None:
        """Chunks first <= seq < end are not coming: nothing is shown until the next keyframe."""
        self.lost_chunks += max(0, end - first)
        self._next_seq = max(end, self._next_seq or 0)
        if end > first and self.canvas is not None:
            self.canvas.discard()

    def _apply(self, body: Body) -> Shown | None:
        if isinstance(body, Frame):
            return None if self.canvas is None else self.canvas.apply(body)
        if isinstance(body, Display):
            self._set_display(body)
        elif isinstance(body, Gap) and body.first == body.end and self.canvas is not None:
            self.canvas.interrupt()  # what was refused never began: the next frame fits what is shown
        elif isinstance(body, (Hello, Gap)) and self.canvas is not None:
            self.canvas.discard()
        return None

    def _set_display(self, display: Display) -> None:
        if self.canvas is not None:
            self.canvas.discard()
        self.canvas = None
        self.canvas = Canvas(display, self._use_numba)


def pictures(chunks: Iterable[Chunk]) -> Iterator[tuple[Moment, bytes]]:
    """Each frame that became visible, with a copy of the picture in the display's own format."""
    timeline = Timeline()
    for chunk in chunks:
        for moment in timeline.feed(chunk):
            if moment.shown is not None and timeline.canvas is not None:
                yield moment, bytes(timeline.canvas.picture)
