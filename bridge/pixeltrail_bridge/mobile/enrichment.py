"""Give a companion app's event the device ID, session ID and Replay ID that make it part of a recorded session.

What the published plugins do, in one place and for every SDK: IDs are extracted (see extract), sessions are kept (see
sessions), and track, screen and page get the Replay ID while their session is recorded. The event's own Replay ID
wins. An event that belongs to a device (it is paired, or names the device) takes the device's ID and the ID of the
device's session at that moment; any other keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from ..mapping.calls import DEBUG_PROPERTY, REPLAY_PROPERTY, REPLAY_TYPES, debug_value, iso_time
from ..sessions.ids import NO_SESSION, replay_id
from ..sessions.sampling import is_sampled
from . import sessions
from .extract import DESTINATION, device_id_of, id_text, session_id_of, table
from .sessions import AppSession, AppState

NO_DEVICE_ID: Final = "no_device_id"  # neither context.device.id nor anonymousId
SESSION_SAID_NONE: Final = "session_said_none"  # the app's own plugin says -1
SESSION_UNTRACKED: Final = "session_untracked"  # it brings none, and we were told to keep none
SESSION_UNREADABLE: Final = "session_unreadable"  # what it brings is no session ID; ours was put in its place
SESSION_START: Final = "session_start"
SESSION_END: Final = "session_end"
LIBRARY_OF_BROWSERS: Final = ("analytics.js", "@segment/analytics-next")
SESSION_TYPES: Final = ("track", "screen", "page", "identify", "group", "alias")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EnrichSettings:
    """`sample_rate` counts for sessions of the app itself; those of a device are sampled by the device."""

    sample_rate: float = 0.0
    auto_start: bool = True  # False: no Replay ID until an app says start
    track_sessions: bool = True
    session_events: bool = False
    app_timeout_ms: int = sessions.APP_TIMEOUT_MS
    browser_timeout_ms: int = sessions.BROWSER_TIMEOUT_MS
    classic: bool = False  # also integrations.Amplitude, for the classic destination in cloud mode
    debug_key: str = field(default="", repr=False)  # Amplitude API key whose hash the debug property carries


@dataclass(frozen=True, slots=True)
class DeviceMoment:
    """The device an event belongs to, as it was then. `session_id` -1: it was in no session."""

    device_id: str
    session_id: int = NO_SESSION
    is_recorded: bool = False


@dataclass(slots=True)
class Enriched:
    """`event` is the caller's to keep; `made` are events of ours that go out before it. `faults` name what is missing.

    `device`: ID of the device it was joined to.
    """

    event: Event
    session_id: int
    device_id: str | None
    made: list[Event] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    device: str | None = None


class Enricher:
    """`device_of(device ID, ms)` gives the device an ID names, None for one that is not known."""

    def __init__(
        self,
        settings: EnrichSettings,
        device_of: Callable[[str, int], DeviceMoment | None] = lambda device_id, at_ms: None,
    ) -> None:
        self.settings = settings
        self._device_of = device_of

    def enrich(self, event: Mapping[str, Any], state: AppState, at_ms: int) -> Enriched:
        """Enrich an event of `at_ms` (host time, ms since 1970). Changes `state`, never `event`."""
        settings = self.settings
        named, is_context = device_id_of(event)
        device = self._joined(named, state, at_ms)
        note_event(event, state)
        own_id, where = session_id_of(event)
        if device is not None and device.session_id != NO_SESSION:
            result = Enriched({**event}, device.session_id, device.device_id, device=device.device_id)
            is_recorded = device.is_recorded
        else:
            result = Enriched({**event}, own_id, named)
            is_recorded = self._keep_session(result, state, at_ms, own_id, where)
        if result.device_id is None:
            result.faults.append(NO_DEVICE_ID)
        if result.session_id == NO_SESSION:
            result.faults.append(SESSION_SAID_NONE if where == "integration" else SESSION_UNTRACKED)
        elif where != "integration" and _has_session(event):
            result.faults.append(SESSION_UNREADABLE)
        is_stopped = state.is_stopped if state.is_stopped is not None else not settings.auto_start
        is_welcome = not (state.opted_out or is_stopped)
        self._write(result, is_context, is_recorded and is_welcome, settings)
        return result

    def _joined(self, named: str | None, state: AppState, at_ms: int) -> DeviceMoment | None:
        for device_id in (state.device, named):
            device = self._device_of(device_id, at_ms) if device_id else None
            if device is not None:
                return device
        return None

    def _keep_session(self, result: Enriched, state: AppState, at_ms: int, own_id: int, where: str) -> bool:
        """Put the event into a session of the app itself; returns whether that is recorded."""
        settings = self.settings
        says_none = where == "integration" and own_id == NO_SESSION
        if says_none or (own_id == NO_SESSION and not settings.track_sessions):
            return False
        timeout_ms = settings.browser_timeout_ms if state.is_browser else settings.app_timeout_ms
        turn = sessions.take(state, at_ms, timeout_ms, own_id)
        if settings.session_events and settings.track_sessions and where == "none":
            result.made = self._session_events(result.event, turn, result.device_id)
        result.session_id = turn.session.session_id
        if turn.session.is_recorded is None:
            turn.session.is_recorded = is_sampled(turn.session.session_id, settings.sample_rate)
        return turn.session.is_recorded

    def _write(self, result: Enriched, is_context: bool, is_recorded: bool, settings: EnrichSettings) -> None:
        event = result.event
        if result.device_id is not None and (result.device or not is_context and _has_empty_id(event)):
            _name_device(event, result)
        if event.get("type") in SESSION_TYPES:
            _name_session(event, result.session_id, settings.classic)
        if event.get("type") == "screen":
            _name_screen(event)
        if is_recorded and event.get("type") in REPLAY_TYPES:
            _name_replay(event, result, settings.debug_key)

    def _session_events(self, event: Event, turn: sessions.Turn, device_id: str | None) -> list[Event]:
        made = []
        if turn.ended is not None and turn.ended.session_id != turn.session.session_id and turn.began:
            made.append(_session_event(SESSION_END, event, turn.ended, turn.ended.last_ms, device_id))
        if turn.began is not None:
            made.append(_session_event(SESSION_START, event, turn.began, turn.began.start_ms, device_id))
        return made


def enrich(
    event: Mapping[str, Any],
    state: AppState | None = None,
    *,
    at_ms: int | None = None,
    settings: EnrichSettings | None = None,
    device: DeviceMoment | None = None,
) -> Event:
    """Enrich one event and give it back; for programs that send events themselves.

    `device` is the device it belongs to; without one the event keeps its own IDs. Without a `state` the event stands
    alone: it gets the Replay ID only if it brings its session. `at_ms` is now where nothing says otherwise.
    """
    from .extract import time_ms

    moment = at_ms if at_ms is not None else time_ms(event.get("timestamp"))
    if moment is None:
        from ..sinks.base import host_clock

        moment = host_clock()
    chosen = settings or EnrichSettings(track_sessions=state is not None)
    enricher = Enricher(chosen, lambda device_id, at: device)
    kept = state if state is not None else AppState(device=device.device_id if device else None)
    return enricher.enrich(event, kept, moment).event


def note_event(event: Mapping[str, Any], state: AppState) -> None:
    """What an event says of its app: the user it is about, and whether it runs in a browser."""
    context = table(event, "context")
    name = table(context, "library").get("name")
    state.is_browser = name in LIBRARY_OF_BROWSERS or bool(table(context, "page"))
    if event.get("type") in ("identify", "alias"):
        user_id = id_text(event.get("userId"))
        if user_id:
            state.user_id = user_id


def _has_session(event: Mapping[str, Any]) -> bool:
    value = table(table(event, "integrations"), DESTINATION).get("session_id")
    return value not in (None, 0, "")


def _has_empty_id(event: Event) -> bool:
    """The destination takes "" at its word, and null for missing."""
    return isinstance(table(table(event, "context"), "device").get("id"), str)


def _name_device(event: Event, result: Enriched) -> None:
    """The device ID into the context. An app that is joined to a device keeps its own ID as `companion_id`."""
    context = dict(table(event, "context"))
    device = dict(table(context, "device"))
    own = id_text(device.get("id"))
    if result.device is not None and own not in (None, result.device):
        device["companion_id"] = own
    device["id"] = result.device_id
    context["device"] = device
    event["context"] = context


def _name_session(event: Event, session_id: int, classic: bool) -> None:
    integrations = dict(table(event, "integrations"))
    for name in (DESTINATION, *(("Amplitude",) if classic else ())):
        if integrations.get(name) is False:
            continue  # the app keeps this event from there
        integrations[name] = {**table(integrations, name), "session_id": session_id}
    event["integrations"] = integrations


def _name_screen(event: Event) -> None:
    """Amplitude's destination reads only `name`, Segment's own tools only `properties.name`."""
    properties = table(event, "properties")
    name = event.get("name") or properties.get("name")
    if isinstance(name, str) and name:
        event["name"] = name
        event["properties"] = {"name": name, **properties}


def _name_replay(event: Event, result: Enriched, debug_key: str) -> None:
    replay = replay_id(result.device_id, result.session_id) if result.device_id else None
    if replay is None:
        return
    added = {REPLAY_PROPERTY: replay}
    if debug_key:
        added[DEBUG_PROPERTY] = debug_value(debug_key)
    event["properties"] = added | dict(table(event, "properties"))


def _session_event(
    name: str, event: Mapping[str, Any], session: AppSession, at_ms: int, device_id: str | None
) -> Event:
    """session_start or session_end as the session plugin sends it: to Amplitude's destination alone."""
    who = {key: event[key] for key in ("anonymousId", "userId") if event.get(key)}
    place = f"{device_id or who}/{session.session_id}/{name}"
    integrations: dict[str, Any] = dict.fromkeys(table(event, "integrations"), False)
    made: Event = {
        "type": "track",
        "event": name,
        "messageId": f"app-{blake2b(place.encode(), digest_size=16).hexdigest()}",
        "timestamp": iso_time(at_ms),
        **who,
        "properties": {},
        "context": {**table(event, "context")},
        "integrations": integrations | {DESTINATION: {"session_id": session.session_id}},
    }
    if device_id:
        made["context"]["device"] = {**table(made["context"], "device"), "id": device_id}
    return made
