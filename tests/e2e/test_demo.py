"""`pixeltrail demo`: both devices are seen, nothing is dropped, and no process stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bridge_process import Process, descendants, wait_until
from tests.support.requirements import require

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")
DEVICES = ("demo-thermostat", "demo-oled")


class Demo:
    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "demo.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIXELTRAIL_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [require("pixeltrail"), "demo", "--data", folder / "data", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, "COLUMNS": "200"},
                start_new_session=True,
            )
        self.started: set[Process] = set()

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def greet(self) -> str:
        """Wait for the address of the page."""
        wait_until(lambda: ADDRESS.search(self.output) or self.process.poll() is not None, "it greeted", 60)
        found = ADDRESS.search(self.output)
        assert found, self.output
        return found[0]

    def watch(self, count: int) -> None:
        """Wait until it has started at least `count` processes, and remember them."""

        def enough() -> bool:
            self.started |= set(descendants(self.process.pid))
            return sum(one.alive for one in self.started) >= count

        wait_until(enough, f"{count} processes run below the demo")

    def end(self, timeout_s: float = 60) -> int:
        self.started |= set(descendants(self.process.pid))
        return self.process.wait(timeout_s)

    def left(self) -> list[str]:
        return [f"{one.pid} {one.command}" for one in self.started if one.alive]


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    one = Demo(folder, *arguments)
    try:
        yield one
    finally:
        one.started |= set(descendants(one.process.pid))
        one.process.kill()
        one.process.wait()
        for process in one.started:
            process.kill()


def summary(output: str) -> dict[str, dict[str, int]]:
    """The table at the end, by device and column."""
    lines = output.splitlines()
    head = next(line for line in lines if line.strip().startswith("Device "))
    names = re.split(r"\s{2,}", head.strip())
    rows = {}
    for line in lines[lines.index(head) + 1 :]:
        cells = re.split(r"\s{2,}", line.strip())
        if cells[0] in DEVICES:
            rows[cells[0]] = dict(
                zip(names[1:], (int(cell.replace(",", "")) for cell in cells[1:]), strict=True)
            )
    return rows


@pytest.mark.timeout(120)
def test_it_ends_by_itself_and_sums_up(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "9") as running:
        address = running.greet()
        running.watch(3)
        with urllib.request.urlopen(address, timeout=10) as page:
            assert page.status == 200 and b"<html" in page.read().lower()
        assert running.end() == 0, running.output
        rows = summary(running.output)
        assert rows.keys() == set(DEVICES), running.output
        for device, counts in rows.items():
            assert counts["Frames"] > 0, f"{device}: {running.output}"
            assert counts["Events delivered"] > 0, f"{device}: {running.output}"
            for drops in ("Waiting", "Refused", "Gaps", "Dead letters"):
                assert counts[drops] == 0, f"{device}, {drops}: {running.output}"
        assert not running.left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.timeout(120)
def test_a_signal_ends_it_and_all_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as running:
        running.greet()
        running.watch(3)  # two boards and the broker
        os.killpg(running.process.pid, number)  # as a terminal does: to all of its group
        assert running.end() == 0, running.output
        wait_until(lambda: not running.left(), f"nothing is left: {running.left()}")


@pytest.mark.timeout(120)
def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.greet()
        running.watch(3)
        running.process.kill()
        running.end()
        wait_until(lambda: not running.left(), f"nothing is left: {running.left()}")
