"""From the tables [[rules]] to the rules in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from ..config import Config
from ..errors import ConfigError
from ..mapping.rule_checks import RuleFault, check_order, check_recording, check_sinks, read
from ..mapping.rules import Rules
from ..store.database import DROPPED, SqlStore


def make_rules(config: Config, sinks: Sequence[str]) -> Rules | None:
    """None where there is no rule. `sinks` are those that events go to. Raises ConfigError with the line."""
    tables = config.lists.rules
    rules = []
    for number, one in enumerate(tables):
        try:
            rule = read({**one.fields, "redact_key": one.key.reveal().encode()})
            check_sinks(rule, sinks)
            if config.events.display_events == "inline":
                check_recording(rule)
        except RuleFault as fault:
            raise one.fault(number, fault.key, str(fault), fault.value) from None
        rules.append(rule)
    try:
        check_order(rules)
    except RuleFault as fault:
        raise tables[fault.number].fault(fault.number, fault.key, str(fault), fault.value) from None
    return Rules(rules, sinks) if rules else None


def user_aliases(config: Config, user_id: str) -> frozenset[str]:
    """What the rules of today put in the place of a user's ID. Raises ConfigError."""
    found = set()
    for number, one in enumerate(config.lists.rules):
        try:
            rule = read({**one.fields, "redact_key": one.key.reveal().encode()})
        except RuleFault as fault:
            raise one.fault(number, fault.key, str(fault), fault.value) from None
        if rule.redact_key and any(path.names in (("userId",), ("previousId",)) for path in rule.redact):
            found.add(str(rule.redacted(user_id)))
    return frozenset(found)


def diagnose(
    config: Config, store: SqlStore, sinks: Sequence[str]
) -> Iterator[tuple[Literal["ok", "note", "FAULT"], str, str]]:
    """Whether the rules of the settings file can be meant, and how many events rules have kept out so far."""
    try:
        rules = make_rules(config, sinks)
    except ConfigError as error:
        yield (
            "FAULT",
            "rules",
            f"{error} A bridge that runs keeps the earlier ones, and none starts with these.",
        )
        return
    dropped = sum(counts.get(DROPPED, 0) for counts in store.counters().values())
    if rules is not None or dropped:
        count = len(rules.rules) if rules is not None else 0
        yield "ok", "rules", f"{count} in the settings file; rules have kept {dropped:,} events out"
