"""Runs the scenarios on a board at a port: starts each through the REPL, and a bridge that listens to it.

The port belongs to the REPL or to the bridge, never to both: a scenario is started, the port is given up, and only then
does the bridge begin, which opens it where the link is serial. All scenarios share one store, each with a device ID of
its own.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..app import Bridge, running
from ..boards.catalogue import Board, BoardError
from ..config import load
from . import judge
from .scenarios import Scenario, device_files

_POLL_S: Final = 0.2
_PATIENCE_S: Final = 120.0  # beyond what a scenario takes by its own pace
_AWAY_S: Final = 1.0  # for which the bridge stays away
_BOOT_WAIT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Result:
    scenario: Scenario
    verdict: judge.Verdict
    figures: Mapping[str, Any]
    """What the board told at its end."""
    shown: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class Runner:
    """`link`: {} for the serial line, or broker, port, wifi, password. `folder` gets the store. `say` gets lines."""

    board: Board
    port: str
    folder: Path
    link: dict[str, Any]
    say: Callable[[str], None]
    _is_installed: bool = False
    _broker_port: int = 0

    def run(self, scenario: Scenario) -> Result:
        device_id = "hil-" + scenario.name.replace(" ", "-")
        if self.link.get("broker") and not self._broker_port:
            self._broker_port = int(self.link.get("port") or 0) or _free_port()
        self._start(self._plan(scenario, device_id))
        if scenario.restarts_bridge:
            with self._bridge() as bridge:
                self._wait(
                    bridge, scenario, lambda: judge.count_chunks(bridge.store, device_id) >= 3, "it began"
                )
            time.sleep(_AWAY_S)
        if scenario.reboots:
            with self._bridge() as bridge:
                reset = judge.RESETS
                self._wait(
                    bridge,
                    scenario,
                    lambda: judge.told(bridge.store, device_id, reset) is not None,
                    "it resets",
                )
                time.sleep(_AWAY_S)  # the last pictures before the reset
            self._start(self._plan(replace(scenario, plan={}), device_id))
        with self._bridge() as bridge:
            ended = judge.ENDED
            self._wait(
                bridge, scenario, lambda: judge.told(bridge.store, device_id, ended) is not None, "it ended"
            )
            figures = judge.told(bridge.store, device_id, ended) or {}
            shown = [scenario.frames]
            if scenario.reboots:
                shown.insert(0, int(scenario.plan["reset_at"]))
            verdict = judge.judge(bridge.store, device_id, self.board.display, scenario.scene, shown)
        return Result(scenario, verdict, figures, sum(shown), tuple(problems_of(scenario, verdict, figures)))

    def _plan(self, scenario: Scenario, device_id: str) -> dict[str, Any]:
        display = self.board.display
        link = dict(self.link)
        if link.get("broker"):
            link["port"] = self._broker_port
        return {
            "scenario": scenario.name,
            "device_id": device_id,
            "board": self.board.name[:60],
            "width": display.width,
            "height": display.height,
            "format": display.format,
            "scene": scenario.scene,
            "frames": scenario.frames,
            "interval_ms": scenario.interval_ms,
            "link": link,
            **scenario.plan,
        }

    # --- the board's REPL ---

    def _start(self, plan: Mapping[str, Any]) -> None:
        """Interrupt what runs, reset softly, and leave the scenario running."""
        try:
            from mpremote.transport import TransportError
            from mpremote.transport_serial import SerialTransport
        except ImportError:
            raise BoardError(
                "mpremote is missing; install it with: pip install 'pixeltrail[flash]'"
            ) from None
        try:
            repl = SerialTransport(self.port, 115200, wait=_BOOT_WAIT_S)
            try:
                repl.enter_raw_repl(soft_reset=True)
                if not self._is_installed:
                    self._install(repl)
                repl.exec_raw_no_follow(f"import pt_hil\npt_hil.run({dict(plan)!r})")
            finally:
                repl.serial.close()
        except (TransportError, OSError) as error:
            raise BoardError(
                f"the REPL at {self.port} does not answer: {error}; does MicroPython run there?"
            ) from None

    def _install(self, repl: Any) -> None:
        from mpremote.transport import TransportError

        for path in device_files():
            repl.fs_writefile(path.name, path.read_bytes())
        try:
            repl.exec("import pixeltrail")
        except TransportError as error:
            last = str(error).strip().splitlines()[-1:]
            raise BoardError(
                f"the board at {self.port} cannot load the library ({' '.join(last)}): `pixeltrail flash "
                f"{self.board.id} --port {self.port}` installs it"
            ) from None
        self._is_installed = True

    # --- the bridge ---

    @contextlib.contextmanager
    def _bridge(self) -> Iterator[Bridge]:
        overrides = [f"bridge.data_dir={self.folder}", "web.enabled=false", "bridge.log_level=error"]
        if self.link.get("broker"):
            overrides += [f"mqtt.port={self._broker_port}"]
        else:
            overrides += ["mqtt.enabled=false"]
        config = load(overrides=overrides)
        if not self.link.get("broker"):
            config = replace(config, serial=replace(config.serial, ports=(self.port,)))
        with running(config) as bridge:
            yield bridge

    def _wait_for(self, bridge: Bridge, scenario: Scenario, device_id: str, event: str) -> None:
        self._wait(bridge, scenario, lambda: judge.told(bridge.store, device_id, event) is not None, event)

    def _wait(self, bridge: Bridge, scenario: Scenario, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S + 4 * scenario.frames * scenario.interval_ms / 1000
        while not condition():
            if time.monotonic() > deadline:
                raise BoardError(
                    f"{scenario.name}: waited in vain until {what}; is the board's link to this machine open?"
                )
            time.sleep(_POLL_S)


def problems_of(scenario: Scenario, verdict: judge.Verdict, figures: Mapping[str, Any]) -> Iterator[str]:
    """What must not be, in words."""
    stats = figures.get("stats", {})
    if verdict.wrong:
        yield f"{verdict.wrong} frames show what the board never showed"
    if not verdict.is_end_exact:
        yield "the last frame is not the last picture"
    calls = int(scenario.plan.get("calls", 0)) * scenario.frames
    missing = calls - verdict.calls
    if missing != 0 and missing > int(stats.get("refused_calls", 0)):
        yield f"{missing} calls are missing, and {stats.get('refused_calls', 0)} were refused and told"
    if scenario.name != "low memory" and stats.get("errors"):
        yield f"{stats['errors']} errors were contained"
    if scenario.reboots and verdict.streams < 2:
        yield "the board did not begin again"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def only(names: list[str], known: tuple[Scenario, ...]) -> list[Scenario]:
    """The scenarios of these names, all without any; BoardError for a name that there is not."""
    by_name = {re.sub(r"[ _-]", "", scenario.name): scenario for scenario in known}
    found = []
    for name in names:
        scenario = by_name.get(re.sub(r"[ _-]", "", name))
        if scenario is None:
            raise BoardError(
                f"--scenario must be one of {', '.join(one.name for one in known)}, got {name!r}"
            )
        found.append(scenario)
    return found or list(known)
