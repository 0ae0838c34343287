"""Durable ingest against a client that only counts: same publisher, same Mosquitto, same run.

The product's path is whole: MQTT source, decoder, mapping, SQLite with synchronous=FULL, one outbox row for each
call, commit. Chunks are published as fast as the broker takes them, and it queues without limit, so the rate is
the receiver's own. Receivers take turns, and the median of the ratios of neighbours counts. The same figures for
PostgreSQL, on this machine too, are named ingest.postgres.*.

`--profile` says where the processor is between the queue and the commit. `--kills N` measures nothing but crashes:
see tests/e2e/hammer.py. `--noisy` measures instead what one noisy device costs forty-nine others: see noisy.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import noisy
from tests.e2e import hammer
from tests.e2e.verdict import Verdict
from tests.support.services import Postgres, free_port, mosquitto, postgres
from tests.support.stores import PostgresPlace

ROOT = Path(__file__).resolve().parents[2]
_COUNTER = "paho at QoS 0, counting only"
_ROLES = (sys.executable, "-m", "tests.bench.ingest_roles")
_UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0"
_SLOW_MS = 20
_END_S = 120

# Sleeps before each sync of a file; everything else of the disk stays as fast as it is.
_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
#define SLOW(name) int name(int fd) { static int (*real)(int); \\
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); usleep(%d * 1000); return real(fd); }
SLOW(fsync)
SLOW(fdatasync)
"""


class Run:
    """One broker and what is measured on it. `database`: PostgreSQL in place of a file."""

    def __init__(self, folder: Path, port: int, database: Postgres | None = None) -> None:
        self._folder, self._port, self._database = folder, port, database

    def _store(self, folder: str) -> list[str]:
        """Words that tell a role where to keep what it gets: nothing of an earlier run is there."""
        return [folder, *([PostgresPlace(self._database.url).url] if self._database else [])]

    def receive(
        self, role: str, kind: str, count: int, rate: float = 0, preload: Path | None = None
    ) -> dict[str, Any]:
        environment = {**os.environ, **({"LD_PRELOAD": str(preload)} if preload else {})}
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            extra = self._store(folder) if role == "ingest" else []
            receiver = self._role([role, str(self._port), str(count), *extra], environment, subprocess.PIPE)
            assert receiver.stdout is not None
            with receiver:
                ready = receiver.stdout.readline()
                assert ready.strip() == "ready", f"{role} did not start: {ready!r}"
                words = ["publish", str(self._port), kind, str(count), str(rate)]
                with self._role(words, dict(os.environ)) as publisher:
                    answer = receiver.stdout.readline()
                    publisher.wait(_END_S)
        result: dict[str, Any] = json.loads(answer)
        assert result["got"] == count, f"{role} got {result['got']} of {count} {kind} messages"
        return result

    def _parts(self, kind: str, count: int) -> dict[str, int]:
        """CPU from the queue to the commit, in us a chunk. What is left of `all` is MQTT and the change of threads."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            parts: dict[str, int] = _answer("parts", kind, str(count), *self._store(folder))
        return parts

    def _role(
        self, words: list[str], environment: dict[str, str], out: int | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen([*_ROLES, *words], cwd=ROOT, env=environment, stdout=out, text=True)

    def ratio(self, kind: str, count: int, repeats: int, other: str = "") -> tuple[float, dict[str, Any]]:
        """Messages/s of the product ÷ those of the counter, with `other` messages if named."""
        ratios, ours, theirs = [], [], []
        for _ in range(repeats):
            counter = self.receive("count", other or kind, count)
            ingest = self.receive("ingest", kind, count)
            theirs.append(counter["per_s"])
            ours.append(ingest["per_s"])
            ratios.append(ours[-1] / theirs[-1])
        detail = {
            "ingest_per_s": round(median(ours)),
            "counted_per_s": round(median(theirs)),
            "repeats": repeats,
            "cpu_us": {
                **self._parts(kind, count),
                "all": round(ingest["cpu_us"]),
                "counted": round(counter["cpu_us"]),
            },
        }
        return median(ratios), {"ratio": round(median(ratios), 3), **detail}

    def send(self, count: int) -> dict[str, Any]:
        """How fast an outbox that has filled empties at a server that answers at once; and a bare client's rate."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, ExitStack() as stack:
            port = str(free_port())
            sink = subprocess.Popen([*_ROLES, "sink", port], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            stack.callback(sink.wait)
            stack.callback(sink.kill)
            assert sink.stdout is not None and sink.stdout.readline().strip() == "ready"
            result: dict[str, Any] = _answer("send", port, str(count), *self._store(folder))
            return result | {"bare_per_s": _answer("bare", port, str(count))["per_s"]}


def _answer(*words: str) -> Any:
    """What a role says as JSON."""
    answer = subprocess.run([*_ROLES, *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return json.loads(answer.splitlines()[-1])


def _figure(name: str, value: float, unit: str, against: str | None, detail: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "against": against, "detail": detail}


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, CPython {platform.python_version()}"


def _slow_shim(folder: Path) -> Path | None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    source, shim = folder / "slow.c", folder / "slow.so"
    source.write_text(_SHIM % _SLOW_MS)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


def _slow_fsync(run: Run, slow_run: Run, preload: Path | None, count: int, repeats: int) -> dict[str, Any]:
    """What makes fsync slow is `preload` of the bridge, or `slow_run` with a slow PostgreSQL."""
    shares, commits = [], {}
    for _ in range(repeats):
        usual = run.receive("ingest", "track500", count)
        slow = slow_run.receive("ingest", "track500", count, preload=preload)
        shares.append(slow["per_s"] / usual["per_s"])
        commits = {"commits": usual["commits"], "commits_slow": slow["commits"]}
    detail = {"how": f"LD_PRELOAD: fsync and fdatasync {_SLOW_MS} ms later", "messages": count, **commits}
    return _figure("slow_fsync_share", median(shares), "ratio", "the same without", detail)


def _sender(run: Run, count: int) -> list[dict[str, Any]]:
    result = run.send(count)
    detail = {"events": result["got"], "cpu_us": round(result["cpu_s"] / result["got"] * 1e6), "gzip": True}
    detail |= {"bare_per_s": round(result["bare_per_s"]), "machine": _machine()}
    share, bare = result["per_s"] / result["bare_per_s"], "a client that has its requests ready"
    return [
        _figure("sender_per_s", round(result["per_s"]), "events/s", None, detail),
        _figure("sender_vs_bare_client", share, "ratio", bare, detail),
    ]


def _throughput(run: Run, count: int, repeats: int) -> list[dict[str, Any]]:
    small, small_detail = run.ratio("track500", count, repeats)
    large, large_detail = run.ratio("track4k", count // 2, repeats)
    _, frame_detail = run.ratio("frame500", count, 1)
    rates = {"500 B": small_detail, "4 KB": large_detail, "500 B, a frame": frame_detail}
    paced = run.receive("ingest", "track500", 4_000, 1_000)
    delay = {"p50_ms": round(paced["p50_ms"], 2), "commits": paced["commits"], "machine": _machine()}
    replay, replay_detail = run.ratio("replay500", count, repeats, "track500")
    calls, calls_detail = run.ratio("calls500", count // 2, 1, "track500")
    packed = {"8 calls a chunk": {**calls_detail, "ratio": round(calls * 8, 3)}}
    records = {"chunk": "4 frames, 4 touches", **replay_detail, **packed}
    return [
        _figure("vs_receive_only", min(small, large), "ratio", _COUNTER, {**rates, "machine": _machine()}),
        _figure("p99_ms", paced["p99_ms"], "ms", None, delay),
        _figure("records_vs_receive_only", replay * 8, "ratio", _COUNTER, records),
    ]


def _measure(store: str, count: int, repeats: int) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-bench-")))
        broker = stack.enter_context(mosquitto(_UNLIMITED))
        is_file = store == "sqlite"
        run = Run(folder, broker.port, None if is_file else stack.enter_context(postgres()))
        figures = _throughput(run, count, repeats)
        shim = _slow_shim(folder)
        if shim is None:
            print("ingest.slow_fsync_share left out: no C compiler for the shim", file=sys.stderr)
        elif is_file:
            figures.append(_slow_fsync(run, run, shim, count, repeats))
        else:
            folder.chmod(0o755)  # the server is another user
            slow = Run(folder, broker.port, stack.enter_context(postgres(preload=shim)))
            figures.append(_slow_fsync(run, slow, None, count, repeats))
        figures += _sender(run, count)
    prefix = "ingest." if is_file else f"ingest.{store}."
    return [{**figure, "name": prefix + figure["name"]} for figure in figures]


def _profile(count: int) -> list[dict[str, Any]]:
    """Shares of the CPU between the queue and the commit, for each kind of chunk, on SQLite."""
    figures = []
    for kind in ("track500", "track4k", "replay500", "calls500"):
        with tempfile.TemporaryDirectory(prefix="pixeltrail-bench-") as folder:
            found = _answer("profile", kind, str(count), folder)
        (name, share), *_ = found["functions"].items()
        print(f"{kind}: " + ", ".join(f"{part} {share:.0%}" for part, share in found["parts"].items()))
        print("".join(f"{share:8.1%}  {name}\n" for name, share in found["functions"].items()))
        figures.append(_figure(f"ingest.profile.{kind}", share, f"of it in {name}", None, found))
    return figures


def _crashes(verdicts: dict[str, Verdict]) -> list[dict[str, Any]]:
    found = []
    for store, verdict in verdicts.items():
        figures, prefix = verdict.figures, "crash." if store == "sqlite" else f"crash.{store}."
        recovery = {role: round(median(times), 2) for role, times in figures.pop("recovery_s").items()}
        detail = {**figures, "store": store, "median_recovery_s": recovery, "machine": _machine()}
        for name in ("lost", "doubled", "stuck", "unexplained"):
            which = getattr(verdict, name)
            more = detail if name == "lost" else {}
            found.append(_figure(prefix + name, len(which), "records", None, more | {"which": which[:5]}))
    return found


_STRETCH_S = 20.0  # of each stretch with --noisy, where --seconds says nothing else


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench ingest", allow_abbrev=False)
    parser.add_argument("--kills", type=int, metavar="N", help="kill processes N times instead")
    parser.add_argument("--profile", action="store_true", help="say where the processor is instead")
    parser.add_argument(
        "--noisy", action="store_true", help="what one noisy of fifty devices costs the others"
    )
    hammer.add_options(parser)
    parser.add_argument("--messages", type=int, default=10_000, help="published in each run of 500 B")
    parser.add_argument("--repeats", type=int, default=2, help="pairs of runs of each kind")
    options = parser.parse_args(argv)
    if options.kills is not None:
        return _crashes(hammer.run_options(options))
    if options.noisy:
        return noisy.measure(options.seconds or _STRETCH_S, options.repeats)
    if options.profile:
        return _profile(options.messages)
    return [one for store in options.stores for one in _measure(store, options.messages, options.repeats)]
