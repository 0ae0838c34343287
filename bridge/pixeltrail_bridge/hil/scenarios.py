"""The scenarios: what the board does, and what the host does to it meanwhile."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ..simulate import boards_folder


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    about: str
    frames: int = 40
    interval_ms: int = 70
    scene: str = "boxes"
    plan: dict[str, Any] = field(default_factory=dict)
    restarts_bridge: bool = False
    """The bridge, and the broker inside it, ends in the middle and comes back."""
    reboots: bool = False


_CUT: Final = [10, 40]

SCENARIOS: Final = (
    Scenario("capture", "boxes that move, and touches", plan={"touches": True}),
    Scenario("scroll", "a page of lines that scrolls", scene="scroll"),
    Scenario("burst", "thirty calls with each picture", frames=12, interval_ms=150, plan={"calls": 30}),
    Scenario(
        "link loss",
        "the line is pulled out for half of the time",
        frames=60,
        plan={"cut": _CUT, "touches": True},
    ),
    Scenario(
        "broker restart",
        "the bridge and its broker end, and come back",
        frames=80,
        restarts_bridge=True,
    ),
    Scenario(
        "reboot",
        "the board resets in the middle, and begins again",
        frames=30,
        plan={"reset_at": 15},
        reboots=True,
    ),
    Scenario("low memory", "the app takes the heap but for 16 KB", plan={"hog": 16_000}),
    Scenario("long run", "pictures and calls for a long time", frames=200, plan={"calls": 1}, scene="scroll"),
)
NAMES: Final = tuple(scenario.name for scenario in SCENARIOS)


def bounded(scenario: Scenario) -> Scenario:
    """The same at twice the pace, with a long run that is none: for a suite that runs often."""
    frames = 40 if scenario.name == "long run" else scenario.frames
    return replace(scenario, frames=frames, interval_ms=scenario.interval_ms // 2)


def device_files() -> list[Path]:
    """What runs on the board."""
    return [boards_folder() / "hil" / name for name in ("pt_scene.py", "pt_hil.py")]


@cache
def scenes() -> ModuleType:
    """pt_scene, which draws here what the board draws there."""
    spec = importlib.util.spec_from_file_location("pt_scene", device_files()[0])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
