"""The tables of the settings file that may come several times: write keys, remote settings, sinks, rules.

    [groups]                        # names for sets of devices, used by the tables below
    lab = ["bench-*", "oven-07"]

    [[segment.keys]]                # a write key of its own for some devices; the first that fits counts
    [[amplitude.mappings]]          # what goes to Amplitude in another way than the presets have it
    [[config]]                      # settings that devices are told; of those that fit, a later one beats an earlier
    [[sinks.custom]]                # a sink made by a function of yours
    [[sinks.replay]]                # one that takes recordings
    [[rules]]                       # which events go where, and what of them; rules.py reads these

[[segment.keys]] and [[config]] say which devices they are for: `devices` (names with `*` and `?`) and `groups`; neither
means all.
They stand in the file alone: neither the environment nor --set reaches into a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..reading import read_file
from .rules import EventRule, read_rules
from .values import Secret, in_words

RESERVED_SINKS = ("segment", "amplitude", "jsonl", "amplitude-replay")
MAX_TTL_S = (1 << 30) - 1  # what the wire holds
_SECRET_LIMIT = 4_096  # bytes; a key file longer than this is some other file


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Events of `devices` go out under this write key."""

    devices: tuple[str, ...]
    write_key: Secret
    write_key_file: Path


@dataclass(frozen=True, slots=True)
class RemoteRule:
    """What `devices` are told: `share` of them, chosen by a hash of `name` and device ID."""

    name: str
    devices: tuple[str, ...]
    share: float
    settings: dict[str, Any]
    ttl_s: int


@dataclass(frozen=True, slots=True)
class CustomSink:
    name: str
    factory: str  # module:function
    settings: dict[str, Any] = field(default_factory=dict, repr=False)  # may hold a password


@dataclass(frozen=True, slots=True)
class AmplitudeMapping:
    """What a table says; sinks/amplitude knows which actions, triggers and fields there are."""

    name: str
    action: str | None
    trigger: str | None
    is_enabled: bool | None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lists:
    keys: tuple[KeyRule, ...] = ()
    remote: tuple[RemoteRule, ...] = ()
    sinks: tuple[CustomSink, ...] = ()
    replay_sinks: tuple[CustomSink, ...] = ()
    mappings: tuple[AmplitudeMapping, ...] = ()
    rules: tuple[EventRule, ...] = ()


EXAMPLES = """
# --- Tables that may come several times; see docs/segment.md, amplitude.md, sinks.md and rules.md ---
# [groups]
# lab = ["bench-*", "oven-07"]
# [[segment.keys]]
# groups = ["lab"]
# write_key_file = "segment-key-lab"
# [[config]]
# groups = ["lab"]
# share = 0.5
# ttl_s = 86400
# settings = { sample_rate = 0.2 }
# [[amplitude.mappings]]
# name = "Alias Calls"
# action = "mapUser"
# trigger = 'type = "alias"'
# [[sinks.custom]]
# name = "webhook"
# factory = "my_sinks:make_webhook"
# settings = { url = "https://example.com/hook" }
# [[sinks.replay]]
# name = "archive"
# factory = "my_replays:make_archive"
# settings = { folder = "replays" }
# [[rules]]
# name = "no addresses"
# groups = ["lab"]
# drop = ["properties.email", "context.ip"]
"""


def take_lists(content: dict[str, Any], file: Path, text: str) -> Lists:
    """Take the lists out of a settings file's content and check them; `text` is all of it. Raises ConfigError."""
    groups = _take_groups(content, file)
    base = file.resolve().parent
    keys = _take(content, file, "segment", "keys")
    sinks = _take(content, file, "sinks", "custom")
    replay = _take(content, file, "sinks", "replay")
    mappings = _take(content, file, "amplitude", "mappings")
    remote = content.pop("config", [])
    if not isinstance(remote, list):
        raise ConfigError(f"{file}: write [[config]] with two brackets: there may be several.")
    lists = Lists(
        tuple(_key_rule(_Table(file, "segment.keys", row, groups), base) for row in keys),
        tuple(_remote_rule(_Table(file, "config", row, groups)) for row in remote),
        tuple(_custom_sink(_Table(file, "sinks.custom", row, groups)) for row in sinks),
        tuple(_custom_sink(_Table(file, "sinks.replay", row, groups)) for row in replay),
        tuple(_amplitude_mapping(_Table(file, "amplitude.mappings", row, groups)) for row in mappings),
        read_rules(content.pop("rules", []), file, text, groups, read_secret),
    )
    names = [sink.name for sink in (*lists.sinks, *lists.replay_sinks)]
    for name in names:
        if name in RESERVED_SINKS or names.count(name) > 1:
            raise ConfigError(f"{file}: sinks: the name {name!r} is taken; give the sink another.")
    titles = [mapping.name for mapping in lists.mappings]
    for title in titles:
        if titles.count(title) > 1:
            raise ConfigError(f"{file}: amplitude.mappings: two have the name {title!r}; give one another.")
    return lists


def read_secret(key: str, path: Path) -> Secret:
    """The one line of a file that holds a secret. Raises ConfigError, which never shows it."""
    try:
        text = read_file(path, _SECRET_LIMIT).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(
            f"{key}: {path} cannot be read: {reason}; write the secret into it, alone, for this user to read."
        ) from None
    if not text.strip() or not text.strip().isprintable():
        raise ConfigError(f"{key}: {path} must hold one line with the secret and nothing else.")
    return Secret(text.strip())


class _Table:
    """One table of a list; each value is taken once, checked, and what is left over is a fault."""

    def __init__(self, file: Path, key: str, row: Any, groups: Mapping[str, Sequence[str]]) -> None:
        self.file, self.key, self._groups = file, key, groups
        if not isinstance(row, dict):
            raise ConfigError(f"{file}: write [[{key}]] with two brackets: there may be several.")
        self._row = dict(row)

    def fault(self, name: str, value: Any, expected: str) -> ConfigError:
        return ConfigError(f"{self.file}: {self.key}.{name} = {in_words(value)}: expected {expected}.")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._row.pop(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.fault(name, value, "text")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self._row.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.fault(name, value, f"a number from {low:g} to {high:g}")
        return value

    def maybe_text(self, name: str) -> str | None:
        return self.text(name) if name in self._row else None

    def maybe_boolean(self, name: str) -> bool | None:
        value = self._row.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise self.fault(name, value, "true or false")
        return value

    def settings(self, name: str = "settings", expected: str = "a table of settings") -> dict[str, Any]:
        value = self._row.pop(name, {})
        if not isinstance(value, dict):
            raise self.fault(name, value, expected)
        return value

    def devices(self) -> tuple[str, ...]:
        """Patterns of device IDs, those of the named groups among them; empty means all devices."""
        found = list(_patterns(self._row.pop("devices", []), self, "devices"))
        for group in _patterns(self._row.pop("groups", []), self, "groups"):
            if group not in self._groups:
                raise self.fault(
                    "groups", group, f"a group from [groups]: {', '.join(self._groups) or 'none there'}"
                )
            found += self._groups[group]
        return tuple(found)

    def end(self) -> None:
        if self._row:
            raise ConfigError(f"{self.file}: there is no setting {self.key}.{next(iter(self._row))}.")


def _patterns(value: Any, table: _Table, name: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise table.fault(name, value, "a list of text")
    return value


def _take(content: dict[str, Any], file: Path, section: str, name: str) -> list[Any]:
    values = content.get(section)
    if not isinstance(values, dict) or name not in values:
        return []
    values = content[section] = dict(values)
    rows = values.pop(name)
    if not values:
        del content[section]
    if not isinstance(rows, list):
        raise ConfigError(f"{file}: write [[{section}.{name}]] with two brackets: there may be several.")
    return rows


def _take_groups(content: dict[str, Any], file: Path) -> dict[str, Sequence[str]]:
    groups = content.pop("groups", {})
    if not isinstance(groups, dict):
        raise ConfigError(
            f"{file}: write [groups] with one bracket, and a list of device IDs under each name."
        )
    table = _Table(file, "groups", groups, {})
    return {name: _patterns(value, table, name) for name, value in groups.items()}


def _key_rule(table: _Table, base: Path) -> KeyRule:
    devices = table.devices()
    if not devices:
        raise ConfigError(
            f"{table.file}: segment.keys: say which devices it is for, in `devices` or `groups`; "
            "segment.write_key_file is for all others."
        )
    path = base / Path(table.text("write_key_file")).expanduser()
    table.end()
    return KeyRule(devices, read_secret("segment.keys.write_key_file", path), path)


def _remote_rule(table: _Table) -> RemoteRule:
    rule = RemoteRule(
        table.text("name", ""),
        table.devices(),
        float(table.number("share", 1.0, 0, 1)),
        table.settings(),
        int(table.number("ttl_s", 86_400, 60, MAX_TTL_S)),
    )
    table.end()
    return rule


def _amplitude_mapping(table: _Table) -> AmplitudeMapping:
    mapping = AmplitudeMapping(
        table.text("name"),
        table.maybe_text("action"),
        table.maybe_text("trigger"),
        table.maybe_boolean("enabled"),
        table.settings("fields", "a table of fields"),
    )
    table.end()
    return mapping


def _custom_sink(table: _Table) -> CustomSink:
    sink = CustomSink(table.text("name"), table.text("factory"), table.settings())
    table.end()
    if not sink.name.replace("-", "").replace("_", "").isalnum():
        raise table.fault("name", sink.name, "letters, digits, - and _")
    if sink.factory.count(":") != 1:
        raise table.fault("factory", sink.factory, "module:function")
    return sink
