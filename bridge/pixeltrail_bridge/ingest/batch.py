"""What messages do inside one transaction: store chunks in any order, pass them on in seq order, answer syncs.

Rules kept here:

- A chunk is mapped exactly once, when every seq below it has passed, been skipped by a gap record, or been freed.
- The same key with the same bytes is a duplicate; with other bytes a conflict, and the device begins a new stream.
- What cannot be read is a dead letter. If its head could be read it still takes its place in the stream, so that no
  device resends it for ever.
- A stream is one device's: desk.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from ..errors import UnknownMessageError, WireError
from ..sessions.ids import NO_SESSION
from ..sessions.state import GapRow
from ..sources.base import Arrival, Presence, host_ms
from ..store.base import SEQ_SPAN, IngestTransaction, NewChunk
from ..store.packs import chunk_digest
from ..wire import messages as m
from ..wire.decode import decode_uplink
from .desk import Desk, Outcome
from .gate import Gate
from .known import Device, Known, Stream
from .refusals import Refusals
from .seals import Decoded
from .settings import IngestSettings, Mapped, Mapper
from .standstill import unreadable_places

log = structlog.get_logger(__name__)

_OVERTAKEN_MS = (
    600_000  # of two workers each takes its share: order is lost by seconds, and by more a clock was set
)
_HEADS = frozenset((m.Hello, m.Display))
_NOTED = frozenset((m.Hello, m.Bad, m.Unknown))  # records that are looked at one by one


class Batch:
    """One transaction's work. `identities` maps a serial channel's id() to the device that its sync named.

    `take_stream` says whether a device may begin one more stream.
    """

    def __init__(
        self,
        tx: IngestTransaction,
        known: Known,
        settings: IngestSettings,
        mapper: Mapper,
        identities: dict[int, str],
        take_stream: Callable[[str], bool] = lambda device_id: True,
    ) -> None:
        self._tx, self._known, self._settings = tx, known, settings
        self._map, self._identities = mapper, identities
        self._desk = Desk(tx, known, settings.keys_of, identities, take_stream)
        self.note_refused = self._desk.note_refused
        self.outcome, self._rows = self._desk.outcome, self._desk.rows
        self._mapping = settings.mapping
        self._gate: Gate | None = None  # while there is nobody of whom nothing is taken

    def run(self, items: Sequence[Decoded | Presence]) -> Outcome:
        self._lock(items)
        self._set_gate()
        for item in (
            items if self._gate is None else self._gate.let_in(items, self._desk.device_of, self._desk.reply)
        ):
            if isinstance(item, Presence):
                self._take_presence(item)
                continue
            arrival, message = item
            if isinstance(message, m.Chunk):
                self._take_chunk(arrival, message.stream, message.seq, message)
            elif isinstance(message, m.Sync):
                self._take_sync(arrival, message)
            else:
                self._take_unreadable(arrival, message)
        self._rows.write(self._tx)
        return self.outcome

    def _lock(self, items: Sequence[Decoded | Presence]) -> None:
        messages = [item for item in items if not isinstance(item, Presence)]
        devices = {device for arrival, _ in messages if (device := self._desk.device_of(arrival))}
        devices |= {item.device_id for item in items if isinstance(item, Presence)}
        streams = {message.stream for _, message in messages if message.stream is not None}
        places = [(message.stream, message.seq) for _, message in messages if isinstance(message, m.Chunk)]
        self._known.begin(self._tx, devices, streams, places)

    def _set_gate(self) -> None:
        """Behind the locks: whoever forgets a device holds its lock while it does."""
        refusals = Refusals(self._settings.blocked, self._tx.tombstones)
        if refusals:
            self._gate = Gate(refusals, self.outcome, self._rows, self._identities)
            if self._mapping is not None:
                self._mapping = replace(self._mapping, refuses_user=refusals.refuses_user)

    # ---- presence ---------------------------------------------------------------

    def _take_presence(self, presence: Presence) -> None:
        """The broker's word. That a device is back shows when it sends a sync: it may have started anew."""
        device = self._known.known_device(self._tx, presence.device_id)
        if device is not None and _is_overtaken(presence, device):
            return
        self._tx.set_online(presence.device_id, presence.is_online)
        stream_id = self._tx.newest_stream(presence.device_id) if device and not presence.is_online else None
        stream = self._known.stream(self._tx, stream_id) if stream_id is not None else None
        if stream is not None:
            self._note_presence(stream, False, presence.received_ms)

    def _note_sync(self, stream: Stream, now_ms: int) -> None:
        state = stream.device.state
        state.alive_ms = now_ms
        if state.is_away:
            if 0 <= state.away_since_ms - now_ms < _OVERTAKEN_MS:
                return  # it has gone since
            self._tx.set_online(stream.device.device_id, True)
        self._note_presence(stream, True, now_ms)

    def _note_presence(self, stream: Stream, is_online: bool, now_ms: int) -> None:
        device = stream.device
        was_away = device.state.is_away
        self._rows.calls += self._map.presence(
            *(device.state, stream.state, stream.id, stream.watermark, is_online, now_ms),
            *(device.device_id, self._mapping),
        )
        if device.state.is_away is not was_away:
            self._rows.touched.setdefault(stream, now_ms)

    # ---- chunks ---------------------------------------------------------------

    def _take_chunk(self, arrival: Arrival, stream_id: bytes, seq: int, chunk: m.Chunk | WireError) -> None:
        stream = self._desk.stream_of(arrival, stream_id)
        if stream is None:
            return
        key = stream.number * SEQ_SPAN + seq
        if seq < stream.watermark or seq in stream.ahead:
            self._take_again(arrival, stream, seq, key)
            return
        new = self._rows.chunks[key] = NewChunk(key, arrival.received_ms, arrival.data)
        if isinstance(chunk, WireError):
            new.fault = str(chunk)
        else:
            self._note_skips(stream, chunk)
        if seq == stream.watermark:
            self._pass(stream, seq, new, chunk if isinstance(chunk, m.Chunk) else None)
        else:
            stream.ahead.add(seq)
        self._advance(stream)
        self._desk.ack(stream, at_once=bool(stream.ahead))

    def _take_again(self, arrival: Arrival, stream: Stream, seq: int, key: int) -> None:
        device_id = stream.device.device_id
        if self._is_repeat(key, arrival.data):
            self._desk.count(device_id, "duplicates")
        else:
            reason = f"stream {stream.id.hex()} seq {seq} came with other bytes before; the first are kept"
            self._desk.dead_letter(
                device_id, "conflict", reason, arrival.data, arrival.received_ms, stream.id, seq
            )
            self._desk.count(device_id, "conflicts")
            log.error("conflict", device=device_id, stream=stream.id.hex(), seq=seq)
            self._desk.reply(arrival, device_id, m.NewStream(stream.id))
        self._desk.ack(stream, at_once=bool(stream.ahead))

    def _is_known(self, key: int, data: bytes) -> bool:
        """Whether a chunk came with these very bytes before; True also where nothing of it was kept."""
        new = self._rows.chunks.get(key)
        stored = (new.data,) if new is not None else self._tx.chunk(key)
        if stored is not None:
            return stored[0] == data
        packed = self._tx.packed_digest(key)
        return packed is None or packed == chunk_digest(data)

    def _is_repeat(self, key: int, data: bytes) -> bool:
        return self._is_known(key, data) or key in self._rows.scrubbed or self._tx.is_scrubbed(key)

    def _take_unreadable(self, arrival: Arrival, error: WireError) -> None:
        device_id = self._desk.device_of(arrival) or ""
        if isinstance(error, UnknownMessageError):
            self._desk.count(device_id, "unknown_messages")
            return
        self._desk.dead_letter(
            device_id, "undecodable", str(error), arrival.data, arrival.received_ms, error.stream, error.seq
        )
        if error.stream is not None and error.seq is not None:
            self._take_chunk(arrival, error.stream, error.seq, error)
        elif (device := self._known.known_device(self._tx, device_id)) is not None:
            device.has_loose = True

    def _note_skips(self, stream: Stream, chunk: m.Chunk) -> None:
        if m.Gap not in _kinds(chunk):
            return
        for record in chunk.records:
            body = record.body
            if type(body) is m.Gap and body.first < body.end and body.end > stream.watermark:
                self._skip(stream, body.first, body.end)

    def _skip(self, stream: Stream, first: int, end: int) -> None:
        stream.skips.append((first, end))
        self._rows.skips.append((stream.number, first, end))

    def _advance(self, stream: Stream) -> None:
        """Pass every chunk that the watermark now reaches, over what will not come."""
        while stream.ahead or stream.skips:
            seq = stream.watermark
            if seq in stream.ahead:
                stream.ahead.discard(seq)
                self._pass_stored(stream, seq)
                continue
            end = stream.skip_end()
            if end is None:
                return
            stream.watermark = min((s for s in stream.ahead if seq < s < end), default=end)
            stream.skips = [skip for skip in stream.skips if skip[1] > stream.watermark]
            self.outcome.advanced.add(stream)

    def _pass_stored(self, stream: Stream, seq: int) -> None:
        key = stream.number * SEQ_SPAN + seq
        new = self._rows.chunks.get(key)
        if new is None:
            row = self._tx.chunk(key)
            assert row is not None, "a seq above the watermark is stored"
            new = NewChunk(key, row[2], row[0], fault=row[1])
        chunk = decode_uplink(new.data) if new.fault is None else None
        self._pass(stream, seq, new, chunk if isinstance(chunk, m.Chunk) else None)
        if key not in self._rows.chunks and new.session_id is not None and new.host_ms is not None:
            self._rows.places.append((new.session_id, new.host_ms, key))

    def _pass(self, stream: Stream, seq: int, new: NewChunk, chunk: m.Chunk | None) -> None:
        """The next chunk in order; None when it could not be read and only holds its place."""
        stream.watermark = seq + 1
        self.outcome.advanced.add(stream)
        if chunk is None:
            if stream.state.midway is None:
                stream.state.midway = False  # the same would come first in another stream
            return
        kinds = _kinds(chunk)
        if not _NOTED.isdisjoint(kinds):
            self._check_records(stream, chunk, new.received_ms)
        device = stream.device
        refused_since_ms = device.state.opted_out_ms
        try:
            mapped = self._map.chunk(
                *(device.state, stream.state, stream.line, chunk),
                *(new.received_ms, device.device_id, self._mapping),
            )
        except Exception as error:  # noqa: BLE001 - our own fault may not stop the stream: kept and shown instead
            log.exception("mapping failed", device=device.device_id, stream=stream.id.hex(), seq=seq)
            reason = f"mapping failed: {error!r}; please report it"
            self._desk.dead_letter(
                device.device_id, "mapping", reason, new.data, new.received_ms, stream.id, seq
            )
            return
        new.session_id, new.host_ms = mapped.session_id, mapped.host_ms
        if self._gate is not None:
            self._gate.keep_part(stream, new, chunk, mapped)
        if device.opt_out_order is not None and not chunk.is_replay:
            _heed_opt_out(device, chunk, refused_since_ms)
        self._collect(stream, seq, kinds, mapped, new.received_ms)
        if not mapped.is_kept and self._rows.chunks.pop(new.key, None) is None:
            self._rows.dropped.append(new.key)

    def _collect(self, stream: Stream, seq: int, kinds: set[type], mapped: Mapped, now_ms: int) -> None:
        device = stream.device
        self._rows.calls += mapped.calls
        self._rows.gaps += mapped.gaps
        for row in mapped.sessions:
            self._rows.sessions[row.device_id, row.session_id] = row
        self.outcome.replies += ((device.device_id, reply) for reply in mapped.replies)
        for name, count in mapped.discarded.items():
            self._desk.count(device.device_id, name, count)
        for bad in mapped.bad:
            self._desk.dead_letter(device.device_id, "call", bad.reason, bad.raw, now_ms, stream.id, seq)
        if mapped.session_id != NO_SESSION and mapped.is_kept:
            span = (device.number, mapped.session_id, stream.number)
            first, _ = self._rows.spans.get(span, (seq, seq))
            self._rows.spans[span] = (min(first, seq), seq)
        if not _HEADS.isdisjoint(kinds):
            self._rows.heads.append((stream.number, seq, m.Display in kinds))

    def _check_records(self, stream: Stream, chunk: m.Chunk, now_ms: int) -> None:
        device_id = stream.device.device_id
        for record in chunk.records:
            body = record.body
            if type(body) is m.Bad:
                self._desk.dead_letter(
                    device_id, "record", body.reason, body.raw, now_ms, chunk.stream, chunk.seq
                )
            elif type(body) is m.Unknown:
                self._desk.count(device_id, "unknown_records")
            elif type(body) is m.Hello:
                self._desk.check_claim(stream, body.device_id, now_ms)

    # ---- syncs ----------------------------------------------------------------

    def _take_sync(self, arrival: Arrival, sync: m.Sync) -> None:
        if arrival.seal is not None and self._desk.is_repeated(arrival.seal, sync):
            return
        self._desk.name(arrival, sync.device_id)
        stream = self._desk.stream_of(arrival, sync.stream)
        if stream is None:
            return
        self._desk.check_claim(stream, sync.device_id, arrival.received_ms)
        device = stream.device
        self._desk.note_seal(stream, arrival.seal, sync)
        replies = list(
            self._map.sync(
                *(device.state, stream.state, stream.line, sync, arrival.received_ms),
                *(device.device_id, self._mapping),
            )
        )
        self._note_sync(stream, arrival.received_ms)
        if sync.oldest > stream.watermark:
            self._free(stream, sync.oldest, arrival.received_ms)
        self._give_up(stream, sync)
        if sync.next > stream.watermark:
            # The device may have lifted the opt-out in a chunk that is still on its way: do not undo it.
            replies = [reply for reply in replies if not isinstance(reply, m.OptOutOrder)]
        replies += self._orders(device, replies, is_idle=sync.next <= stream.watermark)
        if sync.epoch_ms is None:
            replies.append(m.Time(host_ms()))  # the sync may have waited, for a worker or a database
        self.outcome.replies += ((device.device_id, reply) for reply in replies)
        self._desk.ack(stream, at_once=True)

    def _orders(self, device: Device, replies: Sequence[m.Downlink], is_idle: bool) -> list[m.Downlink]:
        """The host's opt-out order, again until the device confirms it by a record."""
        order = device.opt_out_order
        if order is False and not device.state.said_opted_out and is_idle:
            device.opt_out_order = order = None  # it never opted out, and no word of it is on its way
        return [] if order is None or m.OptOutOrder(order) in replies else [m.OptOutOrder(order)]

    def _free(self, stream: Stream, oldest: int, now_ms: int) -> None:
        """The device holds nothing below `oldest`: what is not here either is lost, and written down as such."""
        for first, end in stream.missing(oldest):
            place = (stream.device.device_id, stream.state.session_id, stream.id, first, -1)
            self._rows.gaps.append(GapRow(*place, first, end, 0, 0, 0, int(m.GapReason.FREED), now_ms))
            self._desk.count(stream.device.device_id, "freed", end - first)
        self._skip(stream, stream.watermark, oldest)
        self._advance(stream)

    def _give_up(self, stream: Stream, sync: m.Sync) -> None:
        """Let messages that nobody can read take the places that their device waits for; standstill.py says when."""
        for seq, letter in unreadable_places(self._tx, stream, sync, self._settings.window):
            key = stream.number * SEQ_SPAN + seq
            self._rows.chunks[key] = NewChunk(key, letter.first_ms, letter.raw, fault=letter.reason)
            self._tx.place_letter(letter.id, stream.id, seq)
            stream.ahead.add(seq)
            self._desk.count(stream.device.device_id, "places_given_up")
            log.error(
                "a chunk that cannot be read was given up on",
                device=stream.device.device_id,
                seq=seq,
                letter=letter.id,
            )
        self._advance(stream)


def _is_overtaken(presence: Presence, device: Device) -> bool:
    """Whether another word of this device, which came before to the broker and later to us, says otherwise."""
    state = device.state
    if presence.is_online:
        return state.is_away and 0 < state.away_since_ms - presence.received_ms < _OVERTAKEN_MS
    return 0 < state.alive_ms - presence.received_ms < _OVERTAKEN_MS


def _kinds(chunk: m.Chunk) -> set[type]:
    """Classes of a chunk's records: most chunks have one, and none that needs a closer look."""
    return {type(record.body) for record in chunk.records}


def _heed_opt_out(device: Device, chunk: m.Chunk, since_ms: int | None) -> None:
    """A record that says what the host ordered confirms it; one that lifts an opt-out ordered since is older news."""
    for record in chunk.records:
        if type(record.body) is m.OptOut and record.body.opted_out is device.opt_out_order:
            device.opt_out_order = None
    if device.opt_out_order and not device.state.opted_out:
        device.state.opted_out_ms = since_ms
