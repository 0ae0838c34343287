"""Whether a value of a mapping is one that directives.py can resolve; else where it is not, and why.

Bounded in depth, in the length of text, and in size, so that no settings file makes mapping an event slow.
"""

from __future__ import annotations

from typing import Any, Final

from .directives import DIRECTIVES, MappingError, directive_of
from .values import MAX_PATH

MAX_DEPTH: Final = 16
MAX_TEXT: Final = 1_000
MAX_NODES: Final = 2_000
MAX_PATTERN: Final = 10


_OPTIONS: dict[
    str, dict[str, tuple[str, ...]]
] = {  # of directives that take a table: each key, and what it may be
    "@if": {"exists": ("value",), "blank": ("value",), "then": ("value",), "else": ("value",)},
    "@case": {"operator": ("lower", "upper"), "value": ("value",)},
    "@replace": {
        "pattern": ("text",),
        "replacement": ("text",),
        "pattern2": ("text",),
        "replacement2": ("text",),
        "value": ("value",),
        "ignorecase": ("boolean",),
        "global": ("boolean",),
    },
    "@merge": {"direction": ("left", "right"), "objects": ("list",)},
    "@flatten": {"separator": ("text",), "value": ("value",), "omitArrays": ("boolean",)},
    "@json": {"mode": ("encode", "decode"), "value": ("value",)},
}
_NEEDED = {
    "@if": (),
    "@case": ("operator",),
    "@replace": ("pattern", "value"),
    "@merge": ("direction", "objects"),
    "@flatten": ("separator", "value"),
    "@json": ("mode", "value"),
}


def check(value: Any, where: str) -> None:
    """Raise MappingError when `value` is nothing that resolve() takes. `where` names it in the message."""
    _Checker().visit(value, where, 0)


class _Checker:
    def __init__(self) -> None:
        self.nodes = 0

    def visit(self, value: Any, where: str, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise MappingError(f"{where}: expected at most {MAX_DEPTH} levels and {MAX_NODES} values")
        if isinstance(value, str):
            self._check_text(value, where)
            if value.startswith("$."):
                raise MappingError(
                    f'{where}: got the text {value!r}; write {{ "@path" = "{value}" }} for what lies there, or '
                    f'{{ "@literal" = "{value}" }} for the text'
                )
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.visit(item, f"{where}[{index}]", depth + 1)
        elif isinstance(value, dict):
            self._visit_table(value, where, depth)
        elif value is not None and not isinstance(value, str | bool | int | float):
            raise MappingError(
                f"{where}: expected text, a number, a boolean, a list or a table, got {value!r}"
            )

    def _check_text(self, value: str, where: str) -> None:
        if len(value) > MAX_TEXT:
            raise MappingError(f"{where}: expected at most {MAX_TEXT} characters, got {len(value)}")

    def _visit_table(self, value: dict[str, Any], where: str, depth: int) -> None:
        name = directive_of(value)
        if name is None:
            for key, item in value.items():
                self.visit(item, f"{where}.{key}", depth + 1)
            return
        if name not in DIRECTIVES:
            raise MappingError(f"{where}: there is no directive {name}; there are {', '.join(DIRECTIVES)}")
        if len(value) > 1:
            others = ", ".join(key for key in value if key != name)
            raise MappingError(
                f"{where}: a directive stands alone in its table, beside {name} stands {others}"
            )
        self._visit_directive(name, value[name], f"{where}.{name}", depth)

    def _visit_directive(self, name: str, value: Any, where: str, depth: int) -> None:
        if name in ("@path", "@template"):
            if not isinstance(value, str):
                raise MappingError(f"{where}: expected text, got {value!r}")
            self._check_text(value, where)
            if name == "@path" and not 1 <= len(value) <= MAX_PATH:
                raise MappingError(f"{where}: expected 1 to {MAX_PATH} characters, such as $.properties.size")
        elif name == "@literal" and isinstance(value, str):
            self._check_text(value, where)
        elif name in ("@coalesce", "@arrayPath"):
            self._visit_list(name, value, where, depth)
        elif name in _OPTIONS:
            self._check_options(name, value, where)
            for key, item in value.items():
                self.visit(item, f"{where}.{key}", depth + 1)
        else:
            self.visit(value, where, depth + 1)

    def _visit_list(self, name: str, value: Any, where: str, depth: int) -> None:
        longest = 2 if name == "@arrayPath" else MAX_NODES
        if not isinstance(value, list) or not 1 <= len(value) <= longest:
            raise MappingError(f"{where}: expected a list of values, got {value!r}")
        if name == "@arrayPath":
            if not isinstance(value[0], str | dict):
                raise MappingError(f"{where}: expected a path first, got {value[0]!r}")
            if isinstance(value[0], str):
                self._check_text(value[0], where)
                value = value[1:]
        self.visit(value, where, depth + 1)

    def _check_options(self, name: str, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise MappingError(f"{where}: expected a table with {', '.join(_OPTIONS[name])}, got {value!r}")
        if name == "@if" and ("exists" in value) == ("blank" in value):
            raise MappingError(f"{where}: expected either exists or blank")
        for key in _NEEDED[name]:
            if key not in value:
                raise MappingError(f"{where}: {key} is missing")
        for key, item in value.items():
            expected = _OPTIONS[name].get(key)
            if expected is None:
                raise MappingError(f"{where}: there is no {key}; there are {', '.join(_OPTIONS[name])}")
            if not _fits(item, expected):
                raise MappingError(f"{where}.{key}: expected {' or '.join(expected)}, got {item!r}")
        for key in ("pattern", "pattern2", "replacement", "replacement2"):
            if len(value.get(key) or "") > MAX_PATTERN:
                raise MappingError(f"{where}.{key}: expected at most {MAX_PATTERN} characters")


def _fits(value: Any, expected: tuple[str, ...]) -> bool:
    kinds = {"value": object, "text": str, "boolean": bool, "list": list}
    if expected[0] in kinds:
        return isinstance(value, kinds[expected[0]])
    return value in expected
