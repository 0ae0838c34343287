"""The fleet of a cluster's test, in a process: many devices that play recordings, and how far they are confirmed.

    python -m tests.cluster.devices PORT COUNT IDLE SEED ACCOUNT

Writes lines of JSON: `{"at": s, "made": chunks}` for each look, and `{"settled": s, "took_s": s}` once all that had
been made by a look is confirmed, for every device. Times are of the monotonic clock, which processes of one machine
share. SIGTERM: make no more, deliver what is held, write the account and end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixeltrail_bridge.fleet import recorded_scripts
from pixeltrail_bridge.fleet.line import Broker
from pixeltrail_bridge.fleet.run import Fleet, FleetSettings, Tally
from pixeltrail_bridge.fleet.scripts import Script, load_script

LOOK_S = 0.5
_USE_MS, _SPEED = 12_000, 0.3  # of a recording: short and slow, so that many devices get a turn
_DRAIN_S = 300.0
_AT_ONCE, _APART_S = 50, 2.0  # devices: all of them at once would be a power cut's end, and another test


@dataclass
class Progress:
    """Looks at the fleets, and when each look was settled."""

    fleets: list[Fleet]
    open: deque[tuple[float, dict[str, int]]] = field(default_factory=deque)

    def look(self) -> None:
        now_s = time.monotonic()
        ledgers = [one for fleet in self.fleets for one in fleet.ledgers()]
        acked = {one["stream"]: one["acked"] for one in ledgers}
        while self.open and all(acked[stream] >= made for stream, made in self.open[0][1].items()):
            at_s, _ = self.open.popleft()
            print(json.dumps({"settled": at_s, "took_s": round(now_s - at_s, 3)}), flush=True)
        made = {one["stream"]: one["made"] for one in ledgers if one["made"] > one["acked"]}
        self.open.append((now_s, made))
        counts = {"made": sum(one["made"] for one in ledgers), "acked": sum(acked.values())}
        counts["devices"] = len(ledgers)
        print(json.dumps({"at": now_s, **counts}), flush=True)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()


def scripts() -> list[Script]:
    whole = [load_script(path) for path in recorded_scripts()]
    return [replace(one, scenes=tuple(s for s in one.scenes if s.at_ms < _USE_MS)) for one in whole]


async def play(port: int, count: int, idle: float, seed: int, account: Path) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    progress, runs = Progress([]), list[asyncio.Task[Tally]]()
    looking = asyncio.create_task(progress.keep_looking())
    for first in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - first)
        settings = FleetSettings(
            *(Broker("127.0.0.1", port), scripts(), size, f"fleet{first // _AT_ONCE}", _SPEED, idle, seed),
            drain_s=_DRAIN_S,
        )
        progress.fleets.append(Fleet(settings))
        runs.append(asyncio.create_task(progress.fleets[-1].run(None, ended)))
        await asyncio.sleep(_APART_S)
    tallies = await asyncio.gather(*runs)
    looking.cancel()
    counts = sum((one.counts for one in tallies), Counter())
    tally = {"devices": count, "counts": counts}
    tally |= {name: sum(getattr(one, name) for one in tallies) for name in ("made", "acked", "undrained")}
    streams = [one for fleet in progress.fleets for one in fleet.ledgers()]
    account.write_text(json.dumps({"tally": tally, "streams": streams}))


if __name__ == "__main__":
    port, count, idle, seed, path = sys.argv[1:]
    asyncio.run(play(int(port), int(count), float(idle), int(seed), Path(path)))
