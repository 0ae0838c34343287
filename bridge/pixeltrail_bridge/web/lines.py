"""A connection of a browser or an app: it has a time for what it asks, and one of a number of places.

uvicorn waits for a request, and for the rest of one that has begun, as long as whoever sends it likes. A thousand such
connections, of somebody who never logs in, would take every file that the process may open, the database's among them.

With TLS a connection is a Door until its handshake has ended, which counts and goes as the others do: asyncio by itself
tells nobody of one before, and waits a minute for it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_LINES: Final = (
    400  # of one server; the page and the apps' address together stay below the usual 1,024 files
)
LOOK_S: Final = 30.0  # a request has one to two of these: 500 KB need 17 KB/s
HANDSHAKE_S: Final = 10.0  # two round trips and two signatures
_WAITING: Final = (h11.IDLE, h11.SEND_BODY)


class Line(H11Protocol):
    """Belongs to the event loop, as its server does."""

    most_lines = MOST_LINES
    look_s = LOOK_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began_s = self.loop.time()
        self._seen: tuple[Any, Any] | None = None
        self._look()
        _make_room(self, self.connections)

    @property
    def awaits(self) -> tuple[Any, Any] | None:
        """What we wait for, equal as long as nothing moves; None while the line waits for us, or is no HTTP more."""
        state, is_ours = self.conn.their_state, self.transport.get_protocol() is self
        return (state, self.cycle) if is_ours and state in _WAITING else None

    def _look(self) -> None:
        if self.transport.is_closing() or self.conn.their_state is h11.SWITCHED_PROTOCOL:
            return
        if (awaits := self.awaits) is not None and awaits == self._seen:
            self.transport.abort()
            return
        self._seen = awaits
        self.loop.call_later(self.look_s, self._look)


class Door(asyncio.Protocol):
    """A connection before its handshake has ended; then the line that it was given takes its place."""

    handshake_s = HANDSHAKE_S

    def __init__(self, line: Line, context: ssl.SSLContext) -> None:
        self._line, self._context = line, context
        self._early = bytearray()  # what came with the end of the handshake
        self.transport: asyncio.Transport
        self.began_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.began_s = transport, self._line.loop.time()
        transport.pause_reading()  # until there is TLS to read it
        self._line.connections.add(self)  # type: ignore[arg-type] # it has what uvicorn asks of one
        _make_room(self, self._line.connections)
        self._handshake = self._line.loop.create_task(self._shake())

    async def _shake(self) -> None:
        loop, shakes_s = self._line.loop, self.handshake_s
        try:
            transport = await loop.start_tls(
                self.transport, self, self._context, server_side=True, ssl_handshake_timeout=shakes_s
            )
        except OSError:  # ssl's own and those of connections among them
            self.transport.abort()
            return
        finally:
            self._line.connections.discard(self)
        if transport is None or transport.is_closing():
            return
        transport.set_protocol(self._line)
        self._line.connection_made(transport)
        if self._early:
            self._line.data_received(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        self._early += data

    def shutdown(self) -> None:
        """As uvicorn ends its connections."""
        self.transport.abort()


def behind_tls(context: ssl.SSLContext) -> Callable[..., Door]:
    """What makes connections for uvicorn in the place of Line."""
    return lambda **given: Door(Line(**given), context)


def _make_room(new: Line | Door, connections: Iterable[object]) -> None:
    """In the place of the one that has been here longest and asks for nothing; else it is the new one that goes.

    Who has not even ended a handshake goes before all others.
    """
    here = [one for one in connections if isinstance(one, Line | Door)]
    if len(here) <= Line.most_lines:
        return
    others = [
        one
        for one in here
        if one is not new and not one.transport.is_closing() and (isinstance(one, Door) or one.awaits)
    ]
    min(others, key=lambda one: (isinstance(one, Line), one.began_s), default=new).transport.abort()
