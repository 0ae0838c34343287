"""What operators install: the service file, the container file and the dashboard say what is true."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
import pytest
import yaml
from pixeltrail_bridge import config
from pixeltrail_bridge.app import cluster, exposure
from pixeltrail_bridge.app.diagnosis import jetstream
from pixeltrail_bridge.app.exposure import USERS_NAME
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.keys.ring import BRIDGE_PASSWORD, BRIDGE_USER
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.sources.nats_link import Login
from pixeltrail_bridge.sources.stream import StreamSettings, prepare
from pixeltrail_bridge.store.figures import LastHeard
from pixeltrail_bridge.watch.metrics import render
from pixeltrail_bridge.web.users import Users
from prometheus_client.parser import text_string_to_metric_families

from tests.bridge.watch.looks import readings
from tests.support.requirements import ROOT, require
from tests.support.services import Service, free_ports

DEPLOY = ROOT / "deploy"


UNITS = ("pixeltrail.service", "pixeltrail-worker@.service", "pixeltrail-viewer@.service")


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_service_and_finds_it_locked_up(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name.replace("@", "@8377")
    unit.write_text((DEPLOY / name).read_text().replace("/opt/pixeltrail/bin/pixeltrail", "/bin/true"))
    analyze = str(require("systemd-analyze"))
    checked = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    command = [analyze, "security", "--offline=true", "--threshold=30", str(unit)]  # 3.0 of 10, 10 the worst
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize(("name", "role"), [(UNITS[1], "worker"), (UNITS[2], "viewer")])
def test_a_template_locks_up_its_role_as_the_service_does(name: str, role: str) -> None:
    whole, template = ((DEPLOY / one).read_text() for one in (UNITS[0], name))
    locks = whole[whole.index("NoNewPrivileges") : whole.index("[Install]")]
    assert locks in template and f" --role {role} " in template
    folder = f"pixeltrail/{role}-%i"
    assert template.count(f"%S/{folder}") == 2 and f"StateDirectory={folder}\n" in template


def test_every_figure_of_the_dashboard_is_one_the_bridge_has() -> None:
    full = readings(
        sources={"mqtt": LinkState("mqtt", True)},
        dead_letters={"record": 1},
        gaps={1: 1},
        backup_ms=1,
        listed=[LastHeard("oven-07", 1, True)],
        device_counters={"oven-07": {"frames": 1}},
    )
    families = text_string_to_metric_families(render(full).decode())
    known = {sample.name for family in families for sample in family.samples}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"\b(?:pixeltrail|process)_\w+", expression)}
    assert names - known == set()
    assert len(names) > 20


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((DEPLOY / "grafana.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("line", re.findall(r"^COPY (.*)$", (DEPLOY / "Containerfile").read_text(), re.M))
def test_the_container_file_copies_what_is_there(line: str) -> None:
    *sources, _ = line.split()
    assert [source for source in sources if not (ROOT / source).exists()] == []


# ---- containers of a cluster -------------------------------------------------------------

CLUSTER = DEPLOY / "cluster"
WORDS = {
    "POSTGRES_PASSWORD": "p1",
    "OBJECTS_SECRET": "o1",
    "NATS_ROUTE_PASSWORD": "n1",
    "SEGMENT_WRITE_KEY": "s1",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder beside the compose file, after the commands that stand at its top."""
    folder = tmp_path_factory.mktemp("cluster")
    at = ["--set", f"bridge.data_dir={folder}"]
    for words in (
        ["init", "broker.example.com"],
        ["add", "oven-01"],
        ["write", "nats", str(folder / "keys")],
    ):
        assert run(["keys", *words, *at]) == 0
    Users(folder / USERS_NAME).add("anna", "admin", "a long password of hers")
    return folder


def compose() -> dict[str, Any]:
    """With the variables in their places, each of which env.example names."""
    named = re.findall(r"^(\w+)=$", (CLUSTER / "env.example").read_text(), re.M)
    text = (CLUSTER / "compose.yaml").read_text()
    assert sorted(named) == sorted(WORDS)
    filled = re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda found: WORDS[found[1]], text)
    read: dict[str, Any] = yaml.safe_load(filled)
    return read


def test_every_part_of_the_compose_file_names_what_it_declares() -> None:
    whole = compose()
    services = whole["services"]
    made = {"./keys", "./users.json"}  # by the commands at its top
    used: set[str] = set()
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        assert set(service.get("secrets", ())) <= whole["secrets"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert source in made or (CLUSTER / source).exists(), volume
            else:
                used.add(source)
    assert used == whole["volumes"].keys()
    of_variables = {one["environment"] for one in whole["secrets"].values() if "environment" in one}
    assert of_variables <= WORDS.keys()
    assert [name for name in services if name.startswith("nats")] == ["nats-1", "nats-2", "nats-3"]


@pytest.mark.parametrize("role", ["worker", "viewer"])
def test_each_role_takes_the_settings_of_the_compose_file(role: str, keys: Path, tmp_path: Path) -> None:
    whole = compose()
    bridges = [one for name, one in whole["services"].items() if name.startswith(role)]
    assert len(bridges) >= 2 and all(
        one["environment"] == {"PIXELTRAIL_BRIDGE__ROLE": role} for one in bridges
    )
    text = (CLUSTER / "pixeltrail.toml").read_text()
    for secret in bridges[0]["secrets"]:
        (tmp_path / secret).write_text("secret")
        (tmp_path / secret).chmod(0o600)
    file = tmp_path / "pixeltrail.toml"
    file.write_text(text.replace("/run/secrets", str(tmp_path)))
    folder = keys if role == "viewer" else tmp_path  # which has no users, and shows no page
    variables = {**bridges[0]["environment"], "PIXELTRAIL_BRIDGE__DATA_DIR": str(folder)}
    settings = config.load(file, variables)
    cluster.check(settings)
    exposure.check(settings)
    assert settings.cluster.user == BRIDGE_USER
    hosts = {urlsplit(url).hostname for url in settings.cluster.nats_urls}
    assert hosts | {"postgres", "objects"} <= whole["services"].keys()
    assert whole["secrets"]["bridge_password"]["file"] == f"./keys/{BRIDGE_PASSWORD}"
    assert (keys / "keys" / BRIDGE_PASSWORD).exists()


def test_a_nats_server_takes_its_configuration_and_the_bridge(keys: Path, tmp_path: Path) -> None:
    services = compose()["services"]
    text = (
        (CLUSTER / "nats.conf")
        .read_text()
        .replace("/etc/nats", str(tmp_path))
        .replace("/data", str(tmp_path))
    )
    shutil.copytree(keys / "keys", tmp_path / "keys")
    ports = free_ports(4)
    for port, free in zip(("port: 4222", "8222", "port: 8883", "port: 6222"), ports, strict=True):
        text = text.replace(port, port.replace(port.split()[-1], str(free)))
    file = tmp_path / "nats.conf"
    file.write_text(text)
    environment = {**os.environ, **services["nats-2"]["environment"]}
    command = [str(require("nats-server")), "-c", str(file)]
    tested = subprocess.run([*command, "-t"], env=environment, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    alone = re.sub(r"cluster \{.*?\n\}\n", "", text, flags=re.S)  # one alone would wait for the others
    file.write_text(alone)
    (tmp_path / "log").write_text("")
    server = Service(["env", "NATS_NAME=nats-1", *command], [ports[0]], tmp_path)
    server.start()
    try:
        password = (keys / "keys" / BRIDGE_PASSWORD).read_text().strip()
        login = Login([f"nats://127.0.0.1:{ports[0]}"], BRIDGE_USER, password)
        asyncio.run(make_stream(login))
        found = jetstream.ask(login, StreamSettings())
        assert isinstance(found.stream, jetstream.StreamState), found
        assert isinstance(found.consumer, jetstream.ConsumerState), found
    finally:
        server.stop()


async def make_stream(login: Login) -> None:
    """As a worker does at its start; and hear what another one tells viewers."""
    client = await nats.connect(**login.options())
    await prepare(client, StreamSettings(replicas=1))
    heard = await client.subscribe("pt.v1._live.*")
    await client.publish("pt.v1._live.oven-01", b"")
    assert (await heard.next_msg(20)).subject == "pt.v1._live.oven-01"
    await client.close()
