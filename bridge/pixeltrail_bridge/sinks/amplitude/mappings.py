"""Mappings: which events an action takes, and what it makes of them. A Mapper has all that are in force.

The presets are those that a new Amplitude (Actions) destination starts with. A mapping of the settings that has the
name of a preset changes that one; any other name adds one. Every mapping whose trigger holds gets the event, in the
order of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, cast, get_args

from ...errors import ConfigError
from .actions import EVENT_ENDPOINTS, Habits, Item, perform
from .checks import check
from .directives import MappingError, prepare
from .fields import FIELDS, ActionName, at, defaults
from .schema import fit
from .triggers import Trigger, parse_trigger
from .values import MISSING, without_missing

MAX_MAPPINGS: Final = 50
DESTINATION: Final = "Actions Amplitude"  # its name in an event's `integrations`
GROUP_CALLS: Final = "Group Calls"
SESSION_TRACKING: Final = "Session Tracking"
_VIEWED = {"event_type": {"@template": "Viewed {{name}}"}}
_PRESETS: tuple[tuple[str, ActionName, str, dict[str, Any]], ...] = (
    ("Track Calls", "logEventV2", 'type = "track" and event != "Order Completed"', {}),
    ("Order Completed Calls", "logPurchase", 'type = "track" and event = "Order Completed"', {}),
    ("Page Calls", "logEventV2", 'type = "page"', _VIEWED),
    ("Screen Calls", "logEventV2", 'type = "screen"', _VIEWED),
    ("Identify Calls", "identifyUser", 'type = "identify"', {}),
)
# The original has no screens: it is a browser's
_TRACKED = (
    "track",
    "identify",
    "group",
    "page",
    "alias",
    "screen",
)
PRESET_NAMES: Final = tuple(preset[0] for preset in _PRESETS)
_USUAL_TRIGGERS: dict[str, str] = {
    "logEventV2": 'type = "track"',
    "logEvent": 'type = "track"',
    "logPurchase": 'type = "track"',
    "identifyUser": 'type = "identify"',
    "groupIdentifyUser": 'type = "group"',
    "mapUser": 'type = "alias"',
    "sessionId": " or ".join(f'type = "{kind}"' for kind in _TRACKED),
}


@dataclass(frozen=True)
class MappingRule:
    """A mapping as the settings have it; what is None stays as the preset of that name has it."""

    name: str
    action: str | None = None
    trigger: str | None = None
    is_enabled: bool | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MappingOptions:
    """Settings that reach into every mapping."""

    min_id_length: int = 0
    use_batch_endpoint: bool = False
    track_revenue_per_product: bool = False
    group_type_trait: str = ""
    group_value_trait: str = ""
    insert_id_from_message_id: bool = True
    session_tracking: bool = False
    session_length_ms: int = 1_800_000
    habits: Habits = Habits()


@dataclass(frozen=True)
class Mapping:
    name: str
    action: ActionName
    trigger: Trigger
    fields: Table[str, Any]

    def items(self, event: dict[str, Any], habits: Habits) -> list[Item]:
        """Raises MappingError for an event that the fields do not fit."""
        found = {name: value for name, take in self._takes if (value := take(event)) is not MISSING}
        return perform(self.action, fit(without_missing(found), FIELDS[self.action]), habits)

    @cached_property
    def _takes(self) -> list[tuple[str, Callable[[Any], Any]]]:
        return [(name, prepare(value)) for name, value in self.fields.items()]


@dataclass(frozen=True)
class Mapped:
    """What an event comes to: what goes out, by the names of the mappings that took it, and what was wrong."""

    items: tuple[Item, ...] = ()
    takers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    is_excluded: bool = False  # by its own `integrations`


class Mapper:
    """Raises ConfigError, which names the mapping and the field, for rules that cannot work."""

    def __init__(self, rules: Sequence[MappingRule] = (), options: MappingOptions | None = None) -> None:
        self.options = options or MappingOptions()
        made = _make_mappings(rules, self.options)
        self.mappings = tuple(one for one in made if one.action != "sessionId")
        self.tracking = next((one for one in made if one.action == "sessionId"), None)

    def map(self, event: dict[str, Any]) -> Mapped:
        if not _is_addressed(event):
            return Mapped(is_excluded=True)
        items: list[Item] = []
        takers, faults = [], []
        for one in self.mappings:
            if not one.trigger.matches(event):
                continue
            takers.append(one.name)
            try:
                made = one.items(event, self.options.habits)
            except MappingError as error:
                faults.append(f"mapping {one.name!r}: {error}")
                continue
            items += self._identified(made, items, one.fields.get("insert_id") != at("messageId"))
        return Mapped(tuple(items), tuple(takers), tuple(faults))

    def _identified(self, made: list[Item], before: list[Item], has_own: bool) -> list[Item]:
        """Give events of a second mapping IDs of their own: Amplitude keeps one of those with the same."""
        taken = {str(item.body.get("insert_id")) for item in before if item.endpoint in EVENT_ENDPOINTS}
        own = [item for item in made if item.endpoint in EVENT_ENDPOINTS]
        first = str(own[0].body.get("insert_id", "")) if own else ""
        if has_own or first not in taken:
            return made
        number = 2
        while f"{first}.{number}" in taken:
            number += 1
        return [
            replace(
                item,
                body=item.body | {"insert_id": f"{first}.{number}{item.body['insert_id'][len(first) :]}"},
            )
            for item in made
        ]


def _is_addressed(event: dict[str, Any]) -> bool:
    """Segment's rule: the destination's own entry, else `All`, else yes."""
    integrations = event.get("integrations")
    if not isinstance(integrations, dict):
        return True
    own = integrations.get(DESTINATION)
    return own is not False if own is not None else integrations.get("All") is not False


# ---- building -----------------------------------------------------------------------------------------


def _make_mappings(rules: Sequence[MappingRule], options: MappingOptions) -> list[Mapping]:
    found: dict[str, Mapping] = {}
    for name, action, trigger, fields in _all_presets(options):
        found[name] = Mapping(name, action, parse_trigger(trigger), _base_fields(action, options) | fields)
    for rule in rules:
        if rule.is_enabled is False:
            if rule.name not in found and rule.action is None:
                raise _fault(rule, "name", f"there is no preset of this name; there are {', '.join(found)}")
            found.pop(rule.name, None)
            continue
        found[rule.name] = _apply(rule, found.get(rule.name), options)
    if len(found) > MAX_MAPPINGS:
        raise ConfigError(
            f"amplitude.mappings: {len(found)} are in force with the presets, at most {MAX_MAPPINGS} may be"
        )
    return list(found.values())


def _all_presets(options: MappingOptions) -> list[tuple[str, ActionName, str, dict[str, Any]]]:
    presets = [*_PRESETS]
    if options.group_type_trait:
        value = f"traits.{options.group_value_trait}" if options.group_value_trait else "groupId"
        group = {"group_type": at(f"traits.{options.group_type_trait}"), "group_value": at(value)}
        presets.append((GROUP_CALLS, "groupIdentifyUser", _USUAL_TRIGGERS["groupIdentifyUser"], group))
    if options.session_tracking:
        presets.append((SESSION_TRACKING, "sessionId", _USUAL_TRIGGERS["sessionId"], {}))
    return presets


def _base_fields(action: ActionName, options: MappingOptions) -> dict[str, Any]:
    known, fields = FIELDS[action], defaults(action)
    if options.min_id_length and "min_id_length" in known:
        fields["min_id_length"] = options.min_id_length
    if "use_batch_endpoint" in known:
        fields["use_batch_endpoint"] = options.use_batch_endpoint
    if "trackRevenuePerProduct" in known:
        fields["trackRevenuePerProduct"] = options.track_revenue_per_product
    if "insert_id" in known and options.insert_id_from_message_id:
        fields["insert_id"] = at("messageId")
    if action == "sessionId":
        fields["sessionLength"] = options.session_length_ms
    return fields


def _apply(rule: MappingRule, preset: Mapping | None, options: MappingOptions) -> Mapping:
    action = rule.action or (preset.action if preset else None)
    if action is None:
        expected = f"one of {', '.join(FIELDS)}, since no preset has this name"
        raise _fault(rule, "action", f"is missing: expected {expected}")
    if action not in get_args(ActionName):
        raise _fault(rule, "action", f"= {action!r}: expected one of {', '.join(FIELDS)}")
    action = cast(ActionName, action)
    fields = dict(preset.fields if preset and preset.action == action else _base_fields(action, options))
    for name, value in rule.fields.items():
        if name not in FIELDS[action]:
            raise _fault(
                rule, f"fields.{name}", f"{action} has no such field; it has {', '.join(FIELDS[action])}"
            )
        try:
            check(value, f"fields.{name}")
        except MappingError as error:
            raise _fault(rule, "", str(error)) from None
        fields[name] = value
    length_ms = fields.get("sessionLength", 1)
    if not isinstance(length_ms, int) or isinstance(length_ms, bool) or length_ms < 1:
        raise _fault(rule, "fields.sessionLength", f"= {length_ms!r}: expected a number of ms")
    text = rule.trigger or (preset.trigger.text if preset else _USUAL_TRIGGERS[action])
    try:
        return Mapping(rule.name, action, parse_trigger(text), fields)
    except MappingError as error:
        raise _fault(rule, "trigger", str(error)) from None


def _fault(rule: MappingRule, key: str, why: str) -> ConfigError:
    return ConfigError(f"amplitude.mappings {rule.name!r}: {key} {why}".replace("  ", " "))
