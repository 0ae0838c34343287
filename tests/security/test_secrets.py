"""Secrets stay where they are: out of logs, process lists, answers and errors, in files for their owner alone."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import diagnosis
from pixeltrail_bridge.keys.authority import Authority
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.web.users import Users

from tests.security.kit import LOOPBACK, Browser, MqttClient, wait_until
from tests.support.bridge_process import descendants
from tests.support.requirements import ROOT
from tests.support.services import free_ports

BRIDGE = ROOT / "bridge" / "pixeltrail_bridge"
# One for each way a secret can be given.
FILES = {
    "segment.write_key_file": "segment-key-in-a-file",
    "amplitude.api_key_file": "amplitude-key-in-a-file",
    "mobile.write_key_file": "app-key-in-a-file",
    "web.token_file": "page-token-in-a-file",
}
ENVIRONMENT = {"PIXELTRAIL_AMPLITUDE__SECRET_KEY": "amplitude-secret-in-the-environment"}
PASSWORD = "the password of ada"


def test_no_log_and_no_process_list_shows_a_secret(tmp_path: Path) -> None:
    """A whole run at the most talkative level: a device, a login, wrong ones of both, a fault at each sink."""
    data, (web, broker, mobile, nobody) = tmp_path / "data", free_ports(4)
    ring = KeyRing(data / "keys")
    device_key = ring.add("kitchen-01", 0)
    Authority.make(ring.folder).issue_server([LOOPBACK])
    Users(data / "users.json").add("ada", "admin", PASSWORD)
    secrets = [
        *FILES.values(),
        *ENVIRONMENT.values(),
        PASSWORD,
        device_key,
        ring.bridge_password(),
        "a wrong password",
    ]
    secrets.append((ring.folder / "ca.key").read_text().splitlines()[1])
    overrides = {
        "bridge.data_dir": data,
        "bridge.log_level": "debug",
        "web.port": web,
        "mqtt.port": broker,
        "mobile.enabled": "true",
        "mobile.port": mobile,
        "segment.host": f"http://{LOOPBACK}:{nobody}",
        "amplitude.host": f"http://{LOOPBACK}:{nobody}",
    }
    for number, (key, secret) in enumerate(FILES.items()):
        path = tmp_path / f"secret-{number}"
        path.write_text(secret)
        overrides[key] = path
    words = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "pixeltrail", "up", *words],
            env={**os.environ, **ENVIRONMENT},
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: b"serving the devices" in log.read_bytes() and b"Data:" in log.read_bytes())
        with (
            MqttClient(broker, "kitchen-01", device_key) as device,
            MqttClient(broker, "kitchen-01", "wrong") as other,
        ):
            assert device.entered() and not other.entered()
            device.publish("pt/v1/kitchen-01/up", device_key.encode() * 3)
        browser = Browser(web)
        assert browser.log_in("ada", "a wrong password").status == 401
        assert browser.log_in("ada", PASSWORD).status == 200
        answers = [
            browser.get(path).body for path in ("/api/me", "/api/health", "/api/audit", "/api/devices")
        ]
        secrets += [browser.cookies["pixeltrail"]]
        post = {"type": "track", "event": "x", "userId": "u", "writeKey": FILES["mobile.write_key_file"]}
        assert Browser(mobile).ask("POST", "/v1/track", post).status == 200
        assert (
            Browser(mobile).ask("POST", "/v1/track", {**post, "writeKey": "a wrong password"}).status == 401
        )
        wait_until(lambda: log.read_bytes().count(b"segment") > 1)
        lists = [one.command for one in descendants(os.getpid())]
        assert any("nats-server" in words for words in lists), "it was looked at as well"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    shown = {"log": log.read_bytes(), "processes": "\n".join(lists).encode(), "answers": b"\n".join(answers)}
    shown |= {
        str(path): path.read_bytes()
        for path in (data / "broker").rglob("*")
        if path.is_file() and path.suffix in (".log", ".conf")
    }
    for secret in secrets:
        for where, content in shown.items():
            assert secret.encode() not in content, f"{where} shows {secret}"


def test_a_secret_shows_in_no_representation_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-secret-key")
    environment = {"PIXELTRAIL_STORE__PASSWORD": "a-secret-password"}
    overrides = [f"segment.write_key_file={tmp_path / 'key'}"]
    settings = config.load(None, environment, overrides, must_exist=False)
    assert settings.segment.write_key.reveal() == "a-secret-key"
    for text in (repr(settings), str(settings), repr(vars(type(settings))), f"{settings.store}"):
        assert "a-secret" not in text
    for fault in ("segment.write_key=a-secret-key", "mqtt.url=mqtt://user:a-secret-key@127.0.0.1"):
        with pytest.raises(config.ConfigError) as error:
            config.load(None, {}, [fault], must_exist=False)
        assert "a-secret-key" not in str(error.value)


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """Every option and argument of every command, by its name."""
    import typer.main
    from pixeltrail_bridge.cli import app

    def walk(command: object, path: str) -> None:
        for parameter in getattr(command, "params", ()):
            words = f"{parameter.name} {' '.join(parameter.opts)}"
            assert not re.search(r"password|secret|token|write.?key|api.?key", words), f"{path}: {words}"
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{path} {name}")

    walk(typer.main.get_command(app), "pixeltrail")


def test_doctor_finds_files_that_others_may_read(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "data" / "keys")
    ring.add("kitchen-01", 0)
    ring.bridge_password()
    Authority.make(ring.folder).issue_server([LOOPBACK])
    Users(tmp_path / "data" / "users.json").add("ada", "admin", PASSWORD)
    (tmp_path / "key").write_text("a-secret-key")
    (tmp_path / "key").chmod(0o600)
    overrides = [f"bridge.data_dir={tmp_path / 'data'}", f"segment.write_key_file={tmp_path / 'key'}"]
    settings = config.load(None, {}, overrides, must_exist=False)
    assert [one for one in diagnosis.check_secrets(settings) if one.level != "ok"] == []
    private = [
        tmp_path / "key",
        tmp_path / "data" / "users.json",
        ring.path,
        ring.folder / "ca.key",
        ring.folder / "server.key",
        ring.folder / "bridge.password",
    ]
    for path in private:
        path.chmod(0o644)
    faults = [one.text for one in diagnosis.check_secrets(settings) if one.level == "FAULT"]
    assert len(faults) == len(private)
    for path in private:
        assert any(f"chmod 600 {path}" in text for text in faults), path


# Comparisons of something called so must take the same time wherever the first difference is.
_SECRET = re.compile(r"(token|secret|signature|passw|csrf|write_key|hmac|(^|_)mac(_|$)|bearer)", re.I)
_NO_SECRETS = {  # what is compared, and why that is none
    "base64.urlsafe_b64encode(data).decode().rstrip('=') == token": "the spelling of what was just given",
    "links.clean_token(token) != state.token": "whether an app shows the token it was paired by once more",
}


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"
    )


def comparisons() -> list[tuple[str, int, str]]:
    found = []
    for path in sorted(BRIDGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Compare) or not all(
                isinstance(op, ast.Eq | ast.NotEq) for op in node.ops
            ):
                continue
            sides = [node.left, *node.comparators]
            if any(_is_constant(side) for side in sides):
                continue
            for side in sides:
                text = ast.unparse(side)
                whole = ast.unparse(node)
                if _SECRET.search(text) and whole not in _NO_SECRETS:
                    found.append((path.relative_to(BRIDGE).as_posix(), node.lineno, whole))
    return found


def test_secrets_are_compared_in_constant_time() -> None:
    """`==` stops at the first difference, and how long it took tells how far a guess was right."""
    allowed = {"config/values.py"}  # whether a setting has changed; nobody outside asks
    assert [one for one in comparisons() if one[0] not in allowed] == []
    for place in ("web/access.py", "web/shares.py", "mobile/api.py", "wire/signed.py"):
        assert "hmac.compare_digest(" in (BRIDGE / place).read_text(), place


def test_what_has_to_be_guessed_is_made_by_the_system() -> None:
    """Of `random` it may not come: its state shows in what it has given."""
    makers = ("keys/ring.py", "keys/signing.py", "web/login.py", "store/shares.py")
    for place in makers:
        text = (BRIDGE / place).read_text()
        assert not re.search(r"^(import|from) random\b", text, re.M)
        assert "secrets.token_" in text or "os.urandom(" in text, place
