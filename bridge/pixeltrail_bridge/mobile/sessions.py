"""Sessions of a companion app, as Segment's session plugins for Amplitude keep them.

A session begins with the first event after a pause longer than the timeout (5 minutes in an app, 30 in a browser) and
is named by that moment in ms since 1970. An ID that an event brings raises the one we keep and never lowers it, so the
IDs of an app only go up, whichever side began the session. Events that arrive late (an app was offline) go into the
session they fall into.
"""

from __future__ import annotations

import msgspec

from ..sessions.ids import NO_SESSION

APP_TIMEOUT_MS = 5 * 60_000
BROWSER_TIMEOUT_MS = 30 * 60_000
KEPT_SESSIONS = 8  # earlier ones that a late event may still fall into


class AppSession(msgspec.Struct):
    """Times in ms since 1970, of the host's clock."""

    session_id: int
    start_ms: int
    last_ms: int
    is_recorded: bool | None = None  # None: nobody has asked yet


class AppState(msgspec.Struct):
    """What is kept of one app between its events; JSON in the store."""

    session: AppSession | None = None
    earlier: list[AppSession] = []
    last_id: int = 0  # the highest ID so far
    user_id: str | None = None
    device: str | None = None  # ID of the device it is paired with
    is_browser: bool = False
    opted_out: bool = False
    is_stopped: bool | None = None  # None: nobody has said, and the settings decide
    token: str = ""  # the link token that paired it


class Turn(msgspec.Struct, frozen=True):
    """Where an event belongs. `ended` and `began`: sessions for which the plugins send an event of their own."""

    session: AppSession
    ended: AppSession | None = None
    began: AppSession | None = None


def take(state: AppState, at_ms: int, timeout_ms: int, own_id: int = NO_SESSION) -> Turn:
    """Put an event of `at_ms` into a session; `own_id` is the session ID it brings, if any."""
    current = state.session
    if own_id > state.last_id:
        return _begin(state, own_id, at_ms)
    if own_id != NO_SESSION:
        return Turn(_known(state, own_id, at_ms))
    if current is None:
        return _begin(state, max(at_ms, state.last_id + 1), at_ms)
    if at_ms < current.start_ms:
        return Turn(_fitting(state, at_ms, timeout_ms))
    if at_ms - current.last_ms > timeout_ms:
        return _begin(state, max(at_ms, state.last_id + 1), at_ms)
    current.last_ms = max(current.last_ms, at_ms)
    return Turn(current)


def _begin(state: AppState, session_id: int, at_ms: int) -> Turn:
    ended = state.session
    if ended is not None:
        state.earlier = [*state.earlier, ended][-KEPT_SESSIONS:]
    state.session = AppSession(session_id, at_ms, at_ms)
    state.last_id = session_id
    return Turn(state.session, ended, state.session)


def _known(state: AppState, session_id: int, at_ms: int) -> AppSession:
    """The session of an ID that is not above the newest; one that is not known any more is as long as its event."""
    for session in (state.session, *reversed(state.earlier)):
        if session is not None and session.session_id == session_id:
            session.last_ms = max(session.last_ms, at_ms)
            return session
    return AppSession(session_id, at_ms, at_ms)


def _fitting(state: AppState, at_ms: int, timeout_ms: int) -> AppSession:
    """Where a late event falls: into an earlier session, or before the current one, whose ID it then takes."""
    for session in reversed(state.earlier):
        if session.start_ms <= at_ms <= session.last_ms + timeout_ms:
            return session
    assert state.session is not None
    return state.session
