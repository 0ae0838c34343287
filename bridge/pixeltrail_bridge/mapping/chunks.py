"""What a chunk means: its calls, sessions and gaps, and what the device must be told.

`map_chunk` is called once for each chunk, in seq order within its stream, in the transaction that commits the chunk;
it changes the two state structs it is given and nothing else. `map_sync` does the same for a sync.

Privacy rules kept here: replay data at or after an opt-out is refused, and so is replay data that no session holds
or that sampling did not choose. Refused means `is_kept` is False: the chunk counts as committed, its bytes are not
stored, and the number of its records is in `discarded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..sessions import ids, remote
from ..sessions.clock import JUMP_MS, TimeLine
from ..sessions.state import DeviceState, GapRow, OpenSession, SessionRow, StreamState
from ..wire import messages
from ..wire.messages import Bad, Chunk, ClockQuality, Downlink, Record
from ..wire.messages import gap_reason as gap_reason
from . import calls
from .calls import Call, Origin
from .origin import is_opted_out, origin_of
from .settings import DEVICE_CONNECTED, REPLAY_GAP, SESSION_ENDED, SESSION_STARTED, MappingSettings
from .tracker import Tracker

_NO_RECORD = Record(0, 0, messages.Unknown(0))
_BOOT_REASONS = ("unknown", "power on", "reset", "watchdog", "deep sleep", "soft reset")


class Mapped(msgspec.Struct):
    """What a chunk came to. `host_ms` and `end_ms` are the host times of its first and last record.

    `bad`: calls that no sink may see, for the dead letters. Records that the decoder refused are not among them.
    """

    session_id: int = ids.NO_SESSION
    host_ms: int = 0
    end_ms: int = 0
    is_kept: bool = True
    is_estimated: bool = False
    calls: list[Call] = []
    sessions: list[SessionRow] = []
    gaps: list[GapRow] = []
    replies: list[Downlink] = []
    discarded: dict[str, int] = {}
    bad: list[Bad] = []
    names_refused: bool = False  # the chunk's bytes hold what a user did of whom nothing is kept

    def discard(self, reason: str, count: int = 1) -> None:
        self.discarded[reason] = self.discarded.get(reason, 0) + count

    def withhold(self, is_gone: Callable[[SessionRow], bool]) -> None:
        """Nothing of it may go on; `is_gone` says which sessions may not be listed either."""
        self.calls, self.gaps, self.bad = [], [], []
        self.sessions = [row for row in self.sessions if not is_gone(row)]
        self.session_id = ids.NO_SESSION

    def drop(self) -> None:
        """Its bytes are not kept."""
        self.is_kept = False


def map_chunk(
    device: DeviceState,
    stream: StreamState,
    line: TimeLine,
    chunk: Chunk,
    received_ms: int,
    device_id: str,
    settings: MappingSettings,
    session_id: int | None = None,
) -> Mapped:
    """Map the next chunk of a stream. Never raises for what a device sent: that ends in `bad` or `discarded`.

    `session_id` is that of a session which the chunk starts, where it has one already.
    """
    if chunk.records:
        line.estimate(chunk.records[-1].time_ms, received_ms)
    one = _Pass(device, stream, line, chunk, received_ms, device_id, settings, session_id)
    one.run()
    return one.mapped


def map_sync(
    device: DeviceState,
    stream: StreamState,
    line: TimeLine,
    sync: messages.Sync,
    received_ms: int,
    device_id: str,
    settings: MappingSettings,
) -> list[Downlink]:
    """Take in a sync; returns what a lost message may have failed to tell the device (the ack is not among it)."""
    line.observe(sync.now_ms, received_ms)
    quality = stream.hello.clock_quality if stream.hello else ClockQuality.NONE
    if sync.epoch_ms is not None and ids.epoch_counts(sync.epoch_ms, quality, received_ms):
        stream.epoch_offset_ms = sync.epoch_ms - sync.now_ms
    replies: list[Downlink] = []
    if device.opted_out:
        replies.append(messages.OptOutOrder(True))
    replies += session_replies(stream, sync.stream)
    if stream.midway and stream.hello is None:
        replies.append(messages.NewStream(sync.stream))
    if settings.remote or device.told is not None:
        config, device.told = remote.config_reply(
            settings.remote, device_id, sync.stream, device.told, received_ms
        )
        replies += [config] if config is not None else []
    return replies


def session_replies(stream: StreamState, stream_id: bytes) -> list[Downlink]:
    """Tells a device the ID of the session its stream is in, and whether it is recorded."""
    if stream.session_index is None:
        return []
    return [messages.Session(stream_id, stream.session_index, stream.session_id, stream.sampled)]


class _Pass:
    """One chunk on its way through; `now_ms` is the host time of the record at hand."""

    def __init__(
        self,
        device: DeviceState,
        stream: StreamState,
        line: TimeLine,
        chunk: Chunk,
        received_ms: int,
        device_id: str,
        settings: MappingSettings,
        session_id: int | None,
    ) -> None:
        self.device, self.stream, self.line, self.chunk = device, stream, line, chunk
        self.received_ms, self.device_id, self.settings = received_ms, device_id, settings
        self.told_session_id = session_id
        self.mapped = Mapped(is_estimated=line.quality != ClockQuality.GOOD)
        self.tracker = Tracker(device, stream, device_id, chunk.stream)
        self.now_ms = 0
        self.record = _NO_RECORD
        self._told: Origin | None = None  # the origin of the last call, while it is also that of the next

    def run(self) -> None:
        if self.stream.midway is None:
            self.stream.midway = self.chunk.seq > 0
            if self.stream.midway:
                self.mapped.replies.append(messages.NewStream(self.chunk.stream))
        if self.chunk.is_replay and not self.device.opted_out and self._is_all_replay():
            self._run_replay()
        else:
            self._run_each()
        self.mapped.end_ms = self.now_ms
        self._note_session()
        self.tracker.touch(self.now_ms)
        self.mapped.sessions = self.tracker.rows

    def _is_all_replay(self) -> bool:
        return all(isinstance(record.body, messages.REPLAY_BODIES) for record in self.chunk.records)

    def _run_replay(self) -> None:
        """The same as `_run_each` for what most chunks are: every record has the same fate."""
        records = self.chunk.records
        self.mapped.host_ms = self._place(records[0].time_ms)
        self.now_ms = self._place(records[-1].time_ms)
        reason = self._refusal()
        if reason:
            self.mapped.is_kept = False
            self.mapped.discard(reason, len(records))

    def _run_each(self) -> None:
        for record in self.chunk.records:
            self.record, self.now_ms = record, self._place(record.time_ms)
            if record.index == 0:
                self.mapped.host_ms = self.now_ms
            self._note_session()
            self._map(record)
            self._note_session()

    def _note_session(self) -> None:
        """A chunk belongs to the last session that it was in: one that it ends, or one that it starts."""
        if self.stream.session_id != ids.NO_SESSION:
            self.mapped.session_id = self.stream.session_id

    def _place(self, stream_ms: int) -> int:
        """Host time of a record: a better offset may not let time run backwards, a jump of a clock may."""
        last_ms, now_ms = self.stream.last_host_ms, self.line.host_ms(stream_ms)
        if last_ms - JUMP_MS <= now_ms < last_ms:
            now_ms = last_ms
        self.stream.last_host_ms = now_ms
        return now_ms

    def _map(self, record: Record) -> None:
        body = record.body
        if isinstance(body, messages.REPLAY_BODIES):
            reason = self._refusal()
            if reason:
                self.mapped.is_kept = False
                self.mapped.discard(reason)
            return
        handler = _HANDLERS.get(type(body))
        if handler:
            if type(body) not in _PLAIN_CALLS:
                self._told = None
            handler(self, body)

    def _refusal(self) -> str | None:
        """Why replay data may not be kept now."""
        if self.stream.opted_out or is_opted_out(self.device, self.now_ms):
            return "opted_out"
        if self.device.user_refused:
            return "refused_user"
        if self.stream.session_id == ids.NO_SESSION:
            return "no_session"
        return None if self.stream.sampled else "unsampled"

    # -- state

    def _hello(self, body: messages.Hello) -> None:
        self.stream.hello = body
        self.tracker.judge_late(self.now_ms, self.mapped.is_estimated)
        why = _BOOT_REASONS[body.boot_reason] if body.boot_reason < len(_BOOT_REASONS) else "unknown"
        properties = {"boot": body.boot, "boot_reason": why, "continues": body.previous is not None}
        self._extra(DEVICE_CONNECTED, (self.chunk.stream,), properties)

    def _display(self, body: messages.Display) -> None:
        self.stream.display = body

    def _vitals(self, body: messages.Vitals) -> None:
        names = messages.VITAL_NAMES
        self.stream.vitals = {names.get(key, str(key)): value for key, value in body.values.items()}
        self.stream.vitals_ms = self.now_ms

    def _opt_out(self, body: messages.OptOut) -> None:
        self.stream.opted_out = body.opted_out
        if self.stream.is_late and self.device.said_opted_out is not None:
            return  # the device has said something newer since
        self.device.said_opted_out = body.opted_out
        if not body.opted_out:
            self.device.opted_out_ms = None
        elif self.device.opted_out_ms is None:
            self.device.opted_out_ms = self.now_ms

    def _gap(self, body: messages.Gap) -> None:
        counts = {"frames": body.frames, "inputs": body.inputs, "calls": body.calls}
        row = GapRow(
            device_id=self.device_id,
            session_id=self.stream.session_id,
            stream=self.chunk.stream,
            seq=self.chunk.seq,
            index=self.record.index,
            first=body.first,
            end=body.end,
            reason=body.reason,
            host_ms=self.now_ms,
            **counts,
        )
        self.mapped.gaps.append(row)
        properties = {"chunks": body.end - body.first, **counts, "reason": gap_reason(body.reason)}
        self._extra(REPLAY_GAP, (self.chunk.stream, row.seq, row.index), properties)

    # -- sessions

    def _session_start(self, body: messages.SessionStart) -> None:
        self.tracker.judge_late(self.now_ms, self.mapped.is_estimated)
        if not self.tracker.resume(body):
            self._close(self.tracker.end(None))
            session = self.tracker.start(
                body,
                at_ms=self.now_ms,
                stream_ms=self.record.time_ms,
                received_ms=self.received_ms,
                rate=self.settings.sample_rate,
                estimated=self.mapped.is_estimated,
                session_id=self.told_session_id,
            )
            self._extra(SESSION_STARTED, (session.session_id,), {"sampled": session.sampled})
        self.mapped.replies += session_replies(self.stream, self.chunk.stream)

    def _session_end(self, body: messages.SessionEnd) -> None:
        if self.stream.session_index != body.index:
            self.mapped.discard("end_of_unknown_session")
            return
        self._close(self.tracker.end(self.now_ms))
        self.tracker.leave()

    def _close(self, session: OpenSession | None) -> None:
        if session is not None:
            properties = {"duration_ms": session.last_ms - session.start_ms}
            self._extra(SESSION_ENDED, (session.session_id,), properties, ended=session)

    # -- calls

    def _track(self, body: messages.Track) -> None:
        if body.event.startswith(calls.RESERVED_PREFIX):
            self._refuse(
                body, f"event names beginning {calls.RESERVED_PREFIX!r} are Amplitude's own; use another"
            )
        elif not body.event:
            self._refuse(body, "the event of a track call is empty; give it a name")
        else:
            self._call("track", body.event, {"event": body.event, "properties": body.properties})

    def _screen(self, body: messages.Screen) -> None:
        # Amplitude's destination reads only `name`, Segment's own tools the property
        properties = {"name": body.name, **body.properties}
        self._call("screen", body.name, {"name": body.name, "properties": properties})

    def _identify(self, body: messages.Identify) -> None:
        if self._refuses_user(body.user_id):
            return
        if body.user_id:
            self.tracker.set_user(body.user_id)
        self._call("identify", body.user_id or "", {"traits": body.traits})

    def _group(self, body: messages.Group) -> None:
        if not body.group_id:
            self._refuse(body, "the group ID of a group call is empty; give it one")
            return
        self._call("group", body.group_id, {"groupId": body.group_id, "traits": body.traits})

    def _alias(self, body: messages.Alias) -> None:
        if not body.user_id:
            self._refuse(body, "the user ID of an alias call is empty; give it one")
            return
        if self._refuses_user(body.user_id, body.previous_id):
            return
        previous = body.previous_id or self.tracker.user_id or self.device_id
        self.tracker.set_user(body.user_id)
        self._call("alias", body.user_id, {"userId": body.user_id, "previousId": previous})

    def _refuses_user(self, user_id: str | None, previous_id: str | None = None) -> bool:
        """Whether nothing of this user may be kept, from here until the device names another."""
        named = [one for one in (user_id, previous_id) if one]
        if not named:
            return False
        self.device.user_refused = any(self.settings.refuses_user(one) for one in named)
        if self.device.user_refused:
            self.device.user_id = self.stream.user_id = None
            self._withhold()
        return self.device.user_refused

    def _withhold(self) -> None:
        self.mapped.names_refused = True
        self.mapped.discard("refused_user")

    def _call(self, call_type: calls.CallType, event: str, fields: Mapping[str, Any]) -> None:
        if self.device.user_refused:
            self._withhold()
            return
        call_id = calls.message_id(self.device_id, self.chunk.stream, self.chunk.seq, self.record.index)
        offset_ms = self.stream.epoch_offset_ms
        original_ms = None if offset_ms is None else offset_ms + self.record.time_ms
        origin = self._told or self._origin()
        if self.device.opted_out_ms is None:  # else the time of the record decides
            self._told = origin
        self.mapped.calls.append(
            calls.build_call(
                origin, call_type, call_id, self.now_ms, fields, event=event, original_ms=original_ms
            )
        )

    def _extra(
        self,
        event: str,
        place: tuple[int | bytes, ...],
        properties: Mapping[str, Any],
        ended: OpenSession | None = None,
    ) -> None:
        """An event that the bridge makes itself, where the settings name it; `ended`: at the end of that session."""
        if event not in self.settings.extra_events:
            return
        call_id = calls.made_message_id(self.device_id, event, *place)
        time_ms = ended.last_ms if ended else self.now_ms
        fields = {"event": event, "properties": properties}
        origin = self._origin(ended)
        self.mapped.calls.append(calls.build_call(origin, "track", call_id, time_ms, fields, event=event))

    def _origin(self, ended: OpenSession | None = None) -> Origin:
        return origin_of(self.tracker, self.settings, self.now_ms, self.mapped.is_estimated, ended)

    def _refuse(self, body: Any, reason: str) -> None:
        raw = msgspec.json.encode({type(body).__name__: body})
        self.mapped.bad.append(Bad(raw, reason))
        self.mapped.discard("refused_calls")


# They change nothing of whom they tell
_PLAIN_CALLS = frozenset((messages.Track, messages.Screen, messages.Group))
_HANDLERS: Mapping[type, Callable[[_Pass, Any], None]] = {
    messages.Hello: _Pass._hello,
    messages.Display: _Pass._display,
    messages.Vitals: _Pass._vitals,
    messages.OptOut: _Pass._opt_out,
    messages.Gap: _Pass._gap,
    messages.SessionStart: _Pass._session_start,
    messages.SessionEnd: _Pass._session_end,
    messages.Track: _Pass._track,
    messages.Screen: _Pass._screen,
    messages.Identify: _Pass._identify,
    messages.Group: _Pass._group,
    messages.Alias: _Pass._alias,
}
