"""The command line: quick help, sentences instead of tracebacks, and commands over a small recorded store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import running
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.cli.options import print_table, printable
from pixeltrail_bridge.cli.tail import _line
from pixeltrail_bridge.store import overview
from pixeltrail_bridge.store.base import EventRow
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import HEIGHT, WIDTH, fake_device, wait_for
from tests.support import segment_server
from tests.support.services import Postgres, free_port, nats

DEVICE = "test-espresso"
COMMANDS = {
    "apps",
    "boards",
    "check",
    "demo",
    "devices",
    "dlq",
    "doctor",
    "export",
    "flash",
    "hil",
    "init",
    "play",
    "sessions",
    "sim",
    "size",
    "tail",
    "up",
}
HEAVY = {
    "aiohttp",
    "asyncio",
    "numba",
    "numpy",
    "paho",
    "PIL",
    "sqlite3",
    "starlette",
    "structlog",
    "uvicorn",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(config.ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The setting that names a data folder in which one session with three pictures was recorded."""
    folder = tmp_path_factory.mktemp("recorded") / "data"
    setting = f"bridge.data_dir={folder}"
    with running(config.load(overrides=[setting, "mqtt.port=0", "web.enabled=false"])) as bridge:
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            device.send_picture(key=True)
            for step in range(2):
                device.picture[step] = 0xFF
                device.send_picture()
            device.send(m.Track("Brew \x1b[31mStarted", {"cups": 2}))
            wait_for(
                lambda: overview.delivery_counts(bridge.store).get(DEVICE, {}).get("sent", 0) >= 2, "events"
            )
    yield setting


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pixeltrail_bridge.cli import run; code = run(['--help']);"
        f"print(code, sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: pixeltrail {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pixeltrail 0.")


def test_init_writes_once_and_keeps_what_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pixeltrail.toml"
    assert run(["init"]) == run(["init"]) == 0
    assert config.load(file).web == config.WebSettings()
    file.write_text("[web]\nport = 9\n")
    assert run(["init"]) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert file.read_text() == "[web]\nport = 9\n"
    assert run(["init", "--print"]) == 0
    assert capsys.readouterr().out == config.render_template()
    assert run(["init", str(tmp_path / "none" / "x.toml")]) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["up", "--set", "web.prt=1"], "web.port"),
        (["up", "--config", "none.toml"], "pixeltrail init"),
        (["up", "--set", "bridge.data_dir=/proc/none"], "bridge.data_dir"),
        (["devices"], "pixeltrail up"),
        (["play", "some-device"], "pixeltrail up"),
        (["demo", "--play", "none/such"], "none/such.json"),
        (["nonsense"], "nonsense"),
        (["up", "--nonsense"], "--nonsense"),
        (["play"], "Missing argument"),
    ],
)
def test_a_mistake_is_a_sentence_and_code_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr().err
    assert text in printed
    assert "Traceback" not in printed


def test_check_says_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    free = ["--set", "mqtt.port=0", "--set", "web.port=0"]
    assert run(["check", *free]) == 0
    printed = capsys.readouterr().out
    assert all(line.startswith("ok ") for line in printed.splitlines())


def test_check_asks_the_database(postgres_server: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    free = ["--set", "mqtt.port=0", "--set", "web.port=0"]
    assert run(["check", *free, "--set", f"store.url={postgres_server.url}"]) == 0
    printed = capsys.readouterr().out
    assert f"store: postgresql://127.0.0.1:{postgres_server.port}/postgres: PostgreSQL" in printed
    nowhere = "store.url=postgresql://me@127.0.0.1:1/none"
    assert run(["check", *free, "--set", nowhere]) == 1
    assert "FAULT  store" in capsys.readouterr().out
    assert run(["check", "--offline", *free, "--set", nowhere]) == 0
    assert "not asked" in capsys.readouterr().out


def test_check_asks_the_servers_of_a_cluster(
    postgres_server: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = f"nats://127.0.0.1:{free_port()}"
    with nats() as server:
        given = (f"cluster.nats_urls={server.url},{nobody}", f"store.url={postgres_server.url}", "web.port=0")
        assert run(["check", *(word for value in given for word in ("--set", value))]) == 1
    printed = capsys.readouterr().out
    assert f"{nobody} cannot be reached" in printed and "1 of 2 NATS servers take us" in printed
    assert "broker inside" not in printed, "devices speak to NATS"
    assert run(["check", "--offline", "--set", "bridge.role=worker", "--set", "web.port=0"]) == 1
    assert "set cluster.nats_urls" in capsys.readouterr().out


def test_check_says_what_does_not_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("secret-key")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "pixeltrail.toml").write_text(
        '[mqtt]\nurl = "mqtt://127.0.0.1:1"\n[serial]\nports = ["/dev/none", "key"]\n'
        '[segment]\nwrite_key_file = "key"\nhost = "http://127.0.0.1:1"\n'
        '[bridge]\ndata_dir = "/proc/none"\n[web]\nhost = "203.0.113.1"\n'
    )
    assert run(["check"]) == 1
    printed = capsys.readouterr().out
    for text in (
        "bridge.data_dir",
        "mqtt.url",
        "plugged in",
        "no serial port",
        "chmod 600",
        "segment.host",
        "web.port",
    ):
        assert text in printed
    assert "secret-key" not in printed
    assert run(["check", "--offline"]) == 1
    assert "not asked (--offline)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "code", "word"), [("right-key", 0, "did not refuse"), ("wrong-key", 1, "refused")]
)
def test_check_asks_segment_without_sending_an_event(
    key: str, code: int, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIXELTRAIL_SEGMENT__WRITE_KEY", key)
    with segment_server.running(write_key="right-key") as server:
        settings = ["mqtt.port=0", "web.port=0", f"segment.host={server.url}"]
        assert run(["check", *(word for setting in settings for word in ("--set", setting))]) == code
        assert server.events == []
    printed = capsys.readouterr().out
    assert word in printed and key not in printed


def test_devices_sessions_and_events(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--set", data]) == 0
    devices = capsys.readouterr().out
    assert DEVICE in devices and "coffee 1.2" in devices and f"{WIDTH}x{HEIGHT} MONO_VLSB" in devices
    assert run(["sessions", "--set", data]) == 0
    assert DEVICE in capsys.readouterr().out
    assert run(["tail", "--set", data]) == 0
    events = capsys.readouterr().out
    assert "Brew \N{REPLACEMENT CHARACTER}[31mStarted" in events and "jsonl sent" in events
    assert "\x1b" not in events
    assert run(["tail", DEVICE, "-n", "1", "--json", "--set", data]) == 0
    assert capsys.readouterr().out.startswith('{"type":')


def test_lists_for_programs(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--json", "--set", data]) == 0
    (device,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (device["device"], device["app"], device["display_width"]) == (DEVICE, "coffee", WIDTH)
    assert run(["sessions", DEVICE, "--json", "--set", data]) == 0
    (session,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (session["session_id"], session["gaps"], session["sampled"]) == (device["session_id"], 0, True)
    assert run(["sessions", "nobody", "--json", "--set", data]) == 0
    assert capsys.readouterr().out == ""


def test_play_writes_the_pictures(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np
    from PIL import Image

    folder = tmp_path / "frames"
    assert run(["play", DEVICE, "--png", str(folder), "--set", data]) == 0
    assert capsys.readouterr().out.startswith("3 frames over 0.1 s")
    files = sorted(folder.iterdir())
    last = np.array(Image.open(files[-1]).convert("RGB"))
    expected = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    expected[:8, :2] = 255
    assert len(files) == 3
    assert np.array_equal(last, expected)
    assert run(["play", DEVICE, "--png", str(folder), "--set", data]) == 2
    assert run(["play", DEVICE, "7", "--set", data]) == 2
    assert run(["play", "nobody-here", "--set", data]) == 2
    assert run(["play", DEVICE, "--set", data]) == 2, "not into a pipe"


def test_a_picture_in_the_terminal() -> None:
    import numpy as np
    from pixeltrail_bridge.cli.play import _half_blocks

    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[0, 0] = (255, 0, 0)
    text = _half_blocks(rgb, 80, 24)
    assert text.plain == ("\N{UPPER HALF BLOCK}" * 6 + "\n") * 2
    assert str(text.spans[0].style) == "#ff0000 on #000000"
    assert len(_half_blocks(np.zeros((240, 240, 3), np.uint8), 60, 30).plain.splitlines()[0]) <= 60


def test_check_asks_about_every_key_and_finds_a_mixed_zone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, key in (("key", "right-key"), ("lab", "wrong-key")):
        (tmp_path / name).write_text(key)
        (tmp_path / name).chmod(0o600)
    lab = '[[segment.keys]]\ndevices = ["lab-*"]\nwrite_key_file = "lab"\n'
    free = "[mqtt]\nport = 0\n[web]\nport = 0\n[segment]\nwrite_key_file = 'key'\n"
    with segment_server.running(write_key="right-key") as server:
        (tmp_path / "pixeltrail.toml").write_text(f"{free}host = '{server.url}'\n{lab}")
        assert run(["check"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "segment:" in line]
    assert [line.startswith("ok") for line in lines] == [False, True]
    assert "segment.keys" in lines[0] and "wrong-key" not in lines[0]
    (tmp_path / "pixeltrail.toml").write_text(f"{free}host = 'events.eu1.segmentapis.com'\n")
    assert run(["check"]) == 1
    assert 'set segment.zone = "eu"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["[/bold]", "[link=https://evil.example]x[/link]", "\x1b]52;c;eA==\x07", "a\nb", "\x9b2J"]
)
def test_a_table_takes_no_commands(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A device that called its board `[/bold]` ended `pixeltrail devices` with an error of ours."""
    print_table(("Device", "Board"), [("kitchen-01", text)])
    printed = capsys.readouterr().out
    assert printable(text) in printed and printed.count("\n") == 2


def test_a_payload_takes_no_commands() -> None:
    event = EventRow(1, "m", "kitchen-01", None, "track", "x", 0, '{"event":"\x9b2J\x7fé"}'.encode(), ())
    line = _line(event, payload=True)
    assert line == '{"event":"\\u009b2J\\u007fé"}' and json.loads(line) == {"event": "\x9b2J\x7fé"}
