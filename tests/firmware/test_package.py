"""Packages, installed by MicroPython's own mip from loopback and run: sources and .mpy, whole and serial."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from mpremote.mip import do_mip

from tests.support import corpus, micropython, mpy
from tests.support.packages import mip_install, packager, served
from tests.support.playback import playback

FIRMWARE = micropython.FIRMWARE
ROOT = micropython.ROOT
WITHOUT = (
    *("mqtt", "connection", "packets", "dialer", "resolver", "secure"),
    *("backlog", "flash", "renewal", "segments", "spool"),
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `./dev build` leaves in dist/mpy, for two kinds of processor, and the sources beside it."""
    root = tmp_path_factory.mktemp("index")
    for architecture in ("x64", "armv7m"):
        shutil.copytree(mpy.tree(architecture, architecture.startswith("arm")), root / architecture)
    packager().main([str(root)])
    shutil.copytree(FIRMWARE, root / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def installed(index: Path, name: str, kind: str, target: Path) -> Path:
    """Install a package as source or for x64, from package.json or from the index; returns the folder of modules."""
    with served(index) as server:
        if kind == "source":
            file = name.replace("pixeltrail", "package") + ".json"
            printed = mip_install(f"{server.url}/firmware/{file}", target)
        elif kind == "package.json":
            file = name.replace("pixeltrail", "package-x64") + ".json"
            printed = mip_install(f"{server.url}/{file}", target)
        else:
            printed = mip_install(name, target, index=f"{server.url}/x64")
    assert printed.rstrip().endswith("Done")
    return target


KINDS = ("source", "package.json", "index")


@pytest.mark.parametrize("name", ["pixeltrail", "pixeltrail-serial"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_installed_package_holds_what_the_manifest_says(
    index: Path, kind: str, name: str, tmp_path: Path
) -> None:
    lib = installed(index, name, kind, tmp_path / "lib")
    files, _ = packager().read_manifest(**packager().PACKAGES[name])
    ending = ".py" if kind == "source" else ".mpy"
    wanted = {file.removesuffix(".py") + ending for file in files}
    assert {str(path.relative_to(lib)) for path in lib.rglob("*") if path.is_file()} == wanted
    original = FIRMWARE if kind == "source" else index / "x64"
    for file in wanted:
        assert (lib / file).read_bytes() == (original / file).read_bytes()


@pytest.mark.parametrize("kind", ["source", "index"])
@pytest.mark.parametrize(("name", "link"), [("pixeltrail", "mosquitto"), ("pixeltrail-serial", "pty")])
def test_an_installed_package_records_on_a_board(
    index: Path, kind: str, name: str, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulated board with nothing of ours but what mip has put into its lib folder, and a real bridge."""
    lib = installed(index, name, kind, tmp_path / "lib")
    monkeypatch.setattr("pixeltrail_bridge.simulate.library_path", lambda: lib)
    sequence = corpus.load("mono_invaders")
    with playback(sequence, link, tmp_path) as played:
        replay = played.replay()
    assert not replay.errors
    assert [picture.data for picture in replay.pictures] == list(sequence.frames)


class Board:
    """What mpremote's mip asks of a board, whose files are in a folder here; it is a Pico without a network."""

    def __init__(self, folder: Path) -> None:
        self.transport = self
        self._folder = folder

    def did_action(self) -> None:
        pass

    def ensure_raw_repl(self) -> None:
        pass

    def exec(self, code: str) -> None:
        assert code == "import sys"

    def eval(self, expression: str) -> object:
        return ["", ".frozen", "/lib"] if expression == "sys.path" else 6

    def _place(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def fs_exists(self, path: str) -> bool:
        return self._place(path).exists()

    def fs_mkdir(self, path: str) -> None:
        self._place(path).mkdir()

    def fs_hashfile(self, path: str, algorithm: str) -> bytes:
        return hashlib.new(algorithm, self._place(path).read_bytes()).digest()

    def fs_writefile(self, path: str, data: bytes, progress_callback: object = None) -> None:
        self._place(path).write_bytes(data)


@pytest.mark.parametrize("name", ["pixeltrail", "pixeltrail-serial"])
@pytest.mark.parametrize("kind", ["a folder", "an address", "the index"])
def test_mpremote_installs_over_the_cable(index: Path, kind: str, name: str, tmp_path: Path) -> None:
    """Its own mip, which fetches on the host and writes to the board."""
    file = name.replace("pixeltrail", "package")
    with served(index) as server:
        package, where = {
            "a folder": (str(FIRMWARE / f"{file}.json"), None),
            "an address": (f"{server.url}/{file.replace('package', 'package-armv7m')}.json", None),
            "the index": (name, f"{server.url}/armv7m"),
        }[kind]
        wanted = SimpleNamespace(command=["install"], packages=[package], index=where, target=None, mpy=None)
        do_mip(Board(tmp_path), wanted)
    is_source = kind == "a folder"
    files, _ = packager().read_manifest(**packager().PACKAGES[name], thumb=not is_source)
    ending = ".py" if is_source else ".mpy"
    there = {str(path.relative_to(tmp_path / "lib")) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {path.removesuffix(".py") + ending for path in files}


def test_what_a_board_has_already_is_not_fetched_again(index: Path, tmp_path: Path) -> None:
    with served(index) as server:
        mip_install("pixeltrail", tmp_path, index=f"{server.url}/x64")
        before = len(server.asked)
        (tmp_path / "pixeltrail" / "wire.mpy").write_bytes(b"an older version")
        printed = mip_install("pixeltrail", tmp_path, index=f"{server.url}/x64")
    again = server.asked[before:]
    assert len(again) == 2 and again[0].endswith("/package/6/pixeltrail/latest.json")
    assert printed.count("Exists:") == before - 2


def test_without_mqtt_and_tls_it_imports_and_says_what_is_missing(index: Path, tmp_path: Path) -> None:
    lib = installed(index, "pixeltrail-serial", "index", tmp_path / "lib")
    there = {path.stem for path in lib.rglob("*.mpy")}
    assert not there & set(WITHOUT) and "serial" in there
    script = """
import io, sys, pixeltrail
class Uart(io.IOBase):
    def readinto(self, buffer): return None
    def write(self, data): return len(data)
    def ioctl(self, request, flags): return flags & 4 if request == 3 else 0
class Oled:
    width, height, pages, buffer = 128, 64, 8, bytearray(1024)
    def show(self): pass
oled = Oled()
rec = pixeltrail.Recorder(oled, pixeltrail.Serial(Uart()), sample_rate=1.0, device_id="serial-1")
oled.show()
rec.poll()
print(rec.errors, rec.stats()["off"])
try:
    pixeltrail.MQTT
except ImportError as error:
    print("ImportError", error)
print([name for name in sys.modules if "mqtt" in name or "secure" in name])
"""
    printed = micropython.run(script, search=(lib,)).splitlines()
    assert printed[0] == "0 []" and printed[1].startswith("ImportError") and printed[2] == "[]"


@pytest.mark.parametrize("architecture", ["x64", "armv7m"])
def test_hashes_in_assembler_go_where_a_processor_takes_them(index: Path, architecture: str) -> None:
    listed = json.loads((index / f"package-{architecture}.json").read_text())["urls"]
    assert any("thumb" in file for file, _ in listed) == architecture.startswith("arm")
    for file, url in listed:
        assert (index / url).is_file() and url.endswith(file)


def test_the_lists_of_sources_are_up_to_date() -> None:
    """`python firmware/package.py` writes them."""
    for file, text in packager().source_packages().items():
        assert (FIRMWARE / file).read_text() == text, f"{file}: run python firmware/package.py"


def test_the_version_stands_in_one_place() -> None:
    _, about = packager().read_manifest()
    told = (FIRMWARE / "pixeltrail" / "config.py").read_text()
    assert f'library = "pixeltrail/{about["version"]}"' in told
    assert version("pixeltrail") == about["version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"] and "version" not in project
    for file in FIRMWARE.glob("package*.json"):
        assert json.loads(file.read_text())["version"] == about["version"]


def test_a_folder_without_compiled_files_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, FIRMWARE / "package.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode and "run firmware/build_mpy.py" in done.stderr
