"""Rules of the customer's own: which events go where, and what of them.

A rule has conditions, all of which an event must fit, and what to do with such an event. Rules are tried in their
order, each on what those before it made of the event. They run once for each event, when it is written down and before
any sink sees it: not again when it is sent again, and not on what was written down before.

Without `sinks` a rule is for all of them and for the history that people look at. With `sinks` it changes what these
get and nothing else, but for `redact`: the history is for everyone's eyes, so what any rule redacts is redacted there.

A rule never raises, whatever an event holds: what does not fit is left as it is. The fields by which a replay is found
again (LINKS) are spared unless a rule says `breaks_link`, also where a pattern would fit them. Events that carry the
recording itself are sent somewhere or dropped, and never changed: they would be read as damaged.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from . import paths
from .calls import REPLAY_CHUNKS, REPLAY_PROPERTY, Call, Shaped
from .paths import GONE, Names, Path

LINKS: Final[Mapping[Names, str]] = {
    ("anonymousId",): "the device ID",
    ("context", "device", "id"): "the device ID",
    ("properties", REPLAY_PROPERTY): "the Session Replay ID",
    ("integrations", "Actions Amplitude", "session_id"): "the session ID",
    ("integrations", "Amplitude", "session_id"): "the session ID",
}
HASH_DIGITS: Final = 32  # of SHA-256's 64: 128 bits, which never meet by chance
NAME_OF: Final = {"track": "event", "screen": "name", "page": "name"}
_SHOWN_AS: Final = {**NAME_OF, "group": "groupId", "identify": "userId", "alias": "userId"}
_ROOTS_OF: Final[Mapping[str, Collection[str]]] = {  # of the types that have it; others have neither
    "properties": tuple(NAME_OF),
    "traits": ("identify", "group"),
}
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Rule:
    """As the settings have it, with paths read. Empty conditions fit every event."""

    name: str
    types: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    rename: tuple[tuple[Path, Path], ...] = ()
    drop: tuple[Path, ...] = ()
    keep: tuple[Path, ...] = ()
    redact: tuple[Path, ...] = ()
    redact_with: str = "[redacted]"
    redact_key: bytes = field(default=b"", repr=False)
    add: tuple[tuple[Path, Any], ...] = ()
    rename_event: str = ""
    drop_event: bool = False
    send_to: tuple[str, ...] | None = None
    breaks_link: bool = False

    @property
    def spared(self) -> Collection[Names]:
        return () if self.breaks_link else LINKS

    def fits(self, event: Mapping[str, Any], device_id: str) -> bool:
        kind = event.get("type")
        return (
            _fits(kind, self.types)
            and (not self.events or _fits(name_of(event), self.events))
            and _fits(device_id, self.devices)
            and (not self.users or any(_fits(event.get(n), self.users) for n in ("userId", "previousId")))
        )

    def redacted(self, value: Any) -> Any:
        """What stands in a value's place: the same for the same value, and nothing for nothing."""
        if value is None or not self.redact_key:
            return value if value is None else self.redact_with
        try:
            content = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _encode(value)
        except (ValueError, OverflowError, RecursionError, TypeError):
            return self.redact_with  # no sink could be sent such a value either
        return hmac.digest(self.redact_key, content, "sha256").hex()[:HASH_DIGITS]

    def steps(self) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        """What it does with the content of an event, in order, each with words for it."""
        for source, target in self.rename:
            yield f"renamed {source.text} to {target.text}", _mover(source, target, self.spared)
        for path in self.drop:
            yield f"dropped {path.text}", _changer(path, lambda value: GONE, self.spared)
        if self.keep:
            yield "kept only what is listed", _keeper(self.keep, self.spared)
        for path in self.redact:
            how = "hashed" if self.redact_key else "redacted"
            yield f"{how} {path.text}", _changer(path, self.redacted, self.spared)
        for path, value in self.add:
            yield f"added {path.text}", _adder(path, value)
        if self.rename_event:
            yield f"renamed the event to {self.rename_event!r}", _renamer(self.rename_event)


@dataclass(slots=True)
class Told:
    """What rules did to one sample, for people."""

    sink: str  # "" is the history
    payload: Any  # GONE when it gets none
    did: list[tuple[str, str]]  # rule and words


class Rules:
    """Compiled. `sinks` are those that get events."""

    def __init__(self, rules: Sequence[Rule], sinks: Sequence[str]) -> None:
        self.rules, self.sinks = tuple(rules), tuple(sinks)
        shown = [_redacting(rule) if rule.sinks else rule for rule in self.rules]
        self._history = _compiled(shown)
        self._by_sink = {
            sink: _compiled([rule for rule in self.rules if not rule.sinks or sink in rule.sinks])
            for sink in self.sinks
        }
        self._is_uniform = not any(rule.sinks for rule in self.rules)

    def shape(self, call: Call) -> Shaped | None:
        """What is written down of a call; None when nothing is."""
        history, wanted, is_dropped = _run(self._history, call.payload, call.device_id)
        if self._is_uniform:
            if is_dropped:
                return None
            return Shaped(_with(call, history), wanted)
        return self._shape_each(call, history, is_dropped)

    def _shape_each(self, call: Call, history: Any, is_dropped: bool) -> Shaped | None:
        own: dict[str, Any] = {}
        sinks = []
        for sink, compiled in self._by_sink.items():
            payload, wanted, is_out = _run(compiled, call.payload, call.device_id)
            if is_out or (wanted is not None and sink not in wanted):
                continue
            sinks.append(sink)
            if payload != history:
                own[sink] = payload
        if is_dropped and not sinks:
            return None
        everyone = len(sinks) == len(self.sinks)
        return Shaped(_with(call, history), None if everyone else tuple(sinks), own)

    def redact(self, event: Any, device_id: str = "") -> Any:
        """An event that will go nowhere, with what any rule redacts redacted; it may have any shape."""
        if not isinstance(event, Mapping):
            return event
        for rule in self.rules:
            if rule.redact and rule.fits(event, device_id):
                for path in rule.redact:
                    event = paths.change(event, path, rule.redacted, rule.spared)
        return event

    def explain(self, event: Mapping[str, Any], device_id: str) -> list[Told]:
        """What becomes of an event in the history and at each sink, and which rule did what."""
        told = [_tell("", self._history, event, device_id)]
        told += [_tell(sink, compiled, event, device_id) for sink, compiled in self._by_sink.items()]
        return told


_Compiled = Sequence[tuple[Rule, Sequence[tuple[str, Callable[[Any], Any]]]]]


def _compiled(rules: Sequence[Rule]) -> _Compiled:
    return tuple((rule, tuple(rule.steps())) for rule in rules)


def _run(compiled: _Compiled, event: Any, device_id: str) -> tuple[Any, tuple[str, ...] | None, bool]:
    """The event as the rules leave it, the sinks it goes to (None: all), and whether it is dropped."""
    wanted: tuple[str, ...] | None = None
    for rule, steps in compiled:
        if not rule.fits(event, device_id):
            continue
        if rule.drop_event:
            return event, wanted, True
        for _, step in () if name_of(event) == REPLAY_CHUNKS else steps:
            event = step(event)
        wanted = wanted if rule.send_to is None else rule.send_to
    return event, wanted, False


def _tell(sink: str, compiled: _Compiled, event: Any, device_id: str) -> Told:
    did: list[tuple[str, str]] = []
    wanted: tuple[str, ...] | None = None
    for rule, steps in compiled:
        if not rule.fits(event, device_id):
            continue
        if rule.drop_event:
            return Told(sink, GONE, [*did, (rule.name, "dropped the event")])
        for words, step in () if name_of(event) == REPLAY_CHUNKS else steps:
            new = step(event)
            if new is not event:
                did.append((rule.name, words))
            event = new
        if rule.send_to is not None:
            did.append((rule.name, f"sent it to {', '.join(rule.send_to)}"))
            wanted = rule.send_to
    is_out = sink and wanted is not None and sink not in wanted
    return Told(sink, GONE if is_out else event, did)


def _redacting(rule: Rule) -> Rule:
    """The part of a rule for some sinks that the history is shown to as well."""
    return replace(
        rule, sinks=(), rename=(), drop=(), keep=(), add=(), rename_event="", drop_event=False, send_to=None
    )


def _with(call: Call, payload: Any) -> Call:
    if payload is call.payload:
        return call
    # The name of a call in lists is a part of it, which a rule may have renamed or redacted.
    key = _SHOWN_AS[call.type]
    before, after = call.payload.get(key), payload.get(key)
    event = call.event if before == after or not isinstance(after, str) else after
    return msgspec.structs.replace(call, payload=payload, event=event)


def name_of(event: Mapping[str, Any]) -> Any:
    """What a track call, screen or page is called; None for the others, which have no name."""
    kind = event.get("type")
    return event.get(NAME_OF[kind]) if isinstance(kind, str) and kind in NAME_OF else None


def _fits(value: Any, patterns: Sequence[str]) -> bool:
    if not patterns:
        return True
    return isinstance(value, str) and any(paths.fits(value, pattern) for pattern in patterns)


# ---- what a rule does ------------------------------------------------------------


def _changer(path: Path, act: paths.Act, spared: Collection[Names]) -> Callable[[Any], Any]:
    return lambda event: paths.change(event, path, act, spared)


def _mover(source: Path, target: Path, spared: Collection[Names]) -> Callable[[Any], Any]:
    def move(event: Any) -> Any:
        value = paths.find(event, source.names)
        if value is GONE or not _may_have(event, target):
            return event
        rest = paths.change(event, source, lambda _: GONE, spared)
        return paths.put(rest, target.names, value)

    return move


def _keeper(keep: Sequence[Path], spared: Collection[Names]) -> Callable[[Any], Any]:
    roots = {path.steps[0].name for path in keep}

    def prune(event: Any) -> Any:
        for root in roots:
            if isinstance(event.get(root), Mapping):
                kept = [Path(one.text, one.steps[1:]) for one in keep if one.steps[0].name == root]
                linked = [names[1:] for names in spared if names[0] == root and len(names) > 1]
                left = paths.prune(event[root], kept, linked)
                if left is not event[root]:
                    event = {**event, root: {} if left is GONE else left}
        return event

    return prune


def _adder(path: Path, value: Any) -> Callable[[Any], Any]:
    return lambda event: paths.put(event, path.names, value) if _may_have(event, path) else event


def _may_have(event: Mapping[str, Any], path: Path) -> bool:
    types = _ROOTS_OF.get(path.steps[0].name)
    return types is None or event.get("type") in types


def _renamer(name: str) -> Callable[[Any], Any]:
    def rename(event: Any) -> Any:
        kind = event.get("type")
        key = NAME_OF.get(kind) if isinstance(kind, str) else None
        if key is None or event.get(key) == name:
            return event
        renamed = {**event, key: name}
        inner = event.get("properties")
        if (
            key == "name"
            and isinstance(inner, Mapping)
            and "name" in inner
            and inner["name"] == event.get("name")
        ):
            renamed["properties"] = {**inner, "name": name}  # screens have their name twice
        return renamed

    return rename
