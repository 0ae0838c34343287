"""What is a device's, a user's or a session's: all that may hold their ID is read, packed recordings included."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from ..errors import PeerError
from ..mapping.calls import REPLAY_CHUNKS
from ..mobile.sessions import AppState
from ..store import scanning
from ..store.apps import app_device_id
from ..store.database import SqlStore
from ..store.scanning import Needle
from ..store.tombstones import devices_of, is_of_others, session_name, users_of
from ..wire import messages as m
from ..wire.decode import decode_uplink
from ..wire.recording_file import decode_items

_PAGE: Final = 1_000
Kind = Literal["device", "user", "session"]


@dataclass(frozen=True, slots=True)
class Subject:
    """`name`: the ID of the device or user. `session_id` is for a session of the device.

    `aliases`: what rules put in the place of a user's ID, and events and vendors know the user by.
    """

    kind: Kind
    name: str
    session_id: int = 0
    aliases: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return self.aliases | {self.name}

    @property
    def text(self) -> str:
        return session_name(self.name, self.session_id) if self.kind == "session" else self.name


@dataclass(slots=True)
class Found:
    """What is a subject's. `devices` go whole; `sessions` are (device ID, session ID), also of apps."""

    devices: set[str] = field(default_factory=set)
    sessions: set[tuple[str, int]] = field(default_factory=set)
    events: set[int] = field(default_factory=set)
    letters: set[int] = field(default_factory=set)
    chunks: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)  # numbers of devices that stay
    mentions: dict[str, int] = field(default_factory=dict)

    def adds_to(self, other: Found) -> bool:
        """Whether there is something here that the other had not."""
        return bool(
            self.devices - other.devices
            or self.sessions - other.sessions
            or self.events
            or self.letters
            or self.chunks
        )

    def take(self, other: Found) -> None:
        self.devices |= other.devices
        self.sessions |= other.sessions
        self.events |= other.events
        self.letters |= other.letters
        self.chunks |= other.chunks
        self.touched |= other.touched


def find(store: SqlStore, subject: Subject) -> Found:
    """Reads everything that may hold the subject's ID, packed recordings included."""
    found = Found()
    if subject.kind == "session":
        found.sessions.add((subject.name, subject.session_id))
    elif subject.kind == "device":
        _find_device(store, subject.name, found)
    else:
        _find_user(store, subject, found)
    if subject.kind != "session":
        _find_letters(store, subject.name, found)
    found.touched |= {
        number for device, _ in found.sessions if (number := _number(store, device)) is not None
    }
    return found


def _find_device(store: SqlStore, device_id: str, found: Found) -> None:
    found.devices |= {device_id, app_device_id(device_id)}
    for key, own_id, _ in apps_of(store):
        if device_id in (key, own_id):
            found.devices |= {own_id, key}
    for number, device, session_id, payload in scanning.events_with(store, device_id):
        del device, session_id
        if device_id in devices_of(event_of(payload)):
            found.events.add(number)


def _find_user(store: SqlStore, subject: Subject, found: Found) -> None:
    user_id = subject.name
    query = "SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device WHERE s.user_id = ?"
    found.sessions |= {(device, session_id) for device, session_id in store._all(query, user_id)}
    names = dict(store._all("SELECT no, device_id FROM devices"))
    used: set[str] = set()  # devices and apps that sent events of theirs
    events = (one for name in sorted(subject.names) for one in scanning.events_with(store, name))
    for number, device, session_id, payload in events:
        event = event_of(payload)
        if subject.names & users_of(event) or user_id in devices_of(event):
            found.events.add(number)
            found.touched.add(device)
            used.add(names[device])
            if session_id > 0:
                found.sessions.add((names[device], session_id))
    for key, session_id, device_id, data in scanning.chunks_with(store, user_id):
        if names_user(bytes(data), user_id):
            _place(found, device_id, session_id, key)
    needle = Needle(user_id)
    for device_id, session_id, data in scanning.find_in_objects(store, needle, found.sessions):
        if any(names_user(chunk, user_id) for _, _, chunk, _ in decode_items(data)):
            found.sessions.add((device_id, session_id))
    for key, own_id, state in apps_of(store):
        if user_id in (key, state.user_id) or own_id in used:
            _find_app(store, key, own_id, subject.names, found)
    _find_inline(store, needle, user_id, found)


def _place(found: Found, device_id: str, session_id: int | None, key: int) -> None:
    if session_id is not None and session_id > 0:
        found.sessions.add((device_id, session_id))
    else:
        found.chunks.add(key)


def _find_app(store: SqlStore, key: str, own_id: str, names: frozenset[str], found: Found) -> None:
    """An app that nobody else used goes whole; of another, what names nobody else."""
    others, own = False, set[int]()
    for number, payload in _events_of(store, own_id):
        users = users_of(event_of(payload))
        if users - names:
            others = True
        else:
            own.add(number)
    found.events |= own
    if not others:
        found.devices |= {own_id, key}


def _find_inline(store: SqlStore, needle: Needle, user_id: str, found: Found) -> None:
    """Recordings that went out as events: the ID is within their base64."""
    for part in needle.parts[1:]:
        query = f"SELECT id, payload FROM events WHERE event = ? AND {store.contains.format('payload')}"
        for number, payload in store._all(query, REPLAY_CHUNKS, part):
            data = event_of(payload).get("properties", {}).get("data", "")
            try:
                items = list(decode_items(base64.b64decode(data)))
            except (ValueError, PeerError):
                items = []
            if any(names_user(chunk, user_id) for _, _, chunk, _ in items):
                found.events.add(number)


def _find_letters(store: SqlStore, text: str, found: Found) -> None:
    needle = Needle(text)
    query = "SELECT id, device_id, reason, raw FROM dead_letters"
    for number, device_id, reason, raw in store._all(query):
        if device_id in found.devices or needle.is_in(reason.encode()) or needle.is_in(bytes(raw)):
            found.letters.add(number)


def names_user(data: bytes, user_id: str) -> bool:
    """Whether a chunk tells of a user in the records that name users."""
    try:
        chunk = decode_uplink(data)
    except PeerError:
        return Needle(user_id).is_in(data)
    if not isinstance(chunk, m.Chunk):
        return False
    for record in chunk.records:
        body = record.body
        if isinstance(body, m.Identify) and body.user_id == user_id:
            return True
        if isinstance(body, m.Alias) and user_id in (body.user_id, body.previous_id):
            return True
    return False


# ---- readers ------------------------------------------------------------------------


def apps_of(store: SqlStore) -> Iterator[tuple[str, str, AppState]]:
    query = "SELECT a.key, d.device_id, a.state FROM apps a JOIN devices d ON d.no = a.device"
    for key, own_id, state in store._all(query):
        yield key, own_id, msgspec.json.decode(bytes(state), type=AppState)


def all_events(store: SqlStore) -> Iterator[Any]:
    last = 0
    query = (
        "SELECT d.device_id, e.id, e.session_id, e.time_ms, e.payload FROM events e JOIN devices d ON d.no = e.device"
        f" WHERE e.id > ? ORDER BY e.id LIMIT {_PAGE}"
    )
    while rows := store._all(query, last):
        yield from rows
        last = rows[-1][1]


def _events_of(store: SqlStore, device_id: str) -> Iterable[Any]:
    query = "SELECT e.id, e.payload FROM events e JOIN devices d ON d.no = e.device WHERE d.device_id = ?"
    return store._all(query, device_id)


def session_events(store: SqlStore, device_id: str, session_id: int) -> Iterable[Any]:
    query = (
        "SELECT e.id, e.payload FROM events e JOIN devices d ON d.no = e.device"
        " WHERE d.device_id = ? AND e.session_id = ?"
    )
    return store._all(query, device_id, session_id)


def _number(store: SqlStore, device_id: str) -> int | None:
    rows = store._all("SELECT no FROM devices WHERE device_id = ?", device_id)
    return int(rows[0][0]) if rows else None


def event_of(payload: Any) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(bytes(payload))
    except msgspec.DecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def line_is_theirs(subject: Subject, found: Found) -> Callable[[bytes], bool]:
    """Of a line of the file of events."""

    def is_theirs(line: bytes) -> bool:
        event = event_of(line)
        session_id = _session_of(event)
        users, devices = users_of(event), devices_of(event)
        if subject.kind == "device":
            return bool(devices & found.devices) or subject.name in devices
        if subject.kind == "user" and (subject.names & (users | devices) or devices & found.devices):
            return True
        of_session = any((device, session_id) in found.sessions for device in devices)
        if subject.kind == "session":
            return of_session
        return of_session and not is_of_others(event)

    return is_theirs


def _session_of(event: dict[str, Any]) -> int:
    integrations = event.get("integrations")
    named = integrations.get("Actions Amplitude") if isinstance(integrations, dict) else None
    session_id = named.get("session_id") if isinstance(named, dict) else None
    return session_id if isinstance(session_id, int) else 0
