"""What a replay sink is: it takes recordings, piece by piece, as other sinks take calls.

A piece is a stretch of one session: pictures, touches, keys, logs and the rest, in order. It is cut once and keeps its
bounds and its number for ever: tried again, also after a crash, it is the same piece. So a sink that keeps pieces under
(device, session, number) can take one twice and has it once; one that cannot tell gets a piece twice only where a crash
or a lost answer hid that it had it.

Pieces of a session come in the order of their numbers, one at a time. Each can be read alone: its first picture is the
whole one that stood when it began. docs/replay-sinks.md shows a sink of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..export.rrweb import KEYFRAME_MS, encode_event, rrweb_events
from ..replay.marks import GAP
from ..replay.recording import Mark, Picture

__all__ = ["KEYFRAME_MS", "Film", "Mark", "Outcome", "Piece", "Picture", "ReplaySink"]


class Film(Protocol):
    """Where a piece reads from; each call begins anew."""

    def pictures(self) -> Iterator[Picture]: ...
    def marks(self) -> Iterator[Mark]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """`from_ms` and `until_ms` (since 1970, host time) are those of its first and last record, `start_ms` that of the
    session's start. `is_last`: the session has ended and this is all that is left of it. `attempts`: tried before.

    The methods that read it decode pixels and block: call them in a thread.
    """

    device_id: str
    session_id: int
    number: int
    start_ms: int
    from_ms: int
    until_ms: int
    is_last: bool
    attempts: int
    film: Film = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.device_id}/{self.session_id} piece {self.number}"

    def pictures(self) -> Iterator[Picture]:
        """The whole picture that stood at the beginning, if there was one, then each change."""
        return self.film.pictures()

    def marks(self) -> Iterator[Mark]:
        """Touches, keys, logs, vitals, gaps; and calls, whose kind is `event`."""
        return self.film.marks()

    def rrweb(
        self, *, scale: int | None = None, keyframe_ms: int = KEYFRAME_MS, without: Iterable[str] = ()
    ) -> Iterator[bytes]:
        """As rrweb events in JSON, one by one, marks of the kinds `without` left out.

        Begins with Meta and FullSnapshot; empty when there is no picture.
        """
        events = rrweb_events(
            _Chosen(self, frozenset(without)),
            scale=scale,
            keyframe_ms=keyframe_ms,
            not_before_ms=self.from_ms,
        )
        return map(encode_event, events)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A piece without some of its marks. Gaps stay: the picture begins anew behind one."""

    piece: Piece
    without: frozenset[str]

    @property
    def device_id(self) -> str:
        return self.piece.device_id

    @property
    def start_ms(self) -> int:
        return self.piece.start_ms

    def pictures(self) -> Iterator[Picture]:
        return self.piece.pictures()

    def marks(self) -> Iterator[Mark]:
        return (mark for mark in self.piece.marks() if mark.kind == GAP or mark.kind not in self.without)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a piece.

    sent: it is theirs. retry: again at `next_try_ms` (host epoch), and nothing later of its session before. dead: it
    cannot be taken; the session goes on without it, and a person may have it tried again. stop: nothing more of this
    session is wanted.
    """

    state: Literal["sent", "retry", "dead", "stop"]
    status: int | None = None
    answer: str = ""
    next_try_ms: int = 0


class ReplaySink(Protocol):
    """`name`, `alarm` and `paused_until_ms` mean what they mean for other sinks: see base.Sink."""

    name: str
    alarm: str | None
    paused_until_ms: int

    async def send(self, piece: Piece) -> Outcome:
        """Take a piece. Raises nothing that another try could mend."""
        ...

    async def close(self) -> None: ...
