"""Recorded sessions for the page: the routes of search, player, inspector and shares over one store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Final

from starlette.routing import BaseRoute

from ..store.database import SqlStore
from .inspector import InspectRoutes, RetryLetters, Shows
from .last import LastPictures
from .live import Hub
from .pixels import PixelRoutes
from .pool import Pool
from .recordings import Recordings
from .sessions import SessionRoutes
from .shares import ShareRoutes

_SHARE_PAGE: Final = resources.files(__package__) / "static" / "share.html"
_DECODERS, _STILLS, _READERS = 1, 2, 2  # threads


class Viewing:
    """`close` when the server has stopped.

    `formats`: in which sessions can be exported; `summaries`: events that the bridge makes of the pictures;
    `more` and `shared`: routes of others, the second also behind a link to one session; `closing`: what they need at
    the end; `shows`: what sinks make of an event.
    """

    def __init__(
        self,
        store: SqlStore,
        *,
        retry_letters: RetryLetters = lambda letters: [],
        wake: Callable[[], None] = lambda: None,
        public_url: str = "",
        formats: Sequence[str] = (),
        summaries: str = "",
        more: Sequence[BaseRoute] = (),
        closing: Sequence[Callable[[], None]] = (),
        shows: Shows | None = None,
        shared: Sequence[BaseRoute] = (),
    ) -> None:
        self.recordings = Recordings(store)
        self.decoders, self.stills = Pool("decode", _DECODERS), Pool("stills", _STILLS)
        self.readers = Pool("read", _READERS)
        self.forgetful: list[Callable[[], None]] = []
        self._store, self._more, self._closing = store, [*more, *shared], list(closing)
        self._sessions = SessionRoutes(store, self.recordings, self.readers, formats, summaries)
        self._pixels = PixelRoutes(self.recordings, self.stills, self.decoders)
        self._inspector = InspectRoutes(store, self.readers, retry_letters, wake, shows or {})
        reads = [*self._sessions.reads(), *self._pixels.routes(), *self._inspector.reads(), *shared]
        self._shares = ShareRoutes(
            store, self.readers, str(_SHARE_PAGE), reads, self._sessions.describe_one, public_url
        )

    def routes(self) -> list[BaseRoute]:
        return [
            *self._sessions.routes(),
            *self._pixels.routes(),
            *self._inspector.routes(),
            *self._shares.routes(),
            *self._more,
        ]

    def show_last(self, hub: Hub) -> None:
        """Let the wall begin with what each device showed last, read in a thread of its own."""
        last = LastPictures(self._store, self.recordings, hub)
        last.start()
        self._closing.append(last.close)

    def forget(self) -> None:
        """Something was forgotten: nothing of it may be shown from memory. From any thread."""
        self.recordings.clear()
        self._sessions.forget()
        for forget in self.forgetful:
            forget()

    def close(self) -> None:
        for close in self._closing:
            close()
        for pool in (self.decoders, self.stills, self.readers):
            pool.close()
