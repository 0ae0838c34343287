"""Events about displays: what a follower has seen and gathered since it was committed last, as calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from .follower import Follower
from .mapping.calls import Call, Origin
from .mapping.display import Window, summary_call
from .mapping.inline import Piece, Sent, piece_call
from .sessions.state import DeviceState, SessionRow


class Sessions(Protocol):
    """What is asked of the store."""

    def device_state(self, device_id: str) -> bytes | None: ...
    def sessions(self, device_id: str | None = None) -> list[SessionRow]: ...


@dataclass(frozen=True, slots=True)
class ProjectorSettings:
    display_events: bool = True
    inline: bool = False  # the chunks themselves go out as well
    window_ms: int = 10_000
    public_url: str | None = None
    classic: bool = False
    replay_by_user: bool = False
    debug: str | None = None


def display_calls(
    store: Sessions, settings: ProjectorSettings, follower: Follower, *, is_imported: bool
) -> list[Call]:
    """Events of closed pieces, and summaries; none of the latter for an imported stream."""
    calls = _pieces(store, settings, follower)
    if settings.display_events and follower.windows and not is_imported:
        calls += _summaries(store, settings, follower)
    return calls


def _summaries(store: Sessions, settings: ProjectorSettings, follower: Follower) -> list[Call]:
    rows = {row.session_id: row for row in store.sessions(follower.device_id)}
    length_ms = follower.state.windows.length_ms
    return [
        summary_call(
            _origin(settings, follower, window, rows.get(window.session_id), is_recording=True),
            follower.stream,
            window,
            length_ms,
        )
        for window in follower.windows
    ]


def _pieces(store: Sessions, settings: ProjectorSettings, follower: Follower) -> list[Call]:
    """Events of the pieces that are closed; says in the follower's state how far they reach."""
    gatherer = follower.gatherer
    if gatherer is None or not gatherer.closed:
        return []
    kept = store.device_state(follower.device_id)
    may_record = kept is None or not msgspec.json.decode(kept, type=DeviceState).opted_out
    rows = {row.session_id: row for row in store.sessions(follower.device_id)}
    calls, sent = [], gatherer.sent
    for piece in gatherer.closed:
        row = rows.get(piece.session_id)
        sampled = row is not None and row.sampled
        origin = _origin(settings, follower, piece, row, is_recording=sampled and may_record)
        call = piece_call(origin, follower.stream, piece, sent, sampled=sampled)
        if call is not None:
            calls.append(call)
            sent = piece.end_seq
    follower.state.inline = Sent(True, gatherer.closed[-1].end_seq, sent)
    return calls


def _origin(
    settings: ProjectorSettings,
    follower: Follower,
    window: Window | Piece,
    row: SessionRow | None,
    *,
    is_recording: bool,
) -> Origin:
    return Origin(
        device_id=follower.device_id,
        hello=follower.state.hello,
        display=follower.state.display,
        user_id=row.user_id if row else None,
        session_id=window.session_id,
        session_start_ms=window.session_start_ms,
        is_recording=is_recording,
        is_estimated=row.estimated if row else False,
        public_url=settings.public_url,
        classic=settings.classic,
        replay_device=row.user_id if row and settings.replay_by_user else None,
        debug=settings.debug,
    )
