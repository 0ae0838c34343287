"""Links that are less plain than the others: TLS, and the line of the REPL with prints in between."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pixeltrail_bridge.simulate import PtyPair
from pixeltrail_bridge.wire.framing import Deframer

from tests.support import corpus, harness, micropython, services

from .rig import PLAYER, World, recorded, rig

NAME = "mono_invaders"
SIM = micropython.ROOT / "boards" / "sim"


def judge(world: World, device_id: str, ticks: int) -> None:
    with world.bridge.store() as store:
        harness.judge_custody(store, device_id)
        harness.judge_every_frame(harness.replay_of(store, device_id), recorded(corpus.load(NAME)))
        harness.judge_events(store, device_id, ticks, world.server)


@contextlib.contextmanager
def tls_broker(folder: Path) -> Iterator[tuple[int, Path]]:
    """Mosquitto with a certificate for localhost; its port, and the file of the authority."""
    ca = trustme.CA()
    cert = ca.issue_cert("localhost")
    files = {name: folder / name for name in ("ca.pem", "cert.pem", "key.pem")}
    ca.cert_pem.write_to_path(files["ca.pem"])
    cert.private_key_and_cert_chain_pem.write_to_path(files["key.pem"])
    cert.cert_chain_pems[0].write_to_path(files["cert.pem"])
    port = services.free_port()
    listener = (
        f"listener {port} {services.LOOPBACK}\ncertfile {files['cert.pem']}\nkeyfile {files['key.pem']}\n"
    )
    with services.mosquitto("user root\n" + listener):
        services.wait_for_port(port)
        yield port, files["ca.pem"]


@pytest.mark.timeout(200)
def test_a_session_over_tls_comes_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_broker(tmp_path) as (port, ca):
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))  # whom the bridge trusts
        settings = {"mqtt": {"url": f"mqtts://localhost:{port}"}}
        with rig(tmp_path, settings) as world:
            url = f"mqtts://{services.LOOPBACK}:{port}"
            board = world.play("tls-board", NAME, url, ca=ca, server_name="localhost")
            counters = world.finish(board)
            assert counters["line_errors"] == counters["errors"] == 0
            judge(world, "tls-board", counters["ticks"])


@contextlib.contextmanager
def board_on_a_terminal(device_id: str, path: str, printed: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The board of player/ with a terminal for its input and output, as one with a REPL on USB."""
    play = corpus.DEFAULT_FOLDER / f"{NAME}.json"
    words = ["serial://repl", "--device-id", device_id, "--play", play, "--aloud", "yes", "--out", printed]
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    board = subprocess.Popen(
        ["setsid", "--ctty", *micropython.command(PLAYER / "main.py", *words, heap="4m")],
        stdin=fd,
        stdout=fd,
        stderr=fd,
        env=micropython.environment((micropython.FIRMWARE, SIM)),
    )
    os.close(fd)
    try:
        yield board
    finally:
        board.kill()
        board.wait()


@pytest.mark.timeout(200)
def test_a_session_over_the_repl_comes_back_whole_and_its_prints_reach_the_log(tmp_path: Path) -> None:
    heard = Deframer()

    def hear(data: bytes) -> bytes:
        heard.feed(data)
        return data

    with PtyPair(to_host=hear) as line:
        settings = {"serial": {"ports": [line.host_path]}, "mqtt": {"enabled": False}}
        printed = tmp_path / "counters"
        with (
            rig(tmp_path, settings) as world,
            board_on_a_terminal("repl-board", line.device_path, printed) as board,
        ):
            world.bridge.wait_until(lambda: board.poll() is not None, "the board ended", 120)
            assert board.returncode == 0, world.bridge.tail
            world.settle()
            counters = json.loads(printed.read_text())
            judge(world, "repl-board", counters["ticks"])
            said = [number for number in range(counters["ticks"]) if f"tick {number} of" in world.bridge.log]
            assert said == list(range(counters["ticks"])), "every print is a line of the log"
            assert heard.damaged == 0, "no print got into a frame"
