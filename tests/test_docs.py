"""Every command, setting and line of code that the documentation shows is run here.

A command in a ```sh block that this module does not know fails the test, so that nothing is shown untried.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pixeltrail import Recorder
from pixeltrail.config import SETTINGS
from pixeltrail_bridge.app.rules import make_rules
from pixeltrail_bridge.config import load
from pixeltrail_bridge.export.files import open_session, write_file
from pixeltrail_bridge.export.formats import named
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support import every_kind, micropython, warehouse
from tests.support.bridge_process import wait_until
from tests.support.film import DEVICE
from tests.support.histories import House
from tests.support.requirements import ROOT
from tests.support.services import free_port, nats, postgres, wait_for_port
from tests.support.sessions import record_session
from tests.support.stores import PostgresPlace

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent
MIGRATE = "pixeltrail migrate --to store.url=postgresql://pixeltrail@localhost/pixeltrail"
MIGRATE_BACK = "pixeltrail migrate --take-back"


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S):
            yield page, found.group(1)


def commands() -> list[str]:
    lines = (line.split(" #")[0].strip() for _, block in blocks("sh") for line in block.splitlines())
    return sorted({line for line in lines if line and not line.startswith("#")})


def run(*command: str, cwd: Path, timeout_s: float = 100, code: int = 0) -> str:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def demo(folder: Path) -> None:
    """Shortened, and from the repository; --for makes it end by itself."""
    printed = run("./dev", "demo", "--for", "6", "--port", "0", cwd=ROOT)
    assert "http://127.0.0.1:" in printed


def demo_of_a_recording(folder: Path) -> None:
    printed = run(
        *("./dev", "demo", "--play", "tests/data/corpus/rgb_thermostat", "--for", "6", "--port", "0"),
        cwd=ROOT,
    )
    assert "demo-mqtt-player" in printed


def install(folder: Path) -> None:
    """Into a folder of its own, without fetching anything."""
    target = folder / "site"
    run(
        *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"),
        *("--target", str(target), str(ROOT)),
        cwd=folder,
    )
    for part in (
        "pixeltrail_bridge/_boards/sim/main.py",
        "pixeltrail_bridge/_schema/wire.cddl",
        "pixeltrail/wire.py",
    ):
        assert (target / part).is_file(), f"the wheel lacks {part}"


def initialise(folder: Path) -> None:
    run("pixeltrail", "init", cwd=folder)
    load(folder / "pixeltrail.toml")


def up(folder: Path) -> None:
    """Until the page answers, then an ordinary end."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    port = free_port()
    command = ["pixeltrail", "up", "--set", "mqtt.port=0", "--set", f"web.port={port}"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as bridge:
        try:
            wait_for_port(port)
        finally:
            bridge.send_signal(signal.SIGINT)
            assert bridge.wait(60) == 0


def up_as_worker(folder: Path) -> None:
    """Until it is ready, with servers of its own, and then an ordinary end."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    port = free_port()
    with nats() as server, postgres() as database:
        environment["PIXELTRAIL_CLUSTER__NATS_URLS"] = server.url
        environment["PIXELTRAIL_STORE__URL"] = database.url
        command = ["pixeltrail", "up", "--role", "worker", "--set", f"web.port={port}"]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as worker:
            try:
                wait_until(lambda: is_ready(port), "the worker is ready", 100)
            finally:
                worker.send_signal(signal.SIGINT)
                assert worker.wait(60) == 0


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def check(folder: Path) -> None:
    initialise(folder)
    printed = run("pixeltrail", "check", "--set", "mqtt.port=0", "--set", "web.port=0", cwd=folder)
    assert "ok" in printed


def check_samples(folder: Path) -> None:
    """What the page calls events.jsonl is there; each event is shown before and after."""
    initialise(folder)
    event = '{"type": "track", "event": "Brew", "userId": "user-7", "messageId": "m-1", "properties": {"cups": 2}}'
    (folder / "events.jsonl").write_text(event + "\n")
    ports = ("--set", "mqtt.port=0", "--set", "web.port=0")
    printed = run("pixeltrail", "check", "--sample", "events.jsonl", *ports, cwd=folder)
    assert "sample track 'Brew': Track Calls -> httpapi Brew" in printed
    assert printed.index("before: ") < printed.index("after: POST https://api2.amplitude.com/2/httpapi")
    printed = run("pixeltrail", "check", "--show", *ports, cwd=folder)
    assert "=== screen 'Home'" in printed and '"event_type": "Product Purchased"' in printed


def record(folder: Path, sink: str = "segment") -> None:
    """A data folder with one device, an event that a sink refused (e1) and a message that nobody could read (m1)."""
    from pixeltrail_bridge.mapping.calls import Settled
    from pixeltrail_bridge.store.sqlite import SqliteStore

    from tests.bridge.sinks.rows import NOW_MS, call

    data = folder / "pixeltrail-data"
    data.mkdir()
    store = SqliteStore(data / "pixeltrail.db", [sink])

    def write(tx: Any) -> None:
        tx.add_device("kitchen-01", b"{}", NOW_MS)
        tx.enqueue_calls([call(1, "kitchen-01")])
        tx.add_dead_letter("kitchen-01", "undecodable", "chunk: must have records", b"\xff", NOW_MS)

    store.commit_batch(write)
    (row,) = store.lease(sink, 1, NOW_MS, 1)
    store.settle(sink, [Settled(row.id, "dead", 400, "dry run: bytes of JSON")], NOW_MS)
    store.close()


def record_app(folder: Path) -> None:
    """A data folder with one device and one companion app."""
    from pixeltrail_bridge.mobile.intake import Intake, IntakeSettings, Received
    from pixeltrail_bridge.store.sqlite import SqliteStore

    from tests.bridge.sinks.rows import NOW_MS

    data = folder / "pixeltrail-data"
    data.mkdir()
    event = {"type": "track", "event": "Tapped", "anonymousId": "phone-1", "messageId": "m-1"}
    store = SqliteStore(data / "pixeltrail.db")

    def write(tx: Any) -> None:
        tx.add_device("kitchen-01", b"{}", NOW_MS)
        Intake(IntakeSettings()).take(tx, [Received(event, NOW_MS)])

    store.commit_batch(write)
    store.close()


def with_app(command: str, word: str) -> Callable[[Path], None]:
    """Runs a command over what an app left; `word` must be in what it prints."""

    def run_it(folder: Path) -> None:
        record_app(folder)
        assert word in run(*shlex.split(command), cwd=folder)

    return run_it


def on_recordings(command: str, word: str, code: int = 0, sink: str = "segment") -> Callable[[Path], None]:
    """Runs a command over recordings; `word` must be in what it prints."""

    def run_it(folder: Path) -> None:
        record(folder, sink)
        printed = run(*shlex.split(command), cwd=folder, code=code)
        assert word in printed

    return run_it


def on_a_house(command: str, word: str) -> Callable[[Path], None]:
    """Runs a command over what people did with two devices."""

    def run_it(folder: Path) -> None:
        data = folder / "pixeltrail-data"
        data.mkdir()
        store = SqliteStore(data / "pixeltrail.db")
        house = House(store, data)
        for device in ("kitchen-01", "hall-02"):
            house.tell(device, "user-7")
        store.close()
        assert word in run(*shlex.split(command), cwd=folder)

    return run_it


def with_keys(command: str, word: str, *before: str) -> Callable[[Path], None]:
    """Runs a command after others of the page; `word` must be in what it prints."""

    def run_it(folder: Path) -> None:
        for line in (*before, command):
            printed = run(*shlex.split(line), cwd=folder)
        assert word in printed

    return run_it


def with_users(command: str, word: str) -> Callable[[Path], None]:
    """The same with a password on standard input, and a user where another one than the command's is needed."""

    def run_it(folder: Path) -> None:
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(
            shlex.split(command),
            cwd=folder,
            env=environment,
            input="a long password\n",
            text=True,
            capture_output=True,
            check=True,
        )
        assert word in done.stdout

    return run_it


def with_store(command: str) -> Callable[[Path], None]:
    def run_it(folder: Path) -> None:
        record_app(folder)
        run(*shlex.split(command), cwd=folder)

    return run_it


@functools.cache
def moved_there_and_back() -> dict[str, str]:
    """What the commands of docs/moving.md print, in their order; the database stands in for the page's."""
    with TemporaryDirectory() as name, postgres() as server:
        folder = Path(name)
        record_app(folder)
        (folder / "pixeltrail.toml").write_text("")
        place = PostgresPlace(server.url)
        (folder / "cluster.toml").write_text(f'[store]\nurl = "{place.url}"\n')
        back = "pixeltrail migrate --config cluster.toml --to-config pixeltrail.toml"
        printed = {}
        for command in ("pixeltrail migrate --to-config cluster.toml", back, MIGRATE, MIGRATE_BACK):
            local = command.replace(
                "postgresql://pixeltrail@localhost/pixeltrail", PostgresPlace(server.url).url
            )
            printed[command] = run(*shlex.split(local), cwd=folder)
        return printed


def moves(command: str, word: str) -> Callable[[Path], None]:
    def run_it(folder: Path) -> None:
        del folder
        assert word in moved_there_and_back()[command]

    return run_it


def exports(command: str, *files: str, before: str = "") -> Callable[[Path], None]:
    """Runs a command over a session of a thermostat; it must write `files`. `before` is run first."""

    def run_it(folder: Path) -> None:
        record_session(folder / "pixeltrail-data", "rgb_thermostat", 25)
        for line in filter(None, (before, command)):
            run(*shlex.split(line), cwd=folder)
        for file in files:
            assert any(path.stat().st_size > 200 for path in folder.glob(file)), f"{command} wrote no {file}"

    return run_it


def imports(command: str, word: str) -> Callable[[Path], None]:
    """Runs an import over the files that its documentation says how to get, in a folder without recordings."""

    def run_it(folder: Path) -> None:
        original = SqliteStore(folder / "original.db", ("segment",))
        every_kind.recorded(original)
        events = [json.loads(row.payload) for row in original.events(limit=100_000)]
        session = open_session(original, DEVICE, original.sessions()[0].session_id)
        write_file(session, named("ptr"), Options(), folder / "session.ptr", None)
        original.close()
        (folder / "export").mkdir()
        warehouse.write(folder, "export/1.gz", warehouse.as_gzip(map(warehouse.s3_line, events)))
        warehouse.write(folder, "replay.csv", warehouse.as_csv(warehouse.warehouse_rows(events)))
        words = [name for one in shlex.split(command) for name in expanded(folder, one)]
        assert word in run(*words, cwd=folder)

    return run_it


def expanded(folder: Path, word: str) -> list[str]:
    """As a shell does."""
    return [str(path.relative_to(folder)) for path in sorted(folder.glob(word))] if "*" in word else [word]


MADE_AUTHORITY = "pixeltrail keys init broker.example.org 192.168.1.10"
MADE_KEYS = "pixeltrail keys add hall-01"
MADE_SIGNING = "pixeltrail keys signing add hall-01"


def has(said: str, *words: str | Path) -> None:
    """A command's words and the folder to run it in."""
    *command, folder = words
    assert said in run(*map(str, command), cwd=Path(folder))


def flash_first(folder: Path) -> None:
    """As far as without a board: every step, with an image of the right kind."""
    from tests.boards.test_flash import image_for

    image_for(0xE48BFF56, folder / "RPI_PICO.uf2")
    command = ("pixeltrail", "flash", "pico-w-ssd1306", "--firmware", "RPI_PICO.uf2")
    assert "copy the library" in run(*command, "--dry-run", cwd=folder)
    drive = folder / "RPI-RP2"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("Board-ID: RP2350\n")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--drive", str(drive)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2 and "another one than pico-w-ssd1306" in done.stderr


RUNS: dict[str, Callable[[Path], object]] = {
    "./dev demo": demo,
    "./dev demo --play tests/data/corpus/rgb_thermostat": demo_of_a_recording,
    # This very test is a part of it, so only as far as the list of tests.
    "./dev test": lambda folder: run(
        "./dev", "test", "--collect-only", "-q", "tests/test_support.py", cwd=ROOT
    ),
    "pip install .": install,
    "pip install '.[flash]'": install,
    "pixeltrail boards": functools.partial(has, "pico-w-ssd1306", "pixeltrail", "boards"),
    "pixeltrail boards pico-w-ssd1306": functools.partial(
        has, "display SDA", "pixeltrail", "boards", "pico-w-ssd1306"
    ),
    **{
        command: functools.partial(has, said, *command.split())
        for command, said in {
            "pixeltrail size pico-w-ssd1306": "It fits.",
            "pixeltrail size pico-w-ssd1306 --link mqtt": "library, compiled files",
            "pixeltrail size pico-w-ssd1306 --link mqtt --frozen": "It fits.",
            "pixeltrail flash pico-2-w-st7789 --dry-run": "mpremote connect PORT reset",
            "pixeltrail flash t-display-s3 --dry-run": "mpremote connect PORT reset",
            "pixeltrail hil --scenario capture": "capture: passed",
        }.items()
    },
    **{
        f"pixeltrail sim {board}": functools.partial(
            has, "live: http://", "pixeltrail", "sim", board, "--for", "3"
        )
        for board in ("pico-w-ssd1306", "pico-2-w-st7789")
    },
    "pixeltrail flash pico-w-ssd1306 --firmware RPI_PICO.uf2": flash_first,
    "pixeltrail init": initialise,
    "pixeltrail check": check,
    "pixeltrail up": up,
    "pixeltrail up --role worker": up_as_worker,
    **{
        command: on_recordings(command, word)
        for command, word in {
            "pixeltrail tail": "segment dead 400",
            "pixeltrail dlq list": "kitchen-01",
            "pixeltrail dlq list --sink segment": "bytes of JSON",
            "pixeltrail dlq list --device kitchen-01 --json": '"id": "m1"',
            "pixeltrail dlq show m1 e1": "messageId",
            "pixeltrail dlq retry e1": "1 events wait",
            "pixeltrail dlq retry --kind undecodable": "1 stay dead",
            "pixeltrail dlq retry --sink segment": "1 events wait",
            'pixeltrail dlq retry --sink segment --reason "dry run"': "1 events wait",
            "pixeltrail dlq purge --device kitchen-01": "Deleted 1 messages, and gave up 1 events",
            'pixeltrail dlq purge --reason "bytes of JSON"': "gave up 1 events",
        }.items()
    },
    **{
        command: on_recordings(command, word, sink="amplitude")
        for command, word in {
            "pixeltrail dlq list --sink amplitude": "bytes of JSON",
            "pixeltrail dlq retry --sink amplitude": "1 events wait",
        }.items()
    },
    **{
        f"pixeltrail export {words}": exports(f"pixeltrail export {words}", file)
        for words, file in {
            "kitchen-01": "kitchen-01-*.gif",
            "kitchen-01 --output boost.gif --from 0:01 --to 0:08 --speed 2 --frame --touches --captions": "boost.gif",
            "kitchen-01 --output moment.png --from 5.4 --frame --touches --scale 1": "moment.png",
            "kitchen-01 --output session.mp4": "session.mp4",
            "kitchen-01 --output exact.mp4 --lossless": "exact.mp4",
            "kitchen-01 --output session.html": "session.html",
            "kitchen-01 --output session.ptr": "session.ptr",
        }.items()
    },
    "pixeltrail play session.ptr --png frames": exports(
        "pixeltrail play session.ptr --png frames",
        "frames/frame-000025-*.png",
        before="pixeltrail export kitchen-01 --output session.ptr",
    ),
    "pixeltrail export session.ptr --output session.gif": exports(
        "pixeltrail export session.ptr --output session.gif",
        "session.gif",
        before="pixeltrail export kitchen-01 --output session.ptr",
    ),
    **{
        command: imports(command, word)
        for command, word in {
            "pixeltrail import export/*.gz": "chunks added",
            "pixeltrail import replay.csv": "chunks added",
            "pixeltrail import session.ptr": "chunks added",
            "pixeltrail import --json replay.csv": '"missing": []',
            "pixeltrail import --report wrong.jsonl replay.csv": "chunks added",
        }.items()
    },
    **{
        command: on_a_house(command, word)
        for command, word in {
            "pixeltrail forget --device kitchen-01 --yes --report report.json": "Nothing of it was found afterwards",
            "pixeltrail forget --user user-7 --yes": "Nothing of it was found afterwards",
            "pixeltrail forget --session hall-02/1767323045000 --yes": "Nothing of it was found afterwards",
            "pixeltrail forget --status": "No vendor was asked",
            "pixeltrail dsar kitchen.zip --device kitchen-01": "events: ",
            "pixeltrail dsar user-7 --user user-7 --pictures": "recordings: 2",
        }.items()
    },
    "pixeltrail keys init broker.example.org 192.168.1.10": with_keys(MADE_AUTHORITY, "broker.example.org"),
    **{
        command: with_keys(command, word, MADE_AUTHORITY, *before)
        for command, word, *before in (
            ("pixeltrail keys add kitchen-01 --host broker.example.org", 'user="kitchen-01"'),
            ("pixeltrail keys add hall-01 --certificate --out hall-01", "Wrote hall-01"),
            ("pixeltrail keys list", "hall-01", MADE_KEYS),
            ("pixeltrail keys rotate kitchen-01", "kitchen-01.2", "pixeltrail keys add kitchen-01"),
            (
                "pixeltrail keys rotate kitchen-01 --finish",
                "holds no longer",
                "pixeltrail keys add kitchen-01",
                "pixeltrail keys rotate kitchen-01",
            ),
            ("pixeltrail keys revoke hall-01", "no key any more", MADE_KEYS),
            ("pixeltrail keys signing add kitchen-01", 'pixeltrail.signed(link, "1:'),
            ("pixeltrail keys signing add hall-01 --out hall-01", "Wrote hall-01"),
            (
                "pixeltrail keys signing require kitchen-01",
                "are refused",
                "pixeltrail keys signing add kitchen-01",
            ),
            ("pixeltrail keys signing list", "may sign", MADE_SIGNING),
            ("pixeltrail keys signing rotate kitchen-01", '"2:', "pixeltrail keys signing add kitchen-01"),
            (
                "pixeltrail keys signing rotate kitchen-01 --finish",
                "holds no longer",
                "pixeltrail keys signing add kitchen-01",
                "pixeltrail keys signing rotate kitchen-01",
            ),
            ("pixeltrail keys signing revoke hall-01", "nothing of it is taken", MADE_SIGNING),
            ("pixeltrail keys signing add hall-01", 'pixeltrail.signed(link, "1:'),
            ("pixeltrail keys signing off hall-01", "need not sign", MADE_SIGNING),
            ("pixeltrail keys renew", "broker.example.org"),
            ("pixeltrail keys write mosquitto broker-files", "broker-files/acl", MADE_KEYS),
            ("pixeltrail keys write nats broker-files", "authorization.conf", MADE_KEYS),
        )
    },
    "pixeltrail users add ada --role admin": with_users(
        "pixeltrail users add ada --role admin", "ada is admin"
    ),
    "pixeltrail users add vera --role viewer": with_users(
        "pixeltrail users add vera --role viewer", "vera is viewer"
    ),
    "pixeltrail users list": with_keys("pixeltrail users list", "User"),
    **{
        command: moves(command, word)
        for command, word in {
            "pixeltrail migrate --to-config cluster.toml": 'url = "postgresql://',
            "pixeltrail migrate --config cluster.toml --to-config pixeltrail.toml": 'url = ""',
            MIGRATE: "Both sides are the same",
            MIGRATE_BACK: "may start from here again",
        }.items()
    },
    "pixeltrail audit": with_store("pixeltrail audit"),
    "pixeltrail audit --user vera --json": with_store("pixeltrail audit --user vera --json"),
    # It asks services that are not there in tests.
    "./dev audit": lambda folder: run("./dev", "help", cwd=ROOT),
    "pixeltrail check --show": check_samples,
    "pixeltrail check --sample events.jsonl": check_samples,
    "pixeltrail apps list": with_app("pixeltrail apps list", "phone-1"),
    "pixeltrail apps pair phone-1 kitchen-01": with_app(
        "pixeltrail apps pair phone-1 kitchen-01", "belongs to kitchen-01"
    ),
    # Dead letters are something to be done.
    "pixeltrail doctor": on_recordings("pixeltrail doctor", "FAULT  dead letters", code=1),
    "pixeltrail doctor --json": on_recordings("pixeltrail doctor --json", '"level": "fault"', code=1),
}


@pytest.mark.parametrize("command", commands())
def test_command_in_the_documentation_works(command: str, tmp_path: Path) -> None:
    assert command in RUNS, f"the documentation shows {command!r}, which no test runs"
    RUNS[command](tmp_path)


@pytest.mark.parametrize(
    ("page", "block"), list(blocks("toml")), ids=lambda value: getattr(value, "name", "")
)
def test_settings_in_the_documentation_are_settings(page: Path, block: str, tmp_path: Path) -> None:
    for key in re.findall(r"/etc/pixeltrail/([\w-]+)", block):
        (tmp_path / key).write_text("key" * 8)
    (tmp_path / "pixeltrail.toml").write_text(block.replace("/etc/pixeltrail", str(tmp_path)))
    settings = load(tmp_path / "pixeltrail.toml")
    make_rules(settings, ["segment", "amplitude", "jsonl"])


NAMED = sorted(
    {found for page in PAGES for found in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text())}
)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_documentation_names_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_three_lines_of_the_readme_record_an_oled(tmp_path: Path) -> None:
    """Under MicroPython, with a stand-in for the ssd1306 driver and no broker: the app must go on as before."""
    (block,) = [block for page, block in blocks("python") if page.name == "README.md"]
    shutil.copy(ROOT / "tests" / "data" / "ssd1306.py", tmp_path / "ssd1306.py")
    # As a board has
    (tmp_path / "machine.py").write_text("def unique_id():\n    return b'\\x01board\\x02\\x03'\n")
    script = tmp_path / "main.py"
    script.write_text(
        "i2c = None\n" + block.replace("192.168.1.10", "127.0.0.1") + "\n"
        "for i in range(20):\n    oled.fill(0)\n    oled.text(str(i), 0, 0)\n    oled.show()\n    rec.poll()\n"
        "assert oled.shown == 20\n"
        "print('app went on')\n"
    )
    printed = micropython.run(script, search=(tmp_path, micropython.FIRMWARE))
    assert "app went on" in printed


# What the blocks of docs/device.md take for granted: an app's own names.
APP = """
import pixeltrail
import framebuf
from drivers import st7789py

class Panel:
    width, height = 240, 135
    def __init__(self):
        self.frame = bytearray(240 * 135 * 2)
    def update(self):
        pass

class Flipping:
    width, height = 64, 32
    def __init__(self):
        self.front, self.back = bytearray(4096), bytearray(4096)
    def flip(self):
        self.front, self.back = self.back, self.front

def brew(rec):
    raise ValueError("no water")

class Silent:
    def crash(self, error):
        self.error = error

i2c = None
rec = Silent()
panel, tft, display = Panel(), st7789py.ST7789(60, 40), Flipping()
transport = pixeltrail.File("FOLDER/chunks")
"""
AFTER = """
if isinstance(rec, Silent):
    assert isinstance(rec.error, ValueError)
else:
    for _ in range(200):
        rec.poll()
        time.sleep_ms(1)
    stats = rec.stats()
    assert stats["errors"] == 0 and stats["off"] == [], stats
    assert stats["frames"] or stats["refused"], stats
print("ran")
"""


@pytest.mark.parametrize("block", [b for page, b in blocks("python") if page.name == "device.md"])
def test_code_of_the_device_page_runs(block: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "data" / "ssd1306.py", tmp_path / "ssd1306.py")
    (tmp_path / "machine.py").write_text("def unique_id():\n    return b'\\x01board\\x02\\x03'\n")
    script = tmp_path / "main.py"
    app = APP.replace("FOLDER", str(tmp_path))
    script.write_text("import time\n" + app + block.replace("192.168.1.10", "127.0.0.1") + AFTER)
    search = (tmp_path, micropython.FIRMWARE, ROOT / "tests" / "firmware")
    assert micropython.run(script, search=search, cwd=tmp_path, heap="4m").endswith("ran\n")


def test_the_table_of_settings_is_the_table_of_settings() -> None:
    page = (ROOT / "docs" / "device.md").read_text()
    table = page[page.index("## Settings") : page.index("## Calls")]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.M)
    assert [name for name, _ in rows] == [name for name, _, _ in SETTINGS]
    for (name, shown), (_, default, _) in zip(rows, SETTINGS, strict=True):
        if default is not None:
            assert shown.replace('"', "'") == f"`{default!r}`", name


def test_every_call_is_on_the_device_page() -> None:
    page = (ROOT / "docs" / "device.md").read_text()
    calls = [name for name, _ in inspect.getmembers(Recorder, callable) if not name.startswith("_")]
    assert [name for name in calls if f"{name}(" not in page and f"`{name}`" not in page] == []


@pytest.mark.parametrize("block", [b for page, b in blocks("python") if page.name == "mobile-bridge.md"])
def test_code_of_the_page_about_apps_runs(block: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(block)
    run(sys.executable, str(script), cwd=tmp_path)
