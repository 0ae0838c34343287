"""Everything at once, and everything is killed: devices, broker, bridge and the server that events go to.

    python -m tests.e2e.hammer --kills 500 [--seconds S] [--seed K] [--stores sqlite postgres] [--report FILE]

While devices publish (tests/support/fleet.py), each of the four is ended by SIGKILL at moments that a seed chooses and
started again, and so is PostgreSQL where that keeps the store; meanwhile the server also answers 429, 500, late, half,
not at all, or nonsense. In the end everything accepted must be stored and delivered, each call under one ID, nothing
may wait for ever, and each dead letter and gap must be one that the journals explain. verdict.py judges.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixeltrail_bridge.config import DATABASE_NAME
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.opening import open_store

from tests.support import fleet, services
from tests.support.bridge_process import COMMAND, BridgeProcess, bridge_process, wait_until
from tests.support.services import LOOPBACK, Postgres, Service
from tests.support.stores import PostgresPlace
from tests.support.vendors import SEGMENT, VENDORS, Vendor

from .rig import bridge_settings
from .verdict import Verdict, judge, report

STORES = ("sqlite", "postgres")
ROLES = ("bridge", "bridge", "broker", "server", "publisher", "bridge and broker", "bridge and server")
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 429, "retry_after": "1"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "retry_after": "1"},
    {"kind": "slow", "delay_s": 0.3},
    {"kind": "half"},
    {"kind": "close"},
    {"kind": "wrong_json"},
)
_PROGRESS_S = 200.0  # for faults: nothing is measured by it. A sink may wait for a minute after each failure
_END_S = 200.0
_TAIL = 10_000  # characters of a log


class Publisher(Service):
    """A process of the fleet; each start is the next boot of its devices."""

    def __init__(self, folder: Path, port: int, rate: float, names: Sequence[str]) -> None:
        journal = folder / f"{names[0]}.journal"
        self._words = [sys.executable, "-X", "faulthandler", fleet.__file__, str(port), str(journal)]
        self._rate, self._names, self._boot = rate, names, 0
        super().__init__(self._words, [], folder)

    def start(self) -> None:
        self._boot += 1
        self._command = [*self._words, str(self._boot), str(self._rate), *self._names]
        super().start()

    def end(self) -> None:
        """Ask it to deliver what it holds, and to end then."""
        assert self._process is not None
        wait_until(lambda: f"boot {self._boot}\n" in self.log, "the publisher listens")
        self._process.terminate()

    @property
    def status(self) -> int | None:
        """With which it ended; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def abort(self) -> None:
        """End it in a way that makes its log tell where each of its threads stands."""
        assert self._process is not None
        self._process.send_signal(signal.SIGABRT)
        self._process.wait(_END_S)


@dataclass
class Hammer:
    """The four kinds of processes, and what was done to them. `recovery_s`: from the kill to the next progress."""

    folder: Path
    broker: Service
    server: Service
    bridge: BridgeProcess
    publishers: list[Publisher]
    dice: random.Random
    journal: fleet.Journal
    events: Path
    kills: dict[str, int] = field(default_factory=dict)
    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    faults: int = 0
    store_url: str = ""
    vendor: Vendor = SEGMENT
    database: Postgres | None = None

    def strike(self) -> None:
        """One kill (of one process, or of two at once) and the restart of what died."""
        if self.dice.random() < 0.8:
            self.await_progress(self.dice.randint(3, 60))
        time.sleep(self.dice.uniform(0, 0.2))  # anywhere between two commits, or within a start
        if self.dice.random() < 0.6:
            self.break_server(*(self.dice.choice(_FAULTS) for _ in range(self.dice.randint(1, 3))))
        role = self.dice.choice(ROLES if self.database is None else (*ROLES, "database"))
        publisher = self.dice.choice(self.publishers)
        began_s = time.monotonic()
        for victim in role.split(" and "):
            self._process(victim, publisher).kill()
            self.kills[victim] = self.kills.get(victim, 0) + 1
        if self.dice.random() < 0.3:
            time.sleep(self.dice.uniform(0, 0.5))  # some stay away for a while
        for victim in reversed(role.split(" and ")):
            if victim == "database":
                self._process(victim, publisher).restart()  # which waits until its memory is free
            else:
                self._process(victim, publisher).start()
        if self.dice.random() < 0.8:
            self._await_recovery(role, publisher, began_s)

    def _process(self, victim: str, publisher: Publisher) -> Any:
        return {
            "database": self.database,
            "bridge": self.bridge,
            "broker": self.broker,
            "server": self.server,
            "publisher": publisher,
        }[victim]

    def break_server(self, *faults: dict[str, Any]) -> None:
        """The next requests meet `faults`; a server that is dead or busy is left alone."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.server.port}/faults", json.dumps(faults).encode()
        )
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(request, timeout=2):
            self.faults += len(faults)

    def await_progress(self, chunks: int) -> None:
        goal = self.journal.read().accepted + chunks
        self.bridge.wait_until(
            lambda: self.journal.read().accepted >= goal, f"{chunks} chunks more were accepted", _PROGRESS_S
        )

    def _await_recovery(self, role: str, publisher: Publisher, began_s: float) -> None:
        """Of a server: the next event comes. Else: the next chunk is accepted, for a publisher one of its own."""
        if role == "server":
            before = self.events.stat().st_size if self.events.exists() else 0
            done = lambda: self.events.exists() and self.events.stat().st_size > before  # noqa: E731
        elif role == "publisher":
            begun = len(self.journal.read().acked)
            done = lambda: len(self.journal.read().acked) > begun  # noqa: E731
        else:
            accepted = self.journal.read().accepted
            done = lambda: self.journal.read().accepted > accepted  # noqa: E731
        self.bridge.wait_until(done, f"something came after the kill of {role}", _PROGRESS_S)
        self.recovery_s.setdefault(role, []).append(time.monotonic() - began_s)

    def finish(self) -> None:
        """Until the devices have delivered all they hold, and the bridge all it has."""
        for publisher in self.publishers:
            publisher.end()
        try:
            for publisher in self.publishers:
                self.bridge.wait_until(
                    lambda one=publisher: one.status is not None, "a publisher ended", _END_S
                )
                assert publisher.status == 0, f"a publisher ended with {publisher.status}"
            self.bridge.wait_until(lambda: not self._waiting(), "all was sent", _END_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._autopsy()}") from None

    def _autopsy(self) -> str:
        """What a person wants to see when a run does not come to its end; it ends all that still runs."""
        for one in (*self.publishers, self.bridge):
            if one.running:
                one.abort()
        acked = self.journal.read().acked
        made = Counter((device, stream) for device, stream, _ in self.journal.made)
        places = [
            f"{device} {stream.hex()}: {acked.get((device, stream), 0)} of {count} acked"
            for (device, stream), count in made.items()
        ]
        logs = {"bridge": self.bridge.log, "broker": self.broker.log}
        logs |= {f"publisher {number}": one.log for number, one in enumerate(self.publishers)}
        told = [f"--- end of the log of the {name}:\n{log[-_TAIL:]}" for name, log in logs.items()]
        return "\n".join([*places, *told])

    def verdict(self) -> Verdict:
        """After finish(). Stops the bridge."""
        self.bridge.stop()
        with self.opened() as store:
            return judge(store, self.journal.read(), self.events)

    def has_retry(self) -> bool:
        return bool(self.bridge.count("deliveries", "attempts > 0 AND state = 'waiting'"))

    def _waiting(self) -> int:
        with self.opened() as store:
            return store.pending(self.vendor.name)

    def opened(self) -> contextlib.AbstractContextManager[SqlStore]:
        path = self.bridge.data / DATABASE_NAME
        return contextlib.closing(open_store(path, self.store_url))


@contextlib.contextmanager
def hammer(
    folder: Path,
    *,
    seed: int = 1,
    rate: float = 20.0,
    devices: int = 6,
    entry: Sequence[str] = COMMAND,
    database: Postgres | None = None,
    vendor: Vendor = SEGMENT,
) -> Iterator[Hammer]:
    """Everything started, devices at work. `database`: PostgreSQL in place of a file, and killed like the rest."""
    store_url = PostgresPlace(database.url).url if database is not None else ""
    print(f"hammer: seed {seed}, {vendor}", file=sys.stderr)
    with ExitStack() as stack:
        broker = stack.enter_context(services.mosquitto())
        events = folder / "events.jsonl"
        command = [sys.executable, *vendor.command(events)]
        (folder / "server").mkdir()
        port = services.free_port()
        server = Service([*command, "--port", str(port)], [port], folder / "server")
        stack.callback(server.kill)
        server.start()
        merged = bridge_settings(folder, f"http://{LOOPBACK}:{port}", vendor)
        merged |= {"mqtt": {"url": f"mqtt://{LOOPBACK}:{broker.port}"}, "store": {"url": store_url}}
        bridge = stack.enter_context(bridge_process(folder / "bridge", merged, entry))
        publishers = []
        for number, names in enumerate(_shares(devices)):
            place = folder / f"publisher-{number}"
            place.mkdir()
            publishers.append(Publisher(place, broker.port, rate, names))
            stack.callback(publishers[-1].kill)
            publishers[-1].start()
        journal = fleet.Journal(folder)
        dice = random.Random(seed)
        yield Hammer(
            *(folder, broker, server, bridge, publishers, dice, journal, events),
            store_url=store_url,
            database=database,
            vendor=vendor,
        )


def _shares(devices: int) -> list[list[str]]:
    names = [f"hammer-{number}" for number in range(devices)]
    return [names[: devices // 2], names[devices // 2 :]]


def run(folder: Path, kills: int, *, seconds: float | None = None, **options: Any) -> Verdict:
    """Kill `kills` times, or for at most `seconds`; then let everything end, and judge."""
    began_s = time.monotonic()
    with hammer(folder, **options) as world:
        world.await_progress(1)
        while sum(world.kills.values()) < kills and (seconds is None or time.monotonic() - began_s < seconds):
            world.strike()
            if kills > 50 and sum(world.kills.values()) % 50 == 0:
                print(f"hammer: {world.kills}, {world.journal.accepted} chunks accepted", file=sys.stderr)
        worked_s = time.monotonic() - began_s
        world.finish()
        verdict = world.verdict()
        verdict.figures |= {
            "kills": world.kills,
            "seconds": round(worked_s),
            "faults_of_the_server": world.faults,
            "recovery_s": world.recovery_s,
            "seed": options.get("seed", 1),
        }
        if not verdict.is_good:
            kept = Path(tempfile.mkdtemp(prefix="pixeltrail-hammered-"))
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            print(f"{verdict}\nwhat there was is kept in {kept}", file=sys.stderr)
        return verdict


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a run but the number of kills; `./dev bench ingest` has them too."""
    parser.add_argument("--seconds", type=float, help="end earlier, after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--stores",
        nargs="+",
        choices=STORES,
        default=STORES,
        help="where the bridge keeps everything; a run for each",
    )
    parser.add_argument(
        "--vendor",
        choices=[str(vendor) for vendor in VENDORS],
        default=str(SEGMENT),
        help="who gets the events",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the result as a page of Markdown")


def run_options(options: argparse.Namespace) -> dict[str, Verdict]:
    """A run, and its verdict, for each store."""
    verdicts = {}
    vendor = next(one for one in VENDORS if str(one) == options.vendor)
    more = {"seconds": options.seconds, "seed": options.seed, "vendor": vendor}
    for store in options.stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-hammer-")))
            database = stack.enter_context(services.postgres()) if store == "postgres" else None
            verdicts[store] = run(folder, options.kills, database=database, **more)
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(report(verdicts))
    return verdicts


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.hammer", allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=20)
    add_options(parser)
    verdicts = run_options(parser.parse_args(argv))
    print(report(verdicts))
    for store, verdict in verdicts.items():
        if not verdict.is_good:
            print(f"{store}: {verdict}", file=sys.stderr)
    return 0 if all(verdict.is_good for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
