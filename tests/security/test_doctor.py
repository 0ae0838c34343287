"""`doctor` and `check` still see everything where the page asks for a login and the broker for a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.keys.authority import Authority
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.web.users import Users

from tests.security.kit import LOOPBACK, bridge, is_serving, wait_until
from tests.support.services import free_ports


def test_doctor_asks_page_and_broker_as_one_who_may(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.add("kitchen-01", 0)
    Authority.make(ring.folder).issue_server([LOOPBACK])
    Users(tmp_path / "users.json").add("ada", "admin", "the password of ada")
    web, broker = free_ports(2)
    beyond = (f"web.port={web}", f"mqtt.port={broker}", "web.host=0.0.0.0", "mqtt.host=0.0.0.0")
    with bridge(tmp_path, *beyond) as one:
        wait_until(lambda: is_serving(one))
        words = [word for value in (f"bridge.data_dir={tmp_path}", *beyond) for word in ("--set", value)]
        status = run(["doctor", *words])
        printed = " ".join(capsys.readouterr().out.split())
    assert "mqtts://127.0.0.1" in printed and "can be reached and trusted" in printed
    assert "no other bridge serves" in printed
    assert "does not answer" not in printed and "could not be asked" not in printed, printed
    assert "is good for" in printed
    assert status == 0, printed
