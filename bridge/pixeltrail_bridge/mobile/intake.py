"""From what an app posted to what the sinks get, in one transaction.

An event is checked, blocked or enriched, and added to the outbox under the device it is joined to, else under a row of
the app's own. Nothing is kept in memory between transactions, so a bridge that is killed has either all of a post or
nothing of it, and the app sends it again under the same message IDs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

import msgspec

from ..mapping.calls import REPLAY_TYPES, RESERVED_PREFIX, Call, iso_time
from ..sessions.state import DeviceState
from ..store import apps
from ..store.sql import Connection
from ..store.tombstones import Tombstones, devices_of, users_of
from . import links
from .enrichment import SESSION_TYPES, DeviceMoment, Enriched, Enricher, EnrichSettings, Event
from .extract import device_id_of, id_text, table, time_ms
from .sessions import AppState

LETTER_KIND: Final = "mobile"
COUNT_PREFIX: Final = "mobile_"  # of the counters kept here
LINK_UNKNOWN: Final = "link_unknown"
CONTROL: Final = "pixeltrail"  # context.pixeltrail: what an app tells the bridge
_MAX_MESSAGE_ID: Final = 100
_MAX_NAME: Final = 200
_MAX_LETTER: Final = 32 << 10
_KEPT_V4, _KEPT_V6 = 24, 48  # bits of an address that is cut short
_OWN_IDS: Final = ("px-", "app-")  # message IDs that the bridge gives: nobody else may take one in advance
_decode_state = msgspec.json.Decoder(AppState).decode
_decode_device = msgspec.json.Decoder(DeviceState).decode
_encode = msgspec.json.Encoder().encode

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class BlockRules:
    """Events that are counted and not kept. Patterns have * and ?; those of user agents ignore case."""

    networks: tuple[Network, ...] = ()
    user_agents: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    enrich: EnrichSettings = field(default_factory=EnrichSettings)
    block: BlockRules = field(default_factory=BlockRules)
    keep_ip: bool = True  # put the app's address into context.ip where it has none
    truncate_ip: bool = False  # but only its network: /24, of IPv6 /48


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came. `skew_ms` is what the app's clock lacks to ours, from the post's sentAt."""

    event: Event
    received_ms: int
    skew_ms: int = 0
    ip: str = ""
    user_agent: str = ""
    fault: str | None = None  # why it cannot be taken, where its size already says so


@dataclass(slots=True)
class Taken:
    """What became of a post. `device_ids`: whose rows got events."""

    added: int = 0
    known: int = 0
    blocked: int = 0
    refused: int = 0
    device_ids: set[str] = field(default_factory=set)


class Transaction(Protocol):
    """The part of a store's transaction that is used here."""

    db: Connection
    locking: str

    @property
    def tombstones(self) -> Tombstones: ...

    dropped: int  # events that rules kept out

    def redacted(self, event: Any) -> Any: ...
    def enqueue_calls(self, calls: Iterable[Call]) -> int: ...
    def count(self, device_id: str, name: str, by: int = 1) -> None: ...
    def lock_devices(self, device_ids: Sequence[str]) -> dict[str, int]: ...
    def add_dead_letter(self, device_id: str, kind: str, reason: str, raw: bytes, now_ms: int) -> None: ...


class Intake:
    def __init__(self, settings: IntakeSettings) -> None:
        self.settings = settings

    def take(self, tx: Transaction, received: Sequence[Received]) -> Taken:
        """Take events in their order. Raises what the store raises; then nothing of them was kept."""
        return _Pass(tx, self.settings).run(received)


class _Pass:
    """One transaction on its way."""

    def __init__(self, tx: Transaction, settings: IntakeSettings) -> None:
        self.tx, self.settings = tx, settings
        self.enricher = Enricher(settings.enrich, self._device_at)
        self.states: dict[str, AppState] = {}
        self.seen_ms: dict[str, int] = {}
        self.calls: list[tuple[str | None, str, Call]] = []  # device it is joined to, app, call
        self.counts: dict[str, int] = {}
        self.taken = Taken()

    def run(self, received: Sequence[Received]) -> Taken:
        for one in received:
            self._count("events")
            if rule := self._blocked_by(one):  # first: a dead letter of theirs would be kept, too
                self.taken.blocked += 1
                self._count(f"blocked_{rule}")
            elif (reason := one.fault or fault_of(one.event)) is not None:
                self._refuse(one, reason)
            else:
                self._take(one)
        self._write()
        return self.taken

    def _take(self, one: Received) -> None:
        event, at_ms = timed(one, self.settings)
        key = self._key_of(event)
        state = self._state_of(key)
        self.seen_ms[key] = one.received_ms
        self._obey(event, state, one.received_ms)
        result = self.enricher.enrich(event, state, at_ms)
        for fault in result.faults:
            self._count(f"{fault}")
        for made in result.made:
            self._call(made, result, key, time_ms(made["timestamp"]) or at_ms)
        result.event["messageId"] = message_id_of(result.event, key)
        self._call(result.event, result, key, at_ms)

    def _call(self, payload: Event, result: Enriched, key: str, at_ms: int) -> None:
        call = Call(
            message_id=payload["messageId"],
            device_id=result.device or apps.app_device_id(key),
            session_id=result.session_id,
            type=payload["type"],
            event=name_of(payload),
            payload=payload,
            time_ms=at_ms,
        )
        self.calls.append((result.device, key, call))

    def _write(self) -> None:
        for key, state in sorted(self.states.items()):
            apps.put_app(self.tx.db, key, _encode(state), self.seen_ms[key])
        joined = sorted({device for device, _, _ in self.calls if device is not None})
        self.tx.lock_devices(joined)  # order within a device holds across writers
        calls = [call for _, _, call in self.calls]
        self.taken.added = self.tx.enqueue_calls(calls) if calls else 0
        self.taken.known = len(calls) - self.taken.added - self.tx.dropped
        self.taken.device_ids = {call.device_id for call in calls}
        if self.taken.known:
            self._count("known_already", self.taken.known)
        for name, by in sorted(self.counts.items()):
            self.tx.count("", COUNT_PREFIX + name, by)

    def _refuse(self, one: Received, reason: str) -> None:
        self.taken.refused += 1
        self._count("refused")
        event = one.event
        if isinstance(event.get("context"), dict):
            event = {**event, "context": context_of(one, self.settings)}
        raw = _encode(self.tx.redacted(event))[:_MAX_LETTER]
        self.tx.add_dead_letter("", LETTER_KIND, reason, raw, one.received_ms)

    def _count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    # ---- who -------------------------------------------------------------------

    def _key_of(self, event: Event) -> str:
        """What an app's state is kept under: its own device ID, else its anonymous ID, else its user."""
        device_id, is_context = device_id_of(event)
        if device_id and (not is_context or not apps.is_device(self.tx.db, device_id)):
            return plain(device_id)
        return plain(id_text(event.get("anonymousId")) or id_text(event.get("userId")) or device_id or "")

    def _state_of(self, key: str) -> AppState:
        state = self.states.get(key)
        if state is None:
            row = apps.load_app(self.tx.db, key, self.tx.locking)
            state = self.states[key] = AppState() if row is None else _decode_state(row.state)
        return state

    def _obey(self, event: Event, state: AppState, now_ms: int) -> None:
        """What the app tells us in context.pixeltrail: a link token, an opt-out, start and stop."""
        control = table(table(event, "context"), CONTROL)
        if isinstance(control.get("opt_out"), bool):
            state.opted_out = control["opt_out"]
        if control.get("recording") in ("start", "stop"):
            state.is_stopped = control["recording"] == "stop"
        token = control.get("link")
        if isinstance(token, str) and token and links.clean_token(token) != state.token:
            device_id = links.find_device(self.tx.db, token, now_ms)
            if device_id is None:
                self._count(LINK_UNKNOWN)
            else:
                state.device, state.token = device_id, links.clean_token(token)

    def _device_at(self, device_id: str, at_ms: int) -> DeviceMoment | None:
        if not apps.is_device(self.tx.db, device_id):
            return None
        found = apps.session_at(self.tx.db, device_id, at_ms)
        if found is None or found.session_id is None:
            return DeviceMoment(device_id)
        opted_out_ms = _decode_device(found.state).opted_out_ms
        is_welcome = opted_out_ms is None or at_ms < opted_out_ms
        return DeviceMoment(device_id, found.session_id, found.sampled and is_welcome)

    def _blocked_by(self, one: Received) -> str | None:
        rules, event = self.settings.block, one.event
        context = table(event, "context")
        addresses = (one.ip, context.get("ip"))
        if rules.networks and any(_is_in(address, rules.networks) for address in addresses):
            return "ip"
        agents = (one.user_agent, context.get("userAgent"))
        if any(_fits(agent, rules.user_agents, fold=True) for agent in agents):
            return "user_agent"
        if any(_fits(device, rules.devices) for device in _device_ids(event)):
            return "device"
        user_ids = (event.get("userId"), event.get("previousId"))
        if any(_fits(user, rules.users) for user in user_ids):
            return "user"
        return "forgotten" if self._is_forgotten(event, one.received_ms) else None

    def _is_forgotten(self, event: Event, now_ms: int) -> bool:
        """Whether it is of somebody who was forgotten, and may not come again."""
        gone = self.tx.tombstones
        at_ms = time_ms(event.get("originalTimestamp") or event.get("timestamp")) or now_ms
        return bool(gone) and (
            any(gone.refuses("user", user, at_ms) for user in users_of(event))
            or any(gone.refuses("device", device, at_ms) for device in devices_of(event))
        )


def fault_of(event: Event) -> str | None:
    """Why an event can go to no sink: Segment answers 200 to such a one and loses it."""
    kind = event.get("type")
    if kind not in SESSION_TYPES:
        return f"type must be one of {', '.join(SESSION_TYPES)}; the event has {kind!r:.40}"
    if kind == "track":
        name = event.get("event")
        if not isinstance(name, str) or not name:
            return "event: a track call needs the name of its event as text"
        if name.startswith(RESERVED_PREFIX):
            return f"event: names beginning {RESERVED_PREFIX!r} are Amplitude's own; use another"
    if kind == "group" and not id_text(event.get("groupId")):
        return "groupId: a group call needs the ID of its group"
    if kind == "alias" and not (id_text(event.get("previousId")) and id_text(event.get("userId"))):
        return "previousId: an alias call needs it, and userId"
    if not any(id_text(event.get(name)) for name in ("userId", "anonymousId")) and not device_id_of(event)[0]:
        return "userId: an event needs it, or anonymousId"
    for name in ("properties", "traits", "context", "integrations"):
        if not isinstance(event.get(name), dict | None):
            return f"{name}: must be an object"
    return None


def network_of(address: str) -> str | None:
    """What is kept of an address that is cut short; None of what is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    length = _KEPT_V4 if parsed.version == 4 else _KEPT_V6
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False).network_address)


def timed(one: Received, settings: IntakeSettings) -> tuple[Event, int]:
    """A copy of the event with `timestamp` on our clock, the app's own as originalTimestamp; and that time in ms."""
    event = {key: value for key, value in one.event.items() if key not in ("sentAt", "writeKey")}
    original_ms = time_ms(event.get("originalTimestamp") or event.get("timestamp"))
    at_ms = one.received_ms
    if original_ms is not None:
        event["originalTimestamp"] = iso_time(original_ms)
        at_ms = max(0, min(original_ms + one.skew_ms, one.received_ms))
    event["timestamp"] = iso_time(at_ms)
    for name in ("properties",) if event["type"] in REPLAY_TYPES else ():
        event[name] = event.get(name) or {}
    event["context"] = context_of(one, settings)
    return event, at_ms


def context_of(one: Received, settings: IntakeSettings) -> Event:
    """The event's context, with as much of the app's address as may be kept."""
    context = dict(table(one.event, "context"))
    if settings.keep_ip and one.ip and not context.get("ip"):
        context["ip"] = one.ip
    elif not settings.keep_ip:
        context.pop("ip", None)
    if settings.truncate_ip and "ip" in context:
        cut = network_of(str(context["ip"]))
        context = {**context, "ip": cut} if cut else {k: v for k, v in context.items() if k != "ip"}
    return context


def message_id_of(event: Event, key: str) -> str:
    """The event's own message ID where it may be one, else one made of it: the same whenever it is sent again."""
    given = event.get("messageId")
    text = given if isinstance(given, str) else ""
    if 0 < len(text) <= _MAX_MESSAGE_ID and text.isprintable() and not text.startswith(_OWN_IDS):
        return text
    content = text or _encode(event)
    return links.own_message_id(key, content)


def name_of(event: Event) -> str:
    """What an event is called in lists."""
    fields = {"track": "event", "group": "groupId", "identify": "userId", "alias": "userId"}
    value = id_text(event.get(fields.get(event["type"], "name")))
    return plain(value or "")[:_MAX_NAME]


def plain(text: str) -> str:
    """Without what a database cannot hold as text."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _device_ids(event: Event) -> tuple[Any, ...]:
    device = table(table(event, "context"), "device")
    return device.get("id"), event.get("anonymousId")


def _fits(value: Any, patterns: Sequence[str], fold: bool = False) -> bool:
    if not isinstance(value, str) or not patterns:
        return False
    text = value.lower() if fold else value
    return any(fnmatchcase(text, pattern.lower() if fold else pattern) for pattern in patterns)


def _is_in(value: Any, networks: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return any(address in network for network in networks)
