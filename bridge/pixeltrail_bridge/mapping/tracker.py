"""Sessions of a device as its records tell them: start, continuation in a later stream, end.

A stream may come late: from an earlier start of the device, after a newer one has begun a session. What it tells is
kept under sessions of its own, and the device's newest session, user and opt-out stay as they are.

Changes the DeviceState and StreamState it is given; each change of a session is one SessionRow in `rows`.
"""

from __future__ import annotations

from ..sessions import ids, sampling
from ..sessions.clock import JUMP_MS
from ..sessions.state import DeviceState, OpenSession, SessionRow, StreamState
from ..wire.messages import ClockQuality, SessionStart

ROW_EVERY_MS = 10_000  # how stale a running session's row may be: a row a chunk would cost a write each


class Tracker:
    """`stream_id` is the stream whose records are being mapped; all times are host times unless said otherwise."""

    def __init__(self, device: DeviceState, stream: StreamState, device_id: str, stream_id: bytes) -> None:
        self.device, self.stream = device, stream
        self.device_id, self.stream_id = device_id, stream_id
        self.rows: list[SessionRow] = []

    @property
    def session(self) -> OpenSession | None:
        """The newest session this stream may change."""
        return self.stream.own if self.stream.is_late else self.device.session

    @property
    def user_id(self) -> str | None:
        return self.stream.user_id if self.stream.is_late else self.device.user_id

    def set_user(self, user_id: str) -> None:
        if self.user_id == user_id:
            return
        if self.stream.is_late:
            self.stream.user_id = user_id
        else:
            self.device.user_id = user_id
        if self.stream.session_id != ids.NO_SESSION:
            self.put_row()

    def judge_late(self, at_ms: int, estimated: bool) -> None:
        """Whether what this stream begins at `at_ms` lies before the device's newest session.

        The boot count tells where the times are only estimated. Where they are known they decide, because a board
        whose flash was erased counts its boots from the beginning.
        """
        session, hello = self.device.session, self.stream.hello
        if session is None or session.stream == self.stream_id.hex():
            self.stream.is_late = False
            return
        boot = hello.boot if hello else 0
        if hello is not None and hello.previous is not None and hello.previous.hex() == session.stream:
            is_late = False
        elif boot and session.boot and boot != session.boot:
            is_late = boot < session.boot and (estimated or at_ms < session.start_ms)
        else:
            is_late = not estimated and at_ms < session.start_ms - JUMP_MS
        self.stream.is_late = is_late

    def resume(self, body: SessionStart) -> bool:
        """Go on with the device's session when this start record repeats it: same boot, same index."""
        session = self.session
        if session is None or not self._is_same(session, body):
            return False
        session.stream = self.stream_id.hex()
        if body.sampled is not None:
            session.sampled = body.sampled
        self._enter(session)
        return True

    def start(
        self,
        body: SessionStart,
        *,
        at_ms: int,
        stream_ms: int,
        received_ms: int,
        rate: float,
        estimated: bool,
        session_id: int | None = None,
    ) -> OpenSession:
        """Begin a session; one that the device left open must have been ended before.

        `session_id` is the one it has already, if any.
        """
        hello = self.stream.hello
        quality = hello.clock_quality if hello else ClockQuality.NONE
        if body.epoch_ms is not None and ids.epoch_counts(body.epoch_ms, quality, received_ms):
            self.stream.epoch_offset_ms = body.epoch_ms - stream_ms
        last_id = self.device.last_session_id
        if session_id is None:
            session_id = ids.choose_session_id(body.epoch_ms, quality, at_ms, received_ms, last_id)
        sampled = sampling.is_sampled(session_id, rate) if body.sampled is None else body.sampled
        session = OpenSession(
            session_id=session_id,
            index=body.index,
            boot=hello.boot if hello else 0,
            stream=self.stream_id.hex(),
            start_ms=at_ms,
            last_ms=at_ms,
            sampled=sampled,
            estimated=estimated,
        )
        self.device.last_session_id = max(last_id, session_id)
        if self.stream.is_late:
            self.stream.own = session
        else:
            self.device.session = session
        self._enter(session)
        return session

    def end(self, at_ms: int | None) -> OpenSession | None:
        """End the open session where it was last heard of (None), or this stream's at `at_ms`; returns it."""
        session = self.session
        if session is None or session.ended:
            return None
        if at_ms is not None and session.session_id != self.stream.session_id:
            return None  # a stream of an earlier start, delivered late: its session ended when the next one began
        session.last_ms = session.last_ms if at_ms is None else max(at_ms, session.start_ms)
        session.ended = True
        self.put_row()
        return session

    def leave(self) -> None:
        """The stream is in no session now."""
        self.stream.session_index, self.stream.session_id = None, ids.NO_SESSION
        self.stream.sampled = False

    def touch(self, at_ms: int) -> None:
        """Something of the session happened at `at_ms`."""
        session = self.session
        if session is None or session.ended or self.stream.session_id != session.session_id:
            return
        session.last_ms = max(session.last_ms, at_ms)
        if session.last_ms - session.row_ms >= ROW_EVERY_MS:
            self.put_row()

    def put_row(self) -> None:
        session = self.session
        if session is None:
            return
        session.row_ms = session.last_ms
        row = SessionRow(
            device_id=self.device_id,
            session_id=session.session_id,
            index=session.index,
            boot=session.boot,
            stream=bytes.fromhex(session.stream),
            start_ms=session.start_ms,
            last_ms=session.last_ms,
            end_ms=session.last_ms if session.ended or self.stream.is_late else None,
            sampled=session.sampled,
            estimated=session.estimated,
            user_id=self.user_id,
        )
        self.rows.append(row)

    def _is_same(self, session: OpenSession, body: SessionStart) -> bool:
        if session.ended or session.index != body.index:
            return False
        if session.stream == self.stream_id.hex():
            return True
        hello = self.stream.hello
        if hello is None or hello.previous is None:
            return False
        return session.stream == hello.previous.hex() and session.boot == hello.boot

    def _enter(self, session: OpenSession) -> None:
        self.stream.session_index, self.stream.session_id = session.index, session.session_id
        self.stream.sampled = session.sampled
        self.put_row()
