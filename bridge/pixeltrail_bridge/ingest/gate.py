"""What of a batch may be taken: everything, but for devices and users of whom nothing is.

What they send is acknowledged, so that no device waits with it, and counted without a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import WireError
from ..sessions.state import SessionRow
from ..sources.base import Arrival, Presence
from ..store.base import NewChunk
from ..wire import messages as m
from ..wire.scrub import scrub
from .known import Stream
from .refusals import REFUSED_CHUNKS, REFUSED_MESSAGES, Refusals
from .rows import Rows
from .settings import Mapped

if TYPE_CHECKING:
    from .desk import Outcome
    from .seals import Decoded


class Gate:
    """Of one transaction. `identities` is the batch's: a serial line's device is known by its sync."""

    def __init__(self, refusals: Refusals, outcome: Outcome, rows: Rows, identities: dict[int, str]) -> None:
        self.refusals = refusals
        self._outcome, self._rows, self._identities = outcome, rows, identities

    def let_in(
        self,
        items: Sequence[Decoded | Presence],
        device_of: Callable[[Arrival], str | None],
        reply: Callable[[Arrival, str, m.Downlink], None],
    ) -> Iterator[Decoded | Presence]:
        """What may be taken, in its order."""
        for item in items:
            if isinstance(item, Presence):
                if not self.refusals.refuses_device(item.device_id):
                    yield item
                continue
            arrival, message = item
            device_id = device_of(arrival) or getattr(message, "device_id", None)
            if device_id is None:
                yield item
            elif self.refusals.refuses_device(device_id):
                self._wave_through(arrival, device_id, message)
            elif message.stream is not None and self.refusals.refuses_stream(message.stream):
                self._wave_through(arrival, device_id, message)
                reply(arrival, device_id, m.NewStream(message.stream))
            else:
                yield item

    def _wave_through(self, arrival: Arrival, device_id: str, message: m.Chunk | m.Sync | WireError) -> None:
        """Every seq up to this one is dealt with: none of them is wanted."""
        self._rows.counts["", REFUSED_MESSAGES] += 1
        if isinstance(message, m.Sync):
            if arrival.device_id is None:
                self._identities[id(arrival.channel)] = message.device_id
            end: int | None = message.next
        else:
            end = None if message.seq is None else message.seq + 1
        if message.stream is None or end is None:
            return
        self._outcome.routes[device_id] = arrival.channel
        place = (device_id, message.stream)
        self._outcome.waved[place] = max(end, self._outcome.waved.get(place, 0))

    def keep_part(self, stream: Stream, new: NewChunk, chunk: m.Chunk, mapped: Mapped) -> None:
        """Of a chunk that somebody is in who was forgotten, only what the decoder needs."""
        place = (stream.device.device_id, mapped.session_id)
        is_forgotten = self.refusals.refuses_stretch(*place, mapped.end_ms or mapped.host_ms)
        if not (is_forgotten or mapped.names_refused):
            return
        self._rows.counts["", REFUSED_CHUNKS] += 1
        if is_forgotten:
            mapped.withhold(self._is_gone)
            new.session_id = mapped.session_id
        data = scrub(chunk, displays_only=is_forgotten)
        if data is None:
            mapped.drop()
            return
        self._rows.scrubbed.append(new.key)
        if new.key in self._rows.chunks:
            new.data = data
        else:
            self._rows.replaced.append((new.key, data))

    def _is_gone(self, row: SessionRow) -> bool:
        return self.refusals.refuses_stretch(row.device_id, row.session_id, row.last_ms)
