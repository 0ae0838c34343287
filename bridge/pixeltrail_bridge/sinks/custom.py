"""Sinks of one's own: `[[sinks.custom]]` names a function that makes one; docs/sinks.md shows a whole one.

The function is called once, as the bridge starts, with the `settings` of its table as keyword arguments. What it gives
back has two methods, `async deliver(rows)` and `async close()`; base.Sink says what they must do. The attributes
`name`, `alarm` and `paused_until_ms` are added where they are missing.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigError
from .base import Sink
from .replay import ReplaySink


def load_sink(name: str, factory: str, settings: Mapping[str, Any], folder: Path | None) -> Sink:
    """Make a sink for calls. `factory` is module:function; modules beside the settings file, in `folder`, are found.

    Raises ConfigError, also for what the user's own code raises: the bridge does not start without a sink.
    """
    return cast(Sink, _load(name, factory, settings, folder, "deliver", "docs/sinks.md"))


def load_replay_sink(name: str, factory: str, settings: Mapping[str, Any], folder: Path | None) -> ReplaySink:
    """The same for one that takes recordings."""
    return cast(ReplaySink, _load(name, factory, settings, folder, "send", "docs/replay-sinks.md"))


def _load(
    name: str, factory: str, settings: Mapping[str, Any], folder: Path | None, method: str, guide: str
) -> Any:
    make = _find(name, factory, folder)
    try:
        sink = make(**settings)
    except Exception as error:
        raise ConfigError(f"sink {name}: {factory} failed with {type(error).__name__}: {error}") from error
    for needed in (method, "close"):
        if not inspect.iscoroutinefunction(getattr(sink, needed, None)):
            raise ConfigError(f"sink {name}: what {factory} made has no `async def {needed}`; see {guide}")
    for attribute, value in (("alarm", None), ("paused_until_ms", 0)):
        if not hasattr(sink, attribute):
            setattr(sink, attribute, value)
    sink.name = name  # deliveries are kept under the name of the settings
    return sink


def _find(name: str, factory: str, folder: Path | None) -> Callable[..., Any]:
    module, _, function = factory.partition(":")
    search = [*sys.path]
    if folder is not None:
        sys.path.append(str(folder))  # last: a file there cannot stand in for an installed module
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise ConfigError(
            f"sink {name}: {factory} cannot be loaded: {type(error).__name__}: {error}; modules are looked for where "
            "Python does and beside the settings file"
        ) from error
    finally:
        sys.path[:] = search
    if not callable(found):
        raise ConfigError(f"sink {name}: {factory} is not a function")
    return cast(Callable[..., Any], found)
