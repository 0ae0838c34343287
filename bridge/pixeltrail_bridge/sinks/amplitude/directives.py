"""The mapping language: what a field of a mapping takes from an event.

A value is a literal (text, number, boolean, list, table) or a directive, a table with one key that begins with `@`.
They have the names and the meaning they have in Segment's mappings, so a mapping can be copied from there as JSON:

    { "@path" = "$.properties.size" }                      what lies there
    { "@template" = "Viewed {{name}}" }                    text with what lies there put in
    { "@literal" = 5 }                                     itself
    { "@if" = { exists = V, then = V, else = V } }         `blank` in place of `exists` also takes "" for nothing
    { "@coalesce" = [V, V, ...] }                          the first that is there; ours
    { "@arrayPath" = ["$.properties.products", { price = { "@path" = "price" } }] }
    { "@case" = { operator = "lower", value = V } }        or "upper"
    { "@replace" = { pattern = "-", replacement = "_", value = V } }
    { "@merge" = { direction = "right", objects = [V, V] } }
    { "@flatten" = { separator = ".", value = V } }
    { "@json" = { mode = "encode", value = V } }           or "decode"
    { "@excludeWhenNull" = V }

checks.py refuses everything else when settings are read; resolve() then cannot fail but for values that only an event
shows to be wrong, which is a MappingError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .values import MISSING, as_text, is_there, look_up, split_path, walk, without_missing

_FIRST, _SECOND = re.compile(r"\{\{\{([^}]+)\}\}\}"), re.compile(r"\{\{([^}]+)\}\}")


class MappingError(ValueError):
    """A mapping that is wrong in itself, or that an event does not fit. The message says where and why."""


def resolve(value: Any, event: Any) -> Any:
    """What `value` comes to for an event: JSON, or MISSING."""
    if isinstance(value, list):
        return [resolve(item, event) for item in value]
    if not isinstance(value, dict):
        return value
    name = directive_of(value)
    if name is not None:
        return DIRECTIVES[name](value[name], event)
    return {key: resolve(item, event) for key, item in value.items()}


def prepare(value: Any) -> Callable[[Any], Any]:
    """resolve() for one value and many events: what most fields hold, paths and literals, is made ready."""
    if isinstance(value, list | dict) and _holds_directive(value):
        name = directive_of(value) if isinstance(value, dict) else None
        if isinstance(value, dict) and name == "@path" and isinstance(value[name], str):
            names = split_path(value[name].replace("$.", "", 1))
            return lambda event: walk(event, names)
        if isinstance(value, dict) and name is None:
            parts = [(key, prepare(item)) for key, item in value.items()]
            return lambda event: {key: part(event) for key, part in parts}
        if isinstance(value, dict) and name == "@if" and "exists" in value[name]:
            return _prepare_if(value[name])
        return lambda event: resolve(value, event)
    return lambda event: value


def _prepare_if(options: Mapping[str, Any]) -> Callable[[Any], Any]:
    tested, then = prepare(options["exists"]), prepare(options.get("then", MISSING))
    otherwise = prepare(options.get("else", MISSING))
    return lambda event: then(event) if is_there(tested(event)) else otherwise(event)


def _holds_directive(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_directive(item) for item in value)
    if isinstance(value, dict):
        return any(key.startswith("@") or _holds_directive(item) for key, item in value.items())
    return False


def render(template: str, event: Any) -> str:
    """Text with each `{{path}}` replaced by what lies there, and by nothing where nothing does."""

    def put(found: re.Match[str]) -> str:
        value = look_up(event, found[1].strip())
        return as_text(value) if is_there(value) else ""

    return _SECOND.sub(put, _FIRST.sub(put, template))


def directive_of(value: Mapping[str, Any]) -> str | None:
    return next((key for key in value if key.startswith("@")), None)


# ---- resolving ----------------------------------------------------------------------------------------


def _path(value: Any, event: Any) -> Any:
    path = resolve(value, event)
    if not isinstance(path, str):
        raise MappingError(f"@path needs text, got {as_text(path)}")
    return look_up(event, path.replace("$.", "", 1))


def _template(value: Any, event: Any) -> Any:
    template = resolve(value, event)
    if not isinstance(template, str):
        raise MappingError(f"@template needs text, got {as_text(template)}")
    return render(template, event)


def _if(value: Any, event: Any) -> Any:
    tested = resolve(value["exists" if "exists" in value else "blank"], event)
    holds = is_there(tested) and ("exists" in value or tested not in ("", [], False) and tested != 0)
    return resolve(value.get("then" if holds else "else", MISSING), event)


def _coalesce(value: Any, event: Any) -> Any:
    return next((found for found in (resolve(item, event) for item in value) if is_there(found)), MISSING)


def _array_path(value: Any, event: Any) -> Any:
    root = (
        look_up(event, value[0].replace("$.", "", 1))
        if isinstance(value[0], str)
        else resolve(value[0], event)
    )
    shape = value[1] if len(value) > 1 else None
    if not isinstance(root, dict | list) or not isinstance(shape, dict) or not shape:
        return root
    return [resolve(shape, item) for item in (root if isinstance(root, list) else [root])]


def _case(value: Any, event: Any) -> Any:
    found = resolve(value.get("value", MISSING), event)
    if not isinstance(found, str):
        return found
    return found.lower() if value["operator"] == "lower" else found.upper()


def _replace(value: Any, event: Any) -> Any:
    found = resolve(value["value"], event)
    if isinstance(found, bool | int | float):
        found = as_text(found)
    if not isinstance(found, str):
        return ""
    flags = re.IGNORECASE if value.get("ignorecase", False) else re.NOFLAG
    count = 0 if value.get("global", True) else 1
    for one, other in (("pattern", "replacement"), ("pattern2", "replacement2")):
        if value.get(one):
            new = (value.get(other) or "").replace("\\", r"\\")  # plain text, no group of a pattern
            found = re.sub(re.escape(value[one]), new, found, count=count, flags=flags)
    return found


def _merge(value: Any, event: Any) -> Any:
    objects = [
        found for found in (resolve(item, event) for item in value["objects"]) if isinstance(found, dict)
    ]
    merged: dict[str, Any] = {}
    for found in reversed(objects) if value["direction"] == "left" else objects:
        merged |= found
    return merged


def _flatten(value: Any, event: Any) -> Any:
    flat: dict[str, Any] = {}

    def walk(found: Any, name: str) -> None:
        if isinstance(found, dict):
            items = list(found.items())
        elif isinstance(found, list) and not value.get("omitArrays"):
            items = [(str(index), item) for index, item in enumerate(found)]
        else:
            flat[name] = found
            return
        for key, item in items:
            walk(item, f"{name}{value['separator']}{key}" if name else key)

    walk(resolve(value["value"], event), "")
    return flat


def _json(value: Any, event: Any) -> Any:
    found = resolve(value["value"], event)
    if value["mode"] == "encode":
        return MISSING if found is MISSING else msgspec.json.encode(without_missing(found)).decode()
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _exclude_null(value: Any, event: Any) -> Any:
    found = resolve(value, event)
    return MISSING if found is None else _drop_nulls(found)


def _drop_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _drop_nulls(item) for key, item in value.items() if item is not None}


DIRECTIVES: dict[str, Callable[[Any, Any], Any]] = {
    "@path": _path,
    "@template": _template,
    "@literal": resolve,
    "@if": _if,
    "@coalesce": _coalesce,
    "@arrayPath": _array_path,
    "@case": _case,
    "@replace": _replace,
    "@merge": _merge,
    "@flatten": _flatten,
    "@json": _json,
    "@excludeWhenNull": _exclude_null,
}
