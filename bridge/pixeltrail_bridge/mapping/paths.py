"""Where something stands in an event: `properties.cups`, `context.device.model`, `properties.products.*.price`.

Names are separated by dots. `*` and `?` in a name stand for any letters and for one; a name in quotes is taken as it
is, dots and stars too. An item of a list has its number as its name, so `*` is all of them.

Nothing here changes an event: a change gives a new one, which shares with the old what stayed, because events share
their contexts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

MAX_STEPS: Final = 16  # deeper than this nobody means; it also bounds the recursion
GONE: Final = object()  # in place of a value: take it away

Names = tuple[str, ...]
_STEP = re.compile(r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^."']+?))\s*(?P<end>\.|$)""")


class PathError(ValueError):
    """A path that nobody can have meant; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    is_pattern: bool = False

    def fits(self, name: str) -> bool:
        return fits(name, self.name) if self.is_pattern else name == self.name


ANY: Final = Step("*", True)


@dataclass(frozen=True, slots=True)
class Path:
    """`text` is as a person wrote it."""

    text: str
    steps: tuple[Step, ...]

    @property
    def has_pattern(self) -> bool:
        return any(step.is_pattern for step in self.steps)

    @property
    def names(self) -> Names:
        return tuple(step.name for step in self.steps)

    def covers(self, names: Names) -> bool:
        """Whether it is this place, or one that this place lies in, where no pattern is involved."""
        return not self.has_pattern and names[: len(self.steps)] == self.names


def parse(text: str) -> Path:
    """Raises PathError."""
    steps: list[Step] = []
    at, is_open = 0, True
    while is_open:
        found = _STEP.match(text, at)
        if found is None:
            raise PathError(f"it is no path from character {at + 1} on; put names with dots in quotes")
        quoted = found["double"] if found["double"] is not None else found["single"]
        name = quoted if quoted is not None else found["plain"]
        if not name:
            raise PathError("a name in it is empty")
        steps.append(Step(name, quoted is None and ("*" in name or "?" in name)))
        at, is_open = found.end(), found["end"] == "."
    if len(steps) > MAX_STEPS:
        raise PathError(f"it has {len(steps)} names, and at most {MAX_STEPS} may be")
    return Path(text, tuple(steps))


def fits(text: str, pattern: str) -> bool:
    """Whether a pattern with * and ? fits the whole of a text. Brackets mean themselves: `[Amplitude] *`."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *inner = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern))
    if not inner:
        return re.compile(first, re.DOTALL)
    # Atomic groups never look back, so a long text costs linear time for each star.
    middle = "".join(f"(?>.*?{part})" for part in inner[:-1])
    return re.compile(f"{first}{middle}.*{inner[-1]}", re.DOTALL)


# ---- changes ------------------------------------------------------------

Act = Callable[[Any], Any]


def change(value: Any, path: Path, act: Act, spared: Collection[Names] = ()) -> Any:
    """`value` with `act` done at all places of the path; the very same object when nothing came of it.

    `spared` stay as they are, and of what they lie in only the rest is changed.
    """
    return _change(value, path.steps, (), act, spared)


def _change(value: Any, steps: Sequence[Step], at: Names, act: Act, spared: Collection[Names]) -> Any:
    if not steps:
        if at in spared:
            return value
        if any(one[: len(at)] == at for one in spared) and isinstance(value, Mapping):
            return _change(value, (ANY,), at, act, spared)
        return act(value)
    if isinstance(value, Mapping):
        return _change_table(value, steps, at, act, spared)
    if isinstance(value, list | tuple):
        return _change_list(value, steps, at, act, spared)
    return value


def _change_table(
    table: Mapping[str, Any], steps: Sequence[Step], at: Names, act: Act, spared: Collection[Names]
) -> Any:
    first, changed = steps[0], None
    names = [name for name in table if first.fits(name)] if first.is_pattern else [first.name]
    for name in names:
        if name not in table:
            continue
        new = _change(table[name], steps[1:], (*at, name), act, spared)
        if new is table[name]:
            continue
        changed = dict(table) if changed is None else changed
        if new is GONE:
            del changed[name]
        else:
            changed[name] = new
    return table if changed is None else changed


def _change_list(
    items: Sequence[Any], steps: Sequence[Step], at: Names, act: Act, spared: Collection[Names]
) -> Any:
    new = [
        _change(item, steps[1:], (*at, str(number)), act, spared) if steps[0].fits(str(number)) else item
        for number, item in enumerate(items)
    ]
    if all(one is item for one, item in zip(new, items, strict=True)):
        return items
    return [one for one in new if one is not GONE]


def find(value: Any, names: Names) -> Any:
    """What stands there; GONE when nothing does."""
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return GONE
        value = value[name]
    return value


def put(value: Any, names: Names, new: Any) -> Any:
    """With `new` there, where nothing stands yet; the same object where something does, or where none can."""
    if not isinstance(value, Mapping):
        return value
    name, *rest = names
    if not rest:
        return value if name in value else {**value, name: new}
    inner = value.get(name, {})
    changed = put(inner, tuple(rest), new)
    return value if changed is inner else {**value, name: changed}


def prune(value: Any, paths: Sequence[Path], spared: Collection[Names] = ()) -> Any:
    """With nothing but what the paths name, and the spared; the same object when that is all."""
    kept = [path.steps for path in paths]
    return _prune(value, [*kept, *(tuple(Step(name) for name in names) for names in spared)])


def _prune(value: Any, kept: Sequence[Sequence[Step]]) -> Any:
    if any(not steps for steps in kept):
        return value
    if isinstance(value, Mapping):
        items = {name: _prune(item, _below(kept, name)) for name, item in value.items()}
        left = {name: item for name, item in items.items() if item is not GONE}
        if len(left) == len(value) and all(left[name] is value[name] for name in left):
            return value
        return left or GONE
    if isinstance(value, list | tuple):
        pruned = [_prune(item, _below(kept, str(number))) for number, item in enumerate(value)]
        return [item for item in pruned if item is not GONE] or GONE
    return GONE


def _below(kept: Sequence[Sequence[Step]], name: str) -> list[Sequence[Step]]:
    return [steps[1:] for steps in kept if steps and steps[0].fits(name)]


def differences(before: Any, after: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two events differ, place by place; GONE on the side that has nothing."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            inner = f"{at}.{quoted(name)}" if at else quoted(name)
            yield from differences(before.get(name, GONE), after.get(name, GONE), inner)
    elif before is not after and before != after:
        yield at, before, after


def quoted(name: str) -> str:
    """A name as a path has it."""
    return f'"{name}"' if "." in name or "*" in name or "?" in name else name
