"""What goes wrong, at random from a seed: processes are killed or stand still, links are cut or stalled, the server
ends a connection on which a node writes; and how long it took to be well.

A kill is SIGKILL, and the process is started again at once or some seconds later. A link is mended after some seconds.
A worker that stands still (SIGSTOP) goes on in the middle of what it did, often after others got what it had taken.
Most faults are waited for until everything that devices made meanwhile is confirmed; others overlap with the next one.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.support.bridge_process import BridgeProcess

from .rig import Cluster

_AWAY_S, _LINK_S = 4.0, 8.0  # at most, for a process and for a link
_STILL_S = 30.0  # at most, for a worker: three times what a message waits for until another one gets it
_OVERLAP = 0.25  # of all faults
_PAUSE_S = 2.0  # at most, between two faults
_KILLS = ("worker", "worker", "NATS", "NATS", "PostgreSQL", "viewer")
_STOPS = (
    "link cut",
    "link cut",
    "link stalled",
    "worker stopped",
    "worker stopped",
    "worker cut off",
    "connection",
    "connection",
)
KINDS = (*_KILLS, *_STOPS)
_WRITING = """
SELECT pid FROM pg_stat_activity WHERE pid IN (
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
) ORDER BY pid
"""


@dataclass
class Fault:
    """Times are of the monotonic clock. `well_s`: when all that had been made by its end was confirmed."""

    kind: str
    what: str
    began_s: float
    ended_s: float = 0.0
    well_s: float = 0.0

    @property
    def lasted_s(self) -> float:
        return self.ended_s - self.began_s

    @property
    def recovery_s(self) -> float:
        return self.well_s - self.began_s


@dataclass
class Killer:
    world: Cluster
    dice: random.Random
    faults: list[Fault] = field(default_factory=list)

    def strike(self, kind: str | None = None) -> Fault:
        kind = kind or self.dice.choice(KINDS)
        mend, what = {
            "worker": self._kill_worker,
            "viewer": self._kill_viewer,
            "NATS": self._kill_nats,
            "PostgreSQL": self._kill_database,
            "link cut": self._cut,
            "link stalled": self._stall,
            "worker stopped": self._stop_worker,
            "worker cut off": self._cut_off_worker,
            "connection": self._end_connection,
        }[kind]()
        fault = Fault(kind, what, time.monotonic())
        print(f"cluster: {kind}: {what}", file=sys.stderr, flush=True)
        self.faults.append(fault)
        time.sleep(self.dice.uniform(0, self._longest_s(kind)))
        mend()
        fault.ended_s = time.monotonic()
        if self.dice.random() >= _OVERLAP:
            self.world.fleet.await_settled(fault.ended_s)
        time.sleep(self.dice.uniform(0, _PAUSE_S))
        return fault

    def _longest_s(self, kind: str) -> float:
        if kind in ("worker stopped", "worker cut off"):
            return _STILL_S
        return _LINK_S if kind.startswith("link") else self.dice.choice((0.0, _AWAY_S))

    def run(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.strike()

    def conclude(self) -> None:
        """Wait until all is well again, and look up when it was after each fault."""
        self.world.fleet.await_settled()
        for fault in self.faults:
            fault.well_s = self.world.fleet.settled_since(fault.ended_s) or time.monotonic()

    def counts(self) -> dict[str, int]:
        return dict(sorted(Counter(one.kind for one in self.faults).items()))

    # ---- what may happen -------------------------------------------------------------

    def _kill_worker(self) -> tuple[Callable[[], Any], str]:
        return self._kill(self.dice.choice(self.world.workers))

    def _kill_viewer(self) -> tuple[Callable[[], Any], str]:
        return self._kill(self.dice.choice(self.world.viewers))

    def _kill(self, victim: BridgeProcess) -> tuple[Callable[[], Any], str]:
        victim.kill()
        return victim.start, victim.folder.name

    def _kill_nats(self) -> tuple[Callable[[], Any], str]:
        victim = self.dice.choice(self.world.nodes.servers)
        victim.kill()
        return victim.start, victim.name

    def _kill_database(self) -> tuple[Callable[[], Any], str]:
        self.world.database.kill()
        return self.world.database.restart, "PostgreSQL"

    def _cut(self) -> tuple[Callable[[], Any], str]:
        cable = self.dice.choice(self.world.cables)
        cable.cut()
        return cable.mend, cable.name

    def _stall(self) -> tuple[Callable[[], Any], str]:
        cable = self.dice.choice(self.world.cables)
        cable.stall()
        return cable.mend, cable.name

    def _stop_worker(self) -> tuple[Callable[[], Any], str]:
        victim = self.dice.choice(self.world.workers)
        os.kill(victim.pid, signal.SIGSTOP)
        return lambda: os.kill(victim.pid, signal.SIGCONT), victim.folder.name

    def _cut_off_worker(self) -> tuple[Callable[[], Any], str]:
        """From every NATS server, with the database in reach."""
        name = self.dice.choice(self.world.workers).folder.name
        cables = [one for one in self.world.cables if one.name.startswith(f"{name} and nats-")]
        for cable in cables:
            cable.cut()

        def mend() -> None:
            for cable in cables:
                cable.mend()

        return mend, name

    def _end_connection(self) -> tuple[Callable[[], Any], str]:
        """The server ends a connection on which a node writes, whatever is under way there."""
        with psycopg.connect(self.world.database.url, autocommit=True) as db:
            found = db.execute(_WRITING).fetchall()
            if found:  # none where all have just lost theirs
                db.execute("SELECT pg_terminate_backend(%s)", self.dice.choice(found))
        return lambda: None, f"one of {len(found)} on which nodes write"
