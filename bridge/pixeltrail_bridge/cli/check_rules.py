"""The part of `pixeltrail check` that is about [[rules]]: whether they can be meant, and what they make of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from ..config import Config
    from ..mapping.rules import Rules, Told

Finding = tuple[bool, str, str]
_HISTORY: Final = "history"  # what people look at on the page and export
_WIDTH: Final = 160  # letters of a value that are shown


def find(settings: Config) -> Iterator[Finding]:
    """Nothing where there are no rules."""
    try:
        rules = _rules(settings)
    except ConfigError as error:
        yield False, "rules", str(error)
        return
    if rules is not None:
        names = ", ".join(repr(rule.name) for rule in rules.rules)
        yield True, "rules", f"{len(rules.rules)}, in this order: {names}"
    for path in {one.key_file for one in settings.lists.rules if one.key_file is not None}:
        if path.stat().st_mode & 0o077:
            yield False, "rules", f"{path} can be read by others; run: chmod 600 {path}"


def for_sink(settings: Config, sink: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the events that a sink gets, as it gets them. What is wrong with the rules, find() says."""
    try:
        rules = _rules(settings)
    except ConfigError:
        return events
    if rules is None or sink not in rules.sinks:
        return events
    from ..mapping.paths import GONE

    told = (one for event in events for one in rules.explain(event, device_of(event)) if one.sink == sink)
    return [one.payload for one in told if one.payload is not GONE]


def show(settings: Config, samples: list[dict[str, Any]] | None) -> None:
    """Print what becomes of samples: a person's own, or of those built in the ones that a rule is for."""
    from rich.console import Console

    from ..sinks.amplitude.samples import made_events, sample_events

    try:
        rules = _rules(settings)
    except ConfigError:
        return  # find() has told it
    if rules is None:
        return
    console = Console(soft_wrap=True, highlight=False)
    untouched = 0
    for event in [*sample_events(), *made_events()] if samples is None else samples:
        told = rules.explain(event, device_of(event))
        if samples is None and not any(one.did for one in told):
            untouched += 1
            continue
        for line in _lines(event, told):
            console.print(line)
    if untouched:
        console.print(f"\nNo rule is for {untouched} of the samples; --sample FILE takes events of yours.")


def device_of(event: dict[str, Any]) -> str:
    context = event.get("context")
    device = context.get("device") if isinstance(context, dict) else None
    found = device.get("id") if isinstance(device, dict) else None
    found = found or event.get("anonymousId")
    return found if isinstance(found, str) else ""


def _rules(settings: Config) -> Rules | None:
    from ..app.parts import sink_names
    from ..app.rules import make_rules

    return make_rules(settings, sink_names(settings))


def _lines(event: dict[str, Any], told: Iterable[Told]) -> Iterator[Text]:
    from rich.text import Text

    from ..mapping.paths import GONE, differences
    from ..sinks.amplitude.samples import name_of
    from .options import printable

    yield Text(f"\n=== {printable(name_of(event))} of {printable(device_of(event)) or 'no device'}", "bold")
    for who, one in _grouped(told):
        names = ", ".join(who)
        if one.payload is GONE:
            yield Text(f"{names}: {'dropped' if _HISTORY in who else 'not sent'}", "red")
        elif one.payload == event:
            yield Text(f"{names}: as it is")
        else:
            yield Text(f"{names}:")
            for place, before, after in differences(event, one.payload):
                if before is not GONE:
                    yield Text(f"  - {printable(place)}: {_short(before)}", "red")
                if after is not GONE:
                    yield Text(f"  + {printable(place)}: {_short(after)}", "green")
        for rule, words in one.did:
            yield Text(f"    rule {rule!r} {printable(words)}", "dim")


def _grouped(told: Iterable[Told]) -> list[tuple[list[str], Told]]:
    """Sinks of which the same can be said, together; the history comes first."""
    groups: list[tuple[list[str], Told]] = []
    for one in told:
        name = one.sink or _HISTORY
        for names, other in groups:
            if other.payload == one.payload and other.did == one.did:
                names.append(name)
                break
        else:
            groups.append(([name], one))
    return groups


def _short(value: Any) -> str:
    from .options import printable

    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
