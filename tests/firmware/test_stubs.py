"""The type stubs say what the library has: every public name, and every signature, as two type checkers see them."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pixeltrail
from pixeltrail.config import SETTINGS
from pixeltrail.recorder import Recorder

from tests.support.micropython import FIRMWARE
from tests.support.requirements import require

STUB = FIRMWARE / "pixeltrail-stubs" / "__init__.pyi"

APP = """
import pixeltrail

def main(oled: object, tft: object, uart: object) -> None:
    rec = pixeltrail.Recorder(
        oled, pixeltrail.MQTT("192.168.1.10", tls=True), sample_rate=1.0, app="Kettle", masks=[(0, 0, 8, 8)]
    )
    rec.screen("Home")
    rec.touch(20, 30, pixeltrail.DOWN)
    rec.key("knob", pixeltrail.TURN, -2)
    rec.track("Brew Started", {"cups": 2})
    with rec.paused():
        rec.poll()
    known: str | None = rec.replay_id()
    shadow = pixeltrail.direct_tap(tft, bytearray(10))
    pixeltrail.Recorder(shadow, pixeltrail.Serial(uart), log_level="debug", blind=[(0, 0, 4, 4)])
    pixeltrail.Recorder(pixeltrail.pico_tap(tft, "P4"), pixeltrail.File("log.ptr"), exact=None)
    print(known, rec.errors, rec.idle)
"""
MISTAKES = (
    "rec.screem('Home')",
    "rec.touch('20', 30)",
    "rec.mask(1, 2, 3)",
    "rec.key('knob', 7)",
    "pixeltrail.Recorder(oled, pixeltrail.MQTT('h'), sample_rat=1.0)",
    "pixeltrail.Recorder(oled, pixeltrail.MQTT('h'), sample_rate='all')",
    "pixeltrail.tap(oled, format='RGB888')",
    "pixeltrail.MQTT(port=1883)",
)


def written(folder: Path) -> Path:
    """An app without mistakes, and behind it one line for each mistake."""
    app = folder / "app.py"
    lines = [APP, "def wrong(rec: pixeltrail.Recorder, oled: object) -> None:"]
    app.write_text("\n".join(lines + [f"    {mistake}" for mistake in MISTAKES]) + "\n")
    return app


def mistaken(app: Path) -> set[int]:
    """The numbers of the lines with mistakes."""
    first = len(app.read_text().splitlines()) - len(MISTAKES) + 1
    return set(range(first, first + len(MISTAKES)))


def test_names_and_signatures_are_those_of_the_library(tmp_path: Path) -> None:
    """By mypy's stubtest, which imports the library and compares."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = true\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "pixeltrail", "--concise", "--mypy-config-file", config],
        env={**os.environ, "MYPYPATH": str(FIRMWARE), "PYTHONPATH": str(FIRMWARE)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    lines = done.stdout.splitlines()
    assert any("pixeltrail.wire failed to find stubs" in line for line in lines), done.stdout + done.stderr
    assert [line for line in lines if "failed to find stubs" not in line] == [], (
        "only modules inside have none"
    )


def _methods(kind: type) -> set[str]:
    return {name for name, value in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_the_stub_has_every_call_of_a_recorder() -> None:
    """stubtest looks at what a class has itself; these are inherited."""
    told = {}
    exec("from __future__ import annotations\n" + STUB.read_text(), told)
    assert _methods(told["Recorder"]) == _methods(pixeltrail.Recorder)
    for name in _methods(Recorder):
        ours = inspect.signature(getattr(pixeltrail.Recorder, name))
        stub = inspect.signature(getattr(told["Recorder"], name))
        assert [(p.name, p.default) for p in ours.parameters.values()] == [
            (p.name, p.default) for p in stub.parameters.values()
        ], name
    assert list(told["_Settings"].__annotations__) == [name for name, _, _ in SETTINGS]


def test_mypy_finds_the_mistakes_of_an_app_and_nothing_else(tmp_path: Path) -> None:
    app = written(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--output", "json", app],
        env={**os.environ, "MYPYPATH": str(FIRMWARE)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {error["line"] for error in found if error["severity"] == "error"} == mistaken(app), done.stdout


def test_pyright_finds_the_same(tmp_path: Path) -> None:
    app = written(tmp_path)
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps({"include": ["app.py"], "extraPaths": [str(FIRMWARE)], "typeCheckingMode": "standard"})
    )
    done = subprocess.run(
        [require("basedpyright"), "--outputjson", "-p", config], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = {error["range"]["start"]["line"] + 1 for error in found if error["severity"] == "error"}
    assert lines == mistaken(app), done.stdout
