"""No string from outside ever becomes a path: every address of the page, names of devices, users, hosts and objects."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.web.users import Users
from pixeltrail_bridge.wire.limits import DEVICE_ID

from tests.security.kit import LOOPBACK, Browser, bridge
from tests.security.test_web import routes_of

CANARY = b"the canary that nobody may read"
HOSTILE = [
    "../canary",
    "..%2f..%2fcanary",
    "%2e%2e%2fcanary",
    "%252e%252e%252fcanary",
    "..\\canary",
    "....//canary",
    "/etc/passwd",
    "file:///etc/passwd",
    "canary\0.png",
    "%00canary",
    "con",
    "nul.txt",
    "canary::$DATA",
    "~/canary",
    "$HOME/canary",
    "\u2025/canary",
    "\uff0e\uff0e\uff0fcanary",
    "a" * 5_000,
    "link",
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("paths")
    (folder / "canary").write_bytes(CANARY)
    data = folder / "inner" / "data"
    data.mkdir(parents=True)
    (folder / "inner" / "canary").write_bytes(CANARY)
    (data / "link").symlink_to(folder / "canary")
    before = {path for path in folder.rglob("*") if data not in path.parents}
    with bridge(data) as one:
        global PLACES
        PLACES = routes_of(one)
        assert one.web_port is not None
        yield one.web_port
    assert {path for path in folder.rglob("*") if data not in path.parents} == before, "something was written"


PLACES: list[tuple[str, str]] = []


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_no_address_of_the_page_leads_out_of_it(name: str, port: int) -> None:
    """Each part of each address in turn, once quoted and once as it stands."""
    tried = 0
    for method, path in PLACES:
        for found in re.finditer(r"(?<=/)1(?=/|$)", path):
            for text in {quote(name, safe=""), quote(name, safe="%/\\:$~")}:
                filled = path[: found.start()] + text + path[found.end() :]
                answer = Browser(port).ask(method, filled, headers={"x-pixeltrail": "1"})
                assert CANARY not in answer.body and b"root:" not in answer.body, (method, filled)
                assert answer.status < 500 or answer.status == 503, (method, filled, answer.body[:300])
                tried += 1
    for start in ("/static/", "/s/", "/embed/", "/sessions/", "/"):
        answer = Browser(port).get(start + quote(name, safe="%/\\:$~"))
        assert CANARY not in answer.body and b"root:" not in answer.body
    assert tried > 20


@pytest.mark.parametrize(
    "target", ["/static/../../canary", "//canary", "/static/..%5c..%5ccanary", "/static//etc/passwd"]
)
def test_no_raw_target_leads_out_of_the_static_files(target: str, port: int) -> None:
    """As no client library would send it."""
    with socket.create_connection((LOOPBACK, port), timeout=30) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := line.recv(65_536):
            answer += part
    assert CANARY not in answer and b"root:" not in answer
    assert b" 200 " not in answer.splitlines()[0]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_no_such_name_gets_a_key_or_a_login(name: str, tmp_path: Path) -> None:
    if not DEVICE_ID.fullmatch(name):
        with pytest.raises(ConfigError):
            KeyRing(tmp_path / "keys").add(name, 0)
    if name not in ("con", "nul.txt", "link"):
        with pytest.raises(ConfigError):
            Users(tmp_path / "users.json").add(name, "viewer", "a long password")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["../x-device", "a/b/c/d", "kitchen\n01", "kitchen-01\0"])
def test_the_command_line_takes_no_such_device(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "add", name, "--set", f"bridge.data_dir={tmp_path / 'data'}"]) == 2
    assert "is no device ID" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_device_have_names_of_ours(tmp_path: Path) -> None:
    """Also when everything that names it is as long and as odd as it may be."""
    data = ["--set", f"bridge.data_dir={tmp_path / 'data'}"]
    device = "A" + "_-" * 31
    assert run(["keys", "init", "127.0.0.1", *data]) == 0
    assert run(["keys", "add", device, "--certificate", "--out", str(tmp_path / "out"), *data]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "ca.pem",
        "device.key",
        "device.pem",
        "settings.py",
    }
