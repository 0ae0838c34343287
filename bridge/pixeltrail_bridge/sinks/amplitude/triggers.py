"""Triggers: the conditions under which a mapping takes an event, in the language of Segment's subscriptions.

    type = "track" and event != "Order Completed"
    (type = "screen" or type = "page") and contains(name, "Set")
    type = "track" and match(event, "Brew *") and properties.cups >= 2 and !contains(context.app.name, "test")

    condition := term (("and" term)* | ("or" term)*)      mixing the two takes parentheses
    term      := ["!"] function "(" field "," text ")" | field operator value | ["!"] "(" condition ")"
    field     := type | event | name | userId | properties.PATH | traits.PATH | context.PATH
    operator  := = != < <= > >=            value := "text" | 'text' | number | true | false | null
    function  := contains | starts_with | ends_with | match   (match takes one `*`, at either end of the text)

In a path, `\\` before a character takes it as it is: `properties.cup\\ size`. Text compares with text and numbers with
numbers: `properties.cups = "2"` is not true of the number 2. `= null` and `!= null` ask whether something is there.
What Segment's own editor writes is read as Segment reads it; what its reader gets wrong (more than one level of
parentheses, `and` mixed with `or`) is done right or refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .directives import MappingError
from .values import MISSING, is_number, is_there, is_truthy, member

MAX_LENGTH: Final = 2_000
MAX_DEPTH: Final = 16
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"[^"]*"|'[^']*') | (?P<number>[-+]?\d+(?:\.\d+)?(?![\w.])) |
        (?P<name>(?:[A-Za-z_]|\\.)(?:[\w.\-$]|\\.)*) | (?P<sign>!=|<=|>=|[=<>!(),])
    )""",
    re.VERBOSE,
)
_PLAIN = ("type", "event", "name", "userId")
_NESTED = ("properties", "traits", "context")
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Test = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Trigger:
    """`matches(event)` never fails. Two of the same text are equal."""

    text: str
    matches: Test


def parse_trigger(text: str) -> Trigger:
    """Raises MappingError that names the place."""
    if len(text) > MAX_LENGTH:
        raise MappingError(f"a trigger has at most {MAX_LENGTH} characters, this one has {len(text)}")
    parser = _Parser(text)
    test = parser.condition(0)
    if parser.kind != "end":
        raise parser.fault("`and`, `or` or the end")
    return Trigger(text, test)


class _Parser:
    """Recursive descent; `kind` and `value` are the token at hand, `place` where it begins."""

    def __init__(self, text: str) -> None:
        self._text, self._next = text, 0
        self.kind, self.value, self.place = "", "", 0
        self.step()

    def step(self) -> str:
        """Go to the next token; returns the text of the one that was at hand."""
        before = self.value
        found = _TOKEN.match(self._text, self._next)
        if found:
            self.kind = str(found.lastgroup)
            self.value, self.place = found[self.kind], found.start(self.kind)
            self._next = found.end()
        else:
            rest = self._text[self._next :]
            self.kind = "end" if not rest.strip() else "unreadable"
            self.value, self.place = rest.strip()[:20], len(self._text) - len(rest.lstrip())
            self._next = len(self._text) if self.kind == "end" else self._next
        return before

    def fault(self, expected: str) -> MappingError:
        got = f"{self.value!r}" if self.value else "the end"
        return MappingError(
            f"trigger {self._text!r}: expected {expected} at character {self.place + 1}, got {got}"
        )

    def expect(self, sign: str) -> None:
        if self.value != sign or self.kind != "sign":
            raise self.fault(f"`{sign}`")
        self.step()

    # ---- the grammar --------------------------------------------------------------------------------

    def condition(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise MappingError(f"a trigger has at most {MAX_DEPTH} levels of parentheses")
        tests = [self.term(depth)]
        word = self.value if self.kind == "name" and self.value in ("and", "or") else ""
        while word and self.kind == "name" and self.value in ("and", "or"):
            if self.value != word:
                raise self.fault(f"`{word}`, or parentheses around what is mixed,")
            self.step()
            tests.append(self.term(depth))
        if len(tests) == 1:
            return tests[0]
        join = any if word == "or" else all
        return lambda event: join(test(event) for test in tests)

    def term(self, depth: int) -> Test:
        is_negated = self.kind == "sign" and self.value == "!"
        if is_negated:
            self.step()
        if self.kind == "sign" and self.value == "(":
            self.step()
            inner = self.condition(depth + 1)
            self.expect(")")
            return (lambda event: not inner(event)) if is_negated else inner
        if self.kind != "name":
            raise self.fault("a field, a function or `(`")
        if self.value in _FUNCTIONS or self.value == "match":
            return self.function(is_negated)
        if is_negated:
            raise self.fault("a function or `(` after `!`")
        return self.comparison()

    def function(self, is_negated: bool) -> Test:
        name = self.step()
        self.expect("(")
        read = self.field()
        self.expect(",")
        if self.kind != "text":
            raise self.fault("text in quotes")
        part = self.step()[1:-1]
        self.expect(")")
        if name == "match":
            if part.endswith("*"):
                name, part = "starts_with", part[:-1]
            elif part.startswith("*"):
                name, part = "ends_with", part[1:]
            else:
                raise MappingError(
                    f"trigger {self._text!r}: match() needs one `*`, first or last in its text"
                )
        holds = _FUNCTIONS[name]
        return lambda event: isinstance(value := read(event), str) and holds(value, part) != is_negated

    def comparison(self) -> Test:
        name = self.value
        read = self.field()
        if self.kind != "sign" or self.value not in ("=", "!=", *_ORDERS):
            raise self.fault("one of = != < <= > >=")
        operator = self.step()
        kind, value = self.kind, self.value
        if kind not in ("text", "number") and value not in ("true", "false", "null"):
            raise self.fault("text in quotes, a number, true, false or null")
        self.step()
        if operator in _ORDERS:
            if kind != "number":
                raise MappingError(f"trigger {self._text!r}: {operator} compares with a number, got {value}")
            order, bound = _ORDERS[operator], float(value)
            return lambda event: is_number(found := read(event)) and order(found, bound)
        is_wanted = operator == "="
        if kind == "text":
            return _equals(read, value[1:-1], is_wanted)
        if (
            name in ("type", "event")
            or (name == "name" and value != "null")
            or (name, kind) == ("userId", "number")
        ):
            return _equals(read, value, is_wanted)  # Segment compares these with the text of the value
        return _compare_plain(read, kind, value, is_wanted)

    def field(self) -> Callable[[dict[str, Any]], Any]:
        place = self.place
        if self.kind != "name":
            raise self.fault("a field")
        raw = self.step()
        first, _, rest = raw.partition(".")
        if first in _PLAIN and not rest:
            return lambda event: event.get(first, MISSING)
        if first in _NESTED and rest:
            path = [part for part in re.split(r"\.", re.sub(r"\\(.)", r"\1", rest)) if part]
            return lambda event: _reach(event.get(first, MISSING), path)
        fields = ", ".join((*_PLAIN, *(f"{name}.PATH" for name in _NESTED)))
        raise MappingError(
            f"trigger {self._text!r}: there is no field {raw!r} (character {place + 1}); there are {fields}"
        )


def _equals(read: Callable[[dict[str, Any]], Any], text: str, is_wanted: bool) -> Test:
    def test(event: dict[str, Any]) -> bool:
        found = read(event)
        return (isinstance(found, str) and found == text) == is_wanted

    return test


def _compare_plain(read: Callable[[dict[str, Any]], Any], kind: str, value: str, is_wanted: bool) -> Test:
    if value == "null":
        return lambda event: is_there(read(event)) != is_wanted
    if kind == "number":
        number = float(value)
        return lambda event: is_number(found := read(event)) and (found == number) == is_wanted
    if not is_wanted:
        return _equals(read, value, False)  # Segment compares with the text "true" here, which no boolean is
    return lambda event: read(event) is (value == "true")


def _reach(value: Any, path: list[str]) -> Any:
    for part in path:
        if not is_truthy(value):
            return value
        value = member(value, part)
    return value
