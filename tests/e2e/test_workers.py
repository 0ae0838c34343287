"""Two bridges on one PostgreSQL: who has which duty, and that they go on when the server or a connection goes away."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.store.sharing import PARTS
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import FakeDevice, fake_device
from tests.support.bridge_process import wait_until
from tests.support.services import Postgres, postgres
from tests.support.stores import PostgresPlace

WAIT_S = 100.0


class Pair:
    """Each with its own folder, broker and device; they share the database alone."""

    def __init__(self, place: PostgresPlace, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.bridges: list[Bridge] = []
        self.devices: list[FakeDevice] = []

    @contextmanager
    def one(self, name: str) -> Iterator[Bridge]:
        words = ["mqtt.port=0", "web.port=0", "events.display_window_s=1", "packing.enabled=true"]
        words += [
            "backup.every_h=1000",
            f"bridge.data_dir={self.folder / name}",
            f"store.url={self.place.url}",
        ]
        with (
            running(config.load(overrides=words)) as bridge,
            fake_device(bridge.mqtt_port or 0, f"at-{name}") as device,
        ):
            device.find_bridge()
            self.bridges.append(bridge)
            self.devices.append(device)
            yield bridge
            self.bridges.remove(bridge)
            self.devices.remove(device)

    def delivered(self) -> list[dict[str, Any]]:
        """By either, in the order of each; a line that is being written is none yet."""
        files = [path.read_text().rpartition("\n")[0] for path in sorted(self.folder.glob("*/events.jsonl"))]
        return [json.loads(line) for lines in files for line in lines.splitlines()]


def health(bridge: Bridge) -> dict[str, Any]:
    with ExitStack() as stack:
        try:
            url = f"http://127.0.0.1:{bridge.web_port}/api/health"
            answer = stack.enter_context(urllib.request.urlopen(url, timeout=20))
        except urllib.error.HTTPError as error:  # it says what is wrong
            answer = stack.enter_context(error)
        found: dict[str, Any] = json.load(answer)
        return found


def metric(bridge: Bridge, name: str) -> str | None:
    with urllib.request.urlopen(f"http://127.0.0.1:{bridge.web_port}/metrics", timeout=20) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith(name)]
    return lines[0].split()[-1] if lines else None


DUTIES = {"retention", "packing", "backups", "alerts"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_duty_is_one_workers_and_goes_to_the_other_when_it_ends(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    pair = Pair(PostgresPlace(postgres_server.url), tmp_path)
    with ExitStack() as first:
        one = first.enter_context(pair.one("one"))
        wait_until(lambda: held(one) == DUTIES, "the first has all", WAIT_S)
        with pair.one("two") as two:
            wait_until(lambda: set(health(two)["duties"]) == DUTIES, "the other has asked for each", WAIT_S)
            assert held(one) == DUTIES and held(two) == set()
            assert metric(one, 'pixeltrail_duty{duty="retention"}') == "1.0"
            assert metric(two, 'pixeltrail_duty{duty="retention"}') == "0.0"
            first.close()
            wait_until(lambda: held(two) == DUTIES, "the other has all", WAIT_S)


def held(bridge: Bridge) -> set[str]:
    return {duty for duty, is_ours in health(bridge)["duties"].items() if is_ours}


@pytest.mark.timeout(300)
def test_a_server_that_restarts_and_connections_that_break_cost_time_alone(tmp_path: Path) -> None:
    with postgres() as server:
        pair = Pair(PostgresPlace(server.url), tmp_path)
        with pair.one("one"), pair.one("two"):
            for device in pair.devices:
                device.begin()
                device.send_picture(key=True)
            say(pair, "Before")
            wait_until(lambda: count(pair, "Before") == 2, "both were delivered", WAIT_S)
            server.kill()
            say(pair, "Meanwhile")
            server.restart()
            judge(pair, "Meanwhile")
            pair.place.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'pixeltrail%' AND pid <> pg_backend_pid()"
            )
            say(pair, "Afterwards")
            judge(pair, "Afterwards")
            told = {(event["anonymousId"], event["event"]) for event in pair.delivered()}
            names = ("Before", "Meanwhile", "Afterwards")
            assert told >= {(device.device_id, name) for device in pair.devices for name in names}
            ids = pair.place.query("SELECT count(*), count(DISTINCT message_id) FROM events")
            assert ids[0][0] == ids[0][1] and not pair.place.query("SELECT 1 FROM dead_letters")


def say(pair: Pair, name: str) -> None:
    for device in pair.devices:
        device.send(m.Track(name, {}))
        device.send_picture()


def count(pair: Pair, name: str) -> int:
    return len({event["messageId"] for event in pair.delivered() if event["event"] == name})


def judge(pair: Pair, name: str) -> None:
    """Ingest, delivery, projector and page of both go on."""
    wait_until(lambda: count(pair, name) == 2, "both were delivered", WAIT_S)
    behind = (
        "SELECT 1 FROM streams s LEFT JOIN projections p ON p.stream = s.no"
        " WHERE coalesce(p.cursor, 0) < s.watermark"
    )
    wait_until(lambda: not pair.place.query(behind), "every picture was decoded", WAIT_S)
    for bridge in pair.bridges:
        wait_until(lambda bridge=bridge: health(bridge)["ok"], "it is well", WAIT_S)
    parts = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert pair.place.query(parts)[0][0] > PARTS, "the streams are divided again"
