"""What nobody can have meant by a rule, with the remedy: paths, the link to the replay, rules against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .calls import REPLAY_CHUNKS, RESERVED_PREFIX
from .paths import Path, PathError, fits, parse
from .rules import LINKS, NAME_OF, Rule

TYPES: Final = ("track", "screen", "page", "identify", "group", "alias")
ROOTS: Final = ("properties", "traits", "context", "integrations")
IDS: Final = ("userId", "previousId", "groupId", "anonymousId")  # only redacted: an event needs one
_DEEDS: Final = ("rename", "drop", "keep", "redact", "add", "rename_event", "drop_event", "send_to")


class RuleFault(ValueError):
    """`key` of the rule is wrong, "" being all of it; `value` is the part that is, `number` which of several rules."""

    def __init__(self, key: str, text: str, value: str = "", number: int = 0) -> None:
        super().__init__(text)
        self.key, self.value, self.number = key, value, number


def read(fields: Mapping[str, Any]) -> Rule:
    """A rule of the settings, with its paths as text. Raises RuleFault."""
    values = dict(fields)
    for key in ("drop", "keep", "redact"):
        values[key] = tuple(_path(key, text) for text in fields.get(key, ()))
    values["rename"] = tuple(
        (_path("rename", old), _path("rename", new)) for old, new in fields.get("rename", {}).items()
    )
    values["add"] = tuple((_path("add", text), value) for text, value in fields.get("add", {}).items())
    rule = Rule(**values)
    _check_deeds(rule)
    _check_conditions(rule)
    _check_places(rule)
    if not rule.breaks_link:
        _check_links(rule)
    _check_reserved(rule)
    _check_conflicts(rule)
    return rule


def check_sinks(rule: Rule, sinks: Sequence[str]) -> None:
    """Raises RuleFault for a sink that gets no events here."""
    for key, names in (("sinks", rule.sinks), ("send_to", rule.send_to or ())):
        for name in names:
            if name not in sinks:
                known = ", ".join(sinks)
                raise RuleFault(key, f"there is no sink {name!r} that gets events; there are: {known}", name)
    if rule.sinks and rule.send_to is not None:
        raise RuleFault("send_to", "a rule for some `sinks` cannot send elsewhere; take one of the two out")


def check_recording(rule: Rule) -> None:
    """Raises RuleFault for what the recording says as well, where that leaves with the events."""
    for path in rule.redact:
        if path.steps[0].name != "context":
            raise RuleFault(
                "redact",
                f'{path.text!r} would leave all the same: with events.display_events = "inline" the recording is '
                'sent, calls and all; set that to "summary", or have the device leave the value out',
                path.text,
            )


def check_order(rules: Sequence[Rule]) -> None:
    """Raises RuleFault, with `number`, for renames that lead back to where they began."""
    for number, later in enumerate(rules):
        for first, earlier in enumerate(rules[:number]):
            fault = _loop(rules[first + 1 : number + 1], earlier, later)
            if fault is not None:
                fault.number = number
                raise fault


def _path(key: str, text: str) -> Path:
    try:
        path = parse(text)
    except PathError as error:
        raise RuleFault(key, f"{text!r}: {error}", text) from None
    root = path.steps[0].name
    if root in IDS and len(path.steps) == 1:
        if key == "redact":
            return path
        raise RuleFault(key, f"{text!r}: an ID can be redacted and nothing else; use redact", text)
    if root not in ROOTS or path.steps[0].is_pattern:
        places = " or ".join(f'"{one}.{text}"' for one in ("properties", "traits"))
        raise RuleFault(key, f"{text!r} must begin with {', '.join(ROOTS)}; did you mean {places}?", text)
    if len(path.steps) == 1:
        raise RuleFault(key, f"{text!r} is all there is; name what is in it, or write {text}.*", text)
    if key in ("rename", "add") and path.has_pattern:
        raise RuleFault(key, f"{text!r}: no * and ? here; write each name, in quotes if it holds one", text)
    return path


def _check_deeds(rule: Rule) -> None:
    done = [key for key in _DEEDS if getattr(rule, key) not in ((), "", False, None)]
    if not done:
        raise RuleFault("", f"it does nothing; give it one of {', '.join(_DEEDS)}")
    if rule.drop_event and len(done) > 1:
        other = next(key for key in done if key != "drop_event")
        raise RuleFault(other, f"nothing is left of a dropped event for {other}; take one of the two out")
    if rule.redact_key and not rule.redact:
        raise RuleFault("redact_key_file", "there is no redact for it; say what is hashed, or take it out")


def _check_conditions(rule: Rule) -> None:
    for pattern in rule.types:
        if not any(fits(one, pattern) for one in TYPES):
            raise RuleFault(
                "types", f"no event is of type {pattern!r}; types are {', '.join(TYPES)}", pattern
            )
    named = [one for one in NAME_OF if not rule.types or any(fits(one, pattern) for pattern in rule.types)]
    for key in ("events", "rename_event"):
        if getattr(rule, key) and not named:
            raise RuleFault(key, f"events of the types {', '.join(rule.types)} have no name; take it out")


def _check_places(rule: Rule) -> None:
    for old, new in rule.rename:
        if old.names == new.names:
            raise RuleFault("rename", f"{old.text!r} is renamed to itself; take it out", old.text)
        if new.names[: len(old.names)] == old.names:
            raise RuleFault(
                "rename", f"{new.text!r} lies in {old.text!r}, which it renames; choose another", new.text
            )


def _check_links(rule: Rule) -> None:
    paths: Iterable[tuple[str, Path]] = [
        *(("rename", path) for pair in rule.rename for path in pair),
        *((key, path) for key in ("drop", "redact") for path in getattr(rule, key)),
        *(("add", path) for path, _ in rule.add),
    ]
    for key, path in paths:
        for names, what in LINKS.items():
            if path.covers(names):
                raise RuleFault(
                    key,
                    f"{path.text!r} is or holds {what}, without which no replay is found for the event; "
                    "take it out, or write breaks_link = true if that is meant",
                    path.text,
                )


def _check_reserved(rule: Rule) -> None:
    made = [*(("rename", new) for _, new in rule.rename), *(("add", path) for path, _ in rule.add)]
    for key, path in made:
        if path.names[-1].startswith(RESERVED_PREFIX) and not rule.breaks_link:
            text = f"names beginning {RESERVED_PREFIX!r} are Amplitude's own; use another"
            raise RuleFault(key, f"{path.text!r}: {text}", path.text)
    if rule.rename_event == REPLAY_CHUNKS:
        text = "events of this name carry recordings, and would be read as such; use another"
        raise RuleFault("rename_event", f"{rule.rename_event!r}: {text}", rule.rename_event)
    if rule.rename_event.startswith(RESERVED_PREFIX):
        text = f"names beginning {RESERVED_PREFIX!r} are Amplitude's own; use another"
        raise RuleFault("rename_event", f"{rule.rename_event!r}: {text}", rule.rename_event)


def _check_conflicts(rule: Rule) -> None:
    for path in rule.drop:
        if any(path.names == kept.names for kept in rule.keep):
            raise RuleFault(
                "keep", f"{path.text!r} stands in drop as well; take it out of one of the two", path.text
            )
        if any(path.names == one.names for one in rule.redact):
            raise RuleFault(
                "redact", f"{path.text!r} is dropped before; take it out of one of the two", path.text
            )
    targets: dict[tuple[str, ...], Path] = {}
    sources = {old.names for old, _ in rule.rename}
    for old, new in rule.rename:
        if new.names in sources:
            raise RuleFault(
                "rename",
                f"{new.text!r} is renamed itself, so that {old.text!r} ends nowhere that can be told; use two rules",
                new.text,
            )
        if new.names in targets:
            raise RuleFault("rename", f"two become {new.text!r}; give one of them another name", new.text)
        targets[new.names] = new
        if any(dropped.names == new.names for dropped in rule.drop):
            raise RuleFault(
                "drop", f"{new.text!r} has just been made by rename; take it out of one", new.text
            )
        roots = {kept.steps[0].name for kept in rule.keep}
        if new.names[0] in roots and not _is_kept(new.names, rule.keep):
            raise RuleFault(
                "keep", f"it does not name {new.text!r}, which rename makes; add it there", new.text
            )


def _is_kept(names: tuple[str, ...], keep: Sequence[Path]) -> bool:
    return any(
        all(step.fits(name) for step, name in zip(path.steps, names, strict=False))
        for path in keep
        if len(path.steps) <= len(names)
    )


# ---- loops ------------------------------------------------------------


def _loop(between: Sequence[Rule], earlier: Rule, later: Rule) -> RuleFault | None:
    """Whether `later`, the last of those `between`, renames something back to what it was before `earlier`."""
    after = f"comes back under its old name, after rule {earlier.name!r}; take out one of the two"
    if not _may_both_fit(earlier, later, ("types", "devices", "users", "sinks")):
        return None
    if earlier.rename_event and later.rename_event in earlier.events:
        name = earlier.rename_event
        for rule in between:
            is_meant = rule.rename_event and any(fits(name, pattern) for pattern in rule.events)
            name = rule.rename_event if is_meant else name
        if name == later.rename_event:
            return RuleFault("rename_event", f"the event {name!r} {after}", name)
    if not _may_both_fit(earlier, later, ("events",)):
        return None
    for old, new in earlier.rename:
        names = new.names
        for rule in between:
            names = next((target.names for source, target in rule.rename if source.names == names), names)
        if names == old.names and any(target.names == names for _, target in later.rename):
            return RuleFault("rename", f"{old.text!r} {after}", old.text)
    return None


def _may_both_fit(one: Rule, other: Rule, keys: Sequence[str]) -> bool:
    """False where conditions of two rules never hold for the same event."""
    pairs = [(getattr(one, key), getattr(other, key)) for key in keys]
    return all(not a or not b or any(fits(x, y) or fits(y, x) for x in a for y in b) for a, b in pairs)
