"""From the tables [[rules]] to the rules in force."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Config
from ..mapping.rule_checks import RuleFault, check_order, check_sinks, read
from ..mapping.rules import Rules


def make_rules(config: Config, sinks: Sequence[str]) -> Rules | None:
    """None where there is no rule. `sinks` are those that events go to. Raises ConfigError with the line."""
    tables = config.lists.rules
    rules = []
    for number, one in enumerate(tables):
        try:
            rule = read({**one.fields, "redact_key": one.key.reveal().encode()})
            check_sinks(rule, sinks)
        except RuleFault as fault:
            raise one.fault(number, fault.key, str(fault), fault.value) from None
        rules.append(rule)
    try:
        check_order(rules)
    except RuleFault as fault:
        raise tables[fault.number].fault(fault.number, fault.key, str(fault), fault.value) from None
    return Rules(rules, sinks) if rules else None
