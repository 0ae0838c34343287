"""The tables [[rules]] of the settings file: names and types of what they say, and the line that each thing stands on.

What a rule means, mapping/rules.py knows; whether it can be meant, mapping/rule_checks.py.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from .values import Secret, in_words

_LEAST_KEY = 16  # letters of a key for hashes; what is shorter can be guessed
_KEY_FILE: Final = "redact_key_file"
_TEXTS: Final = ("types", "events", "devices", "users", "sinks", "drop", "keep", "redact", "send_to")


class Lines:
    """Where things stand in a settings file, by trying how much of its beginning says them.

    A TOML file cut inside of a value is none, so a beginning that can be read ends between two statements; a statement
    begins after the longest beginning that lacks it. tomllib itself tells no lines.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.splitlines(keepends=True)

    def of(self, number: int, key: str = "", value: str = "") -> int:
        """The line on which rule `number`, counted from 0, or a key of it begins, or the line of a value of that."""

        def has_it(rules: list[Any]) -> bool:
            return len(rules) > number and (not key or key in rules[number])

        lines = self._lines
        ends = [0, *(n for n in range(1, len(lines)) if _ends_here(lines[n - 1])), len(lines)]
        if not has_it(self._rules(len(lines)) or []):
            return self.of(number) if key else 1
        low, high = 0, len(ends) - 1  # the one lacks it, the other has it
        while high - low > 1:
            middle = at = (low + high) // 2
            while at < high and (rules := self._rules(ends[at])) is None:
                at += 1
            if at == high:
                del ends[middle:high]  # all of them are inside of a statement
                high = middle
            elif has_it(rules or []):
                high = at
            else:
                low = at
        return self._within(ends[low], ends[high], value)

    def _rules(self, count: int) -> list[Any] | None:
        """The rules in so many lines; None where these end inside of a statement."""
        try:
            rules = tomllib.loads("".join(self._lines[:count])).get("rules")
        except tomllib.TOMLDecodeError:
            return None
        return rules if isinstance(rules, list) else []

    def _within(self, before: int, end: int, value: str) -> int:
        lines = self._text.splitlines()[before:end]
        first = next(
            (i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0
        )
        named = [i for i, line in enumerate(lines) if i >= first and value and value in line]
        return before + 1 + (named[0] if named else first)


def _ends_here(line: str) -> bool:
    """Whether a statement may end with a line: those inside of long lists need not be tried."""
    text = line.strip()
    return not text or text.startswith("#") or text[-1] in "]}\"'" or "=" in text or "#" in text


@dataclass(frozen=True, slots=True)
class EventRule:
    """One table. `fields` has what it says, as mapping/rules.py takes it, with paths as text."""

    fields: dict[str, Any]
    key: Secret = Secret()
    key_file: Path | None = None
    file: Path = field(default=Path(), compare=False)
    lines: Lines = field(default_factory=lambda: Lines(""), compare=False, repr=False)

    def fault(self, number: int, key: str, text: str, value: str = "") -> ConfigError:
        """`text` says what is wrong and what to do."""
        where = f"{self.file}:{self.lines.of(number, key, value)}"
        title = f"rule {self.fields['name']!r}"
        end = "" if text.endswith("?") else "."
        return ConfigError(f"{where}: {title}{f': {key}' if key else ''}: {text}{end}")


Devices = Callable[[Any], tuple[str, ...]]
"""Patterns of device IDs of named groups. Raises ValueError with the groups there are."""


def read_rules(
    rows: Any, file: Path, text: str, groups: Mapping[str, Any], read_key: Callable[[str, Path], Secret]
) -> tuple[EventRule, ...]:
    """Raises ConfigError with file and line."""
    if rows == []:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        line = next((n for n, one in enumerate(text.splitlines(), 1) if re.match(r"\s*\[?rules\b", one)), 1)
        raise ConfigError(f"{file}:{line}: write [[rules]] with two brackets: there may be several.")
    lines = Lines(text)
    found = tuple(
        _Reader(row, number, file, lines, groups, read_key).read() for number, row in enumerate(rows)
    )
    names = [rule.fields["name"] for rule in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise found[number].fault(
                number, "name", f"rule {names.index(name) + 1} has it too; give one another", name
            )
    return found


class _Reader:
    def __init__(
        self,
        row: dict[str, Any],
        number: int,
        file: Path,
        lines: Lines,
        groups: Mapping[str, Any],
        read_key: Callable[[str, Path], Secret],
    ) -> None:
        self._row, self._number, self._groups, self._read_key = row, number, groups, read_key
        name = row.get("name", f"{number + 1}")
        self._fields: dict[str, Any] = {"name": name if isinstance(name, str) else f"{number + 1}"}
        self._rule = EventRule(self._fields, file=file, lines=lines)

    def read(self) -> EventRule:
        key, key_file = Secret(), None
        for name, value in self._row.items():
            if name == _KEY_FILE:
                key, key_file = self._key(value)
            elif name == "groups":
                self._fields["devices"] = (*self._fields.get("devices", ()), *self._devices(value))
            elif name == "devices":
                self._fields["devices"] = (*self._fields.get("devices", ()), *self._texts(name, value))
            elif name in _TEXTS:
                self._fields[name] = self._texts(name, value)
            elif name in _KINDS:
                self._fields[name] = self._checked(name, value)
            else:
                raise self._unknown(name)
        if "redact_with" in self._row and _KEY_FILE in self._row:
            raise self._fault("redact_with", "redact_key_file says how already; take one of the two out")
        if ("redact_with" in self._row) > ("redact" in self._row):
            raise self._fault(
                "redact_with", "there is no redact for it; say what is replaced, or take it out"
            )
        rule = self._rule
        return EventRule(rule.fields, key, key_file, rule.file, rule.lines)

    def _fault(self, key: str, text: str, value: str = "") -> ConfigError:
        return self._rule.fault(self._number, key, text, value)

    def _wrong(self, key: str, value: Any, expected: str) -> ConfigError:
        return self._fault(key, f"{in_words(value)} is not what it takes; expected {expected}")

    def _unknown(self, name: str) -> ConfigError:
        known = (*_TEXTS, *_KINDS, "groups", _KEY_FILE)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
        return self._fault(name, f"a rule has no such setting; {hint}")

    def _texts(self, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._wrong(name, value, 'a list of text, such as ["a", "b"]')
        if not value:
            raise self._fault(name, "an empty list says nothing; take it out, or name something")
        return tuple(value)

    def _devices(self, value: Any) -> tuple[str, ...]:
        found: list[str] = []
        for group in self._texts("groups", value):
            if group not in self._groups:
                there = ", ".join(self._groups) or "none there"
                raise self._fault("groups", f"{group!r} is no group of [groups]: {there}", group)
            found += self._groups[group]
        if not found:
            raise self._fault("groups", "no device is in it, so the rule would be for all; fill the group")
        return tuple(found)

    def _checked(self, name: str, value: Any) -> Any:
        expected, is_right = _KINDS[name]
        if not is_right(value):
            raise self._wrong(name, value, expected)
        return value

    def _key(self, value: Any) -> tuple[Secret, Path]:
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._wrong(_KEY_FILE, value, "the path of a file with a secret")
        path = self._rule.file.resolve().parent / Path(value).expanduser()
        try:
            key = self._read_key(_KEY_FILE, path)
        except ConfigError as error:
            reason = str(error).removeprefix(f"{_KEY_FILE}: ").rstrip(".")
            raise self._fault(_KEY_FILE, reason) from None
        if len(key.reveal()) < _LEAST_KEY:
            raise self._fault(_KEY_FILE, f"the secret has less than {_LEAST_KEY} letters; take a longer one")
        return key, path


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    is_number = isinstance(value, int | float) and abs(value) < 1 << 53
    return isinstance(value, str | bool) or is_number


_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "name": ("text", _is_text),
    "rename": (
        'a table of paths, such as { "properties.old" = "properties.new" }',
        lambda value: (
            isinstance(value, dict) and bool(value) and all(_is_text(item) for item in value.values())
        ),
    ),
    "add": (
        'a table of paths with values that JSON has, such as { "properties.site" = "Leeds" }',
        lambda value: (
            isinstance(value, dict) and bool(value) and all(_is_json(item) for item in value.values())
        ),
    ),
    "redact_with": ("text", lambda value: isinstance(value, str)),
    "rename_event": ("text", _is_text),
    "drop_event": ("true or false", lambda value: isinstance(value, bool)),
    "breaks_link": ("true or false", lambda value: isinstance(value, bool)),
}
