"""Who a message is from, and what becomes of what it says: streams, counts, dead letters, answers. Of one transaction.

A stream is one device's. The transport's word for who sent a message stands above the message's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..sources.base import Arrival, Channel
from ..store.base import IngestTransaction
from ..wire import messages as m
from ..wire.signed import Seal
from .known import Known, Stream
from .rows import Rows
from .seals import LETTER, NOT_GENUINE, REPEATED, UNSIGNED, KeysOf, Opened, is_repeated

BEFORE_SYNC = "chunks_before_sync"  # counter of messages on a line that has not said who is there


@dataclass(slots=True)
class Outcome:
    """What to tell the devices once the transaction has been committed."""

    acks: dict[Stream, bool] = field(default_factory=dict)  # True: at once
    replies: list[tuple[str, m.Downlink]] = field(default_factory=list)
    routes: dict[str, Channel] = field(default_factory=dict)  # the way back to each device
    advanced: set[Stream] = field(default_factory=set)
    waved: dict[tuple[str, bytes], int] = field(default_factory=dict)  # acks for what is not wanted
    seals: dict[str, Seal | None] = field(default_factory=dict)  # of each device's newest sync


class Desk:
    """`identities` maps a serial channel's id() to the device that its sync named.

    `take_stream` says whether a device may begin one more stream.
    """

    def __init__(
        self,
        tx: IngestTransaction,
        known: Known,
        keys_of: KeysOf,
        identities: dict[int, str],
        take_stream: Callable[[str], bool],
    ) -> None:
        self._tx, self._known, self._keys_of = tx, known, keys_of
        self._identities, self._take_stream = identities, take_stream
        self.outcome = Outcome()
        self.rows = Rows()

    # ---- who ------------------------------------------------------------------

    def device_of(self, arrival: Arrival) -> str | None:
        return arrival.device_id or self._identities.get(id(arrival.channel))

    def name(self, arrival: Arrival, device_id: str) -> None:
        """A sync says who is at the other end of its line."""
        if arrival.device_id is None:
            self._identities[id(arrival.channel)] = device_id

    def stream_of(self, arrival: Arrival, stream_id: bytes) -> Stream | None:
        """The stream that a message belongs to, new or known; None when it may not belong to its sender."""
        claimed = self.device_of(arrival)
        stream = self._known.stream(self._tx, stream_id)
        if stream is None:
            if claimed is None:
                self.count("", BEFORE_SYNC)
                return None
            if not self._take_stream(claimed):
                return None  # not acked, so it comes again
            device = self._known.device(self._tx, claimed, arrival.received_ms)
            stream = self._known.add_stream(self._tx, device, stream_id, arrival.received_ms)
        elif claimed is not None and claimed != stream.device.device_id:
            owner = stream.device.device_id
            reason = f"stream {stream_id.hex()} belongs to {owner}; two devices share an ID or a stream"
            self.dead_letter(claimed, "mismatch", reason, arrival.data, arrival.received_ms, stream_id, None)
            self.reply(arrival, claimed, m.NewStream(stream_id))
            return None
        elif claimed is None and self._must_sign(stream.device.device_id):
            self.refuse(stream.device.device_id, UNSIGNED, arrival.received_ms)
            return None
        self.rows.touched[stream] = arrival.received_ms
        self.outcome.routes[stream.device.device_id] = arrival.channel
        self.outcome.seals[stream.device.device_id] = stream.device.state.seal
        return stream

    def _must_sign(self, device_id: str) -> bool:
        """Of one that a serial line has not named: what is signed comes with its name."""
        keys = self._keys_of(device_id)
        return keys is not None and keys.is_required

    def check_claim(self, stream: Stream, claimed: str, now_ms: int) -> None:
        owner = stream.device.device_id
        if claimed != owner:
            reason = f"the device calls itself {claimed}, and its topic or line says {owner}, which stands"
            self.dead_letter(owner, "mismatch", reason, claimed.encode(), now_ms, stream.id, None)

    # ---- signed syncs ---------------------------------------------------------

    def is_repeated(self, seal: Seal, sync: m.Sync) -> bool:
        """Whether somebody sends an old sync again, which would spoil times, and have answers go to what is over."""
        stream = self._known.stream(self._tx, sync.stream)
        if stream is None or not is_repeated(stream.state.signed_sync, sync.now_ms, seal):
            return False
        self.count(stream.device.device_id, REPEATED)
        return True

    def note_seal(self, stream: Stream, seal: Seal | None, sync: m.Sync) -> None:
        """What is sent down from now on answers this sync."""
        if seal is not None:
            stream.state.signed_sync = sync.now_ms, seal.number
        stream.device.state.seal = seal
        self.outcome.seals[stream.device.device_id] = seal

    # ---- ends -----------------------------------------------------------------

    def count(self, device_id: str, name: str, by: int = 1) -> None:
        self.rows.counts[device_id, name] += by

    def note_refused(self, opened: Opened, now_ms: int) -> None:
        """Count what was not let in for its signature, or for want of one."""
        for (device_id, reason), count in opened.refused.items():
            self.refuse(device_id, reason, now_ms, count)
        if opened.unknown_lines:
            self.count("", BEFORE_SYNC, opened.unknown_lines)

    def refuse(self, device_id: str, reason: str, now_ms: int, count: int = 1) -> None:
        """One letter tells of all of a reason: whoever forges messages shall not fill the table with them."""
        self.count(device_id, NOT_GENUINE, count)
        self.dead_letter(device_id, LETTER, reason, reason.encode(), now_ms, None, None)

    def dead_letter(
        self,
        device_id: str,
        kind: str,
        reason: str,
        raw: bytes,
        now_ms: int,
        stream: bytes | None,
        seq: int | None,
    ) -> None:
        self._tx.add_dead_letter(device_id, kind, reason, raw, now_ms, stream, seq)

    def reply(self, arrival: Arrival, device_id: str, message: m.Downlink) -> None:
        self.outcome.routes[device_id] = arrival.channel
        if (device_id, message) not in self.outcome.replies:
            self.outcome.replies.append((device_id, message))

    def ack(self, stream: Stream, at_once: bool) -> None:
        self.outcome.acks[stream] = at_once or self.outcome.acks.get(stream, False)
