"""What a mapping gave, made to fit the fields of its action, or refused: the checks that Segment makes before sending.

Three steps, in this order: nothing and empty text at the top are dropped; a single value becomes the kind its field
has where that can be done (the number 5 becomes the text "5", "2" the number 2, a list of one its item); what then
does not fit is a MappingError, and the event is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .directives import MappingError
from .fields import Field, Kind
from .times import is_date_like
from .values import MISSING, as_number, as_text, is_finite, is_number, is_whole

_NONE = object()  # what could not be made to fit


def fit(payload: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """A payload with the kinds that its fields ask for. Raises MappingError."""
    kept = {name: _drop_empty(value, fields[name]) for name, value in payload.items() if name in fields}
    return _fit_members(
        {name: value for name, value in kept.items() if value is not MISSING and value != ""}, fields, ""
    )


def _drop_empty(value: Any, field: Field) -> Any:
    """`value` without what counts as nothing in its field; MISSING when that is all of it."""
    if isinstance(value, list):
        return [item for item in value if item is not None] if field.is_list else value
    if isinstance(value, dict):
        if not field.members or field.is_list:
            return value
        kept = {
            key: _drop_empty(item, field.members[key]) if key in field.members else item
            for key, item in value.items()
        }
        return {key: item for key, item in kept.items() if item is not MISSING}
    if value is None and not field.may_be_null:
        return MISSING
    is_text = field.kind in ("string", "datetime") and not field.is_list
    return MISSING if value == "" and isinstance(value, str) and not is_text else value


def _fit_members(values: Mapping[str, Any], fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    for name, field in fields.items():
        if field.is_required and name not in values:
            raise MappingError(f"{where}{name} is missing")
    return {
        name: _fit_value(value, fields[name], where + name) if name in fields else value
        for name, value in values.items()
    }


def _fit_value(value: Any, field: Field, where: str) -> Any:
    if type(value) is str and field.kind == "string" and not (field.is_list or field.choices):
        return value  # most fields are this
    if field.is_list:
        items = value if isinstance(value, list) else [value]
        return [_fit_object(item, field, f"{where}[{index}]") for index, item in enumerate(items)]
    if field.kind == "object":
        return _fit_object(value, field, where)
    fitting = _coerce(value, field)
    if fitting is _NONE:
        raise MappingError(f"{where} must be {_named(field)}, got {_shown(value)}")
    if field.choices and fitting not in field.choices:
        raise MappingError(f"{where} must be {' or '.join(field.choices)}, got {_shown(value)}")
    if field.kind == "datetime" and isinstance(fitting, str) and not is_date_like(fitting):
        raise MappingError(f"{where} must be a date or ms since 1970, got {_shown(value)}")
    return fitting


def _fit_object(value: Any, field: Field, where: str) -> Any:
    if not isinstance(value, dict):
        raise MappingError(f"{where} must be an object, got {_shown(value)}")
    if not field.members:
        return value
    if not field.is_open:
        value = {key: item for key, item in value.items() if key in field.members}
    return _fit_members(value, field.members, f"{where}.")


def _coerce(value: Any, field: Field) -> Any:
    kinds: tuple[Kind, ...] = ("string", "number") if field.kind == "datetime" else (field.kind,)
    if value is None and field.may_be_null:
        return None
    if any(_is(value, kind) for kind in kinds):
        return value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        if _is(value, kinds[0]) and len(kinds) == 1 and not field.may_be_null:
            return value  # with more than one kind Segment's checker takes only what it has to change
    for kind in kinds:
        found = _make(value, kind)
        if found is not _NONE:
            return found
    return None if field.may_be_null and (value in ("", 0) or value is False) else _NONE


def _is(value: Any, kind: Kind) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    return is_number(value) and is_finite(value) and (kind == "number" or is_whole(value))


def _make(value: Any, kind: Kind) -> Any:
    if kind == "string":
        if value is None:
            return ""
        return as_text(value) if isinstance(value, bool | int | float) else _NONE
    if kind == "boolean":
        if value is None or value == "false" or (is_number(value) and value == 0):
            return False
        return True if value == "true" or (is_number(value) and value == 1) else _NONE
    if value is None or isinstance(value, bool):
        return int(value or 0)
    number = as_number(value) if isinstance(value, str) and value else None
    if number is None or (kind == "integer" and not is_whole(number)):
        return _NONE
    return number


def _named(field: Field) -> str:
    names = {"string": "text", "integer": "a whole number", "boolean": "true or false", "datetime": "a date"}
    return names.get(field.kind, f"a {field.kind}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"{value[:60]!r}"
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else as_text(value)
