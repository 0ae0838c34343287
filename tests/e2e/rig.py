"""A broker, a Segment server, a bridge and simulated boards, and a hand that kills them.

with rig(folder) as world:
    board = world.play("crash-board", "mono_invaders")
    Chaos(world, seed=1).strike(board, times=3)
    world.finish(board)
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.simulate import SimulatedBoard, spawn_board

from tests.support import corpus, services
from tests.support.bridge_process import COMMAND, BridgeProcess, Settings, bridge_process, descendants
from tests.support.vendors import KEY, SEGMENT, Vendor

PLAYER = Path(__file__).with_name("player")
WRITE_KEY = KEY
_BOARD_S = 100.0
_MOMENT_S = 100.0  # a board whose broker dies again and again waits for up to a minute before it connects
_SERVES = re.compile(r"serving the devices of|is open")
_TAIL_LINES = 15


@dataclass
class World:
    folder: Path
    broker: services.Service | None
    """None: the bridge runs one itself."""
    mqtt_port: int
    server: Any
    """Of the vendor."""
    bridge: BridgeProcess
    boards: list[SimulatedBoard] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mqtt://{services.LOOPBACK}:{self.mqtt_port}"

    def await_service(self) -> None:
        """A device that begins before the bridge waits for its first resend."""
        self.bridge.wait_until(lambda: _SERVES.search(self.bridge.log), "the bridge listens")

    def output(self, device_id: str) -> str:
        path = self.folder / f"{device_id}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def diagnosis(self) -> str:
        """What a person wants to see when a test fails."""
        counts = {table: self.bridge.count(table) for table in ("chunks", "events", "gaps", "dead_letters")}
        counts["deliveries waiting"] = self.bridge.count("deliveries", "state = 'waiting'")
        lines = [f"--- store: {counts}; server: {len(self.server.events)} events"]
        lines += [f"--- {b.device_id}: {_tail(self.output(b.device_id))}" for b in self.boards]
        return "\n".join(lines)

    def spawn(self, name: str, device_id: str, url: str | None = None, **options: Any) -> SimulatedBoard:
        board = spawn_board(
            name, url or self.url, device_id, output=self.folder / f"{device_id}.out", **options
        )
        self.boards.append(board)
        return board

    def play(
        self, device_id: str, sequence: str, url: str | None = None, *, pace: bool = False, **settings: object
    ) -> SimulatedBoard:
        """The board of player/, with further options of its main.py."""
        options = {name.replace("_", "-"): str(value) for name, value in settings.items()}
        play = corpus.DEFAULT_FOLDER / f"{sequence}.json"
        return self.spawn(str(PLAYER), device_id, url, play=play, pace=pace, settings=options)

    def finish(self, board: SimulatedBoard, timeout_s: float = _BOARD_S) -> dict[str, Any]:
        """Until the board has ended by itself, all it had being acked, and every event is settled.

        Returns the counters that the board printed at its end.
        """
        self.bridge.wait_until(lambda: not board.running, f"{board.device_id} ended", timeout_s)
        status = board.wait()
        assert status == 0, f"{board.device_id} ended with {status}: {_tail(self.output(board.device_id))}"
        self.settle()
        return self.counters(board.device_id)

    def counters(self, device_id: str) -> dict[str, Any]:
        return last_json(self.output(device_id))

    def settle(self, timeout_s: float = 30.0) -> None:
        """Until nothing waits to be delivered. A window of display changes that is open still makes an event."""
        self.bridge.wait_until(
            lambda: not self.bridge.count("deliveries", "state = 'waiting'"), "all was sent", timeout_s
        )

    def stop_boards(self) -> None:
        for board in self.boards:
            board.stop()


@contextlib.contextmanager
def rig(
    folder: Path,
    settings: Settings | None = None,
    *,
    entry: Sequence[str] = COMMAND,
    embedded: bool = False,
    started: bool = True,
    vendor: Vendor = SEGMENT,
) -> Iterator[World]:
    """A broker, the vendor's server and the bridge; `settings` are added to those of the bridge."""
    with contextlib.ExitStack() as stack:
        broker = None if embedded else stack.enter_context(services.mosquitto())
        port = services.free_port() if broker is None else broker.port
        server = stack.enter_context(vendor.running())
        mqtt = {"port": port} if embedded else {"url": f"mqtt://{services.LOOPBACK}:{port}"}
        merged = bridge_settings(folder, server.url, vendor) | {"mqtt": mqtt}
        for section, values in (settings or {}).items():
            merged[section] = {**merged.get(section, {}), **values}
        bridge = stack.enter_context(bridge_process(folder / "bridge", merged, entry, started=started))
        world = World(folder, broker, port, server, bridge)
        try:
            if started:
                world.await_service()
            yield world
        except AssertionError as error:
            log = "" if bridge.tail in str(error) else bridge.tail
            raise AssertionError(f"{error}\n{world.diagnosis()}\n{log}") from None
        finally:
            world.stop_boards()


def bridge_settings(folder: Path, url: str, vendor: Vendor = SEGMENT) -> dict[str, dict[str, Any]]:
    return {**vendor.settings(folder, url), "events": {"display_window_s": 1}}


class Chaos:
    """Kills at moments that a seed chooses: after so many new chunks, or so soon after a start."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.kills = 0
        print(f"chaos: seed {seed}")  # pytest shows it when the test fails

    def strike(
        self, board: SimulatedBoard, times: int, victims: Sequence[str] = ("bridge", "broker", "both")
    ) -> None:
        """Kill and start again, `times` times, all while the board is at work. "nats" is the broker inside."""
        for _ in range(times):
            self._await_moment(board)
            assert board.running, f"{board.device_id} ended after {self.kills} kills, too soon for {times}"
            victim = self.dice.choice(list(victims))
            print(f"chaos: {victim} dies at {self.world.bridge.count('chunks')} chunks")
            if victim == "nats":
                self._kill_nats()
            if victim in ("broker", "both"):
                assert self.world.broker is not None
                self.world.broker.kill()
            if victim in ("bridge", "both"):
                self.world.bridge.kill()
            self.kills += 1
            if victim in ("broker", "both"):
                assert self.world.broker is not None
                self.world.broker.start()
            if victim in ("bridge", "both"):
                self.world.bridge.start()
                self._strike_at_start()

    def _kill_nats(self) -> None:
        servers = [one for one in descendants(self.world.bridge.pid) if "nats-server" in one.command]
        assert len(servers) == 1, f"one nats-server was expected below the bridge: {servers}"
        servers[0].kill()

    def _strike_at_start(self) -> None:
        """Now and then kill the bridge once more before it is up."""
        if self.dice.random() < 0.25:
            time.sleep(self.dice.uniform(0, 1.0))
            self.world.bridge.kill()
            self.kills += 1
            self.world.bridge.start()

    def _await_moment(self, board: SimulatedBoard) -> None:
        bridge = self.world.bridge
        goal = bridge.count("chunks") + self.dice.randint(3, 20)
        bridge.wait_until(
            lambda: bridge.count("chunks") >= goal or not board.running,
            f"{goal} chunks were stored",
            _MOMENT_S,
        )
        time.sleep(self.dice.uniform(0, 0.03))  # anywhere between two commits


def recorded(sequence: corpus.Sequence, count: int | None = None) -> list[bytes]:
    """The pictures of a sequence, or its first `count`."""
    return list(sequence.frames)[:count]


def last_json(output: str) -> dict[str, Any]:
    """The last line of a board's output that is a JSON object: its counters."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                return dict(json.loads(line))
    raise AssertionError(f"the board printed no counters: {_tail(output)}")


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(printed nothing)"
