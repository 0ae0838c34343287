"""The file of keys that devices sign with, the commands that change it, and a running bridge's look at it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from pixeltrail_bridge.cli import app
from pixeltrail_bridge.errors import ConfigError, LocalError
from pixeltrail_bridge.keys.signing import SIGNING_NAME, SigningKeys, SigningRing, key_text
from typer.testing import CliRunner

DEVICE = "kitchen-01"


def test_a_key_is_32_bytes_that_nobody_else_has(tmp_path: Path) -> None:
    ring = SigningRing(tmp_path)
    made = [ring.add(f"kitchen-{number}", 5) for number in range(5)]
    assert len({key.secret for key in made}) == 5
    assert all(len(bytes.fromhex(key.secret)) == 32 and key.number == 1 for key in made)
    assert key_text(made[0]) == f"1:{made[0].secret}"


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    SigningRing(tmp_path / "keys").add(DEVICE, 5)
    for path in (tmp_path / "keys", tmp_path / "keys" / SIGNING_NAME):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_two_keys_hold_while_one_is_changed(tmp_path: Path) -> None:
    ring, clock = SigningRing(tmp_path), iter(range(0, 1_000, 10))
    look = SigningKeys(tmp_path, lambda: next(clock))
    assert look(DEVICE) is None
    first = ring.add(DEVICE, 5)
    second = ring.rotate(DEVICE, 6)
    found = look(DEVICE)
    assert found is not None and not found.is_required
    assert found.keys == {1: bytes.fromhex(first.secret), 2: bytes.fromhex(second.secret)}
    ring.finish(DEVICE)
    found = look(DEVICE)
    assert found is not None and found.keys == {2: bytes.fromhex(second.secret)}
    assert ring.rotate(DEVICE, 7).number == 3, "a number is not used again soon"


def test_numbers_begin_anew_behind_the_last(tmp_path: Path) -> None:
    ring = SigningRing(tmp_path)
    ring.add(DEVICE, 0)
    numbers = set()
    for _ in range(300):
        numbers.add(ring.rotate(DEVICE, 0).number)
        ring.finish(DEVICE)
    assert numbers == set(range(1, 256))


def test_nothing_but_a_rule_takes_the_demand_back(tmp_path: Path) -> None:
    ring, clock = SigningRing(tmp_path), iter(range(0, 1_000, 10))
    ring.add(DEVICE, 5)
    ring.set_rule(DEVICE, True)
    look = SigningKeys(tmp_path, lambda: next(clock))
    for change in (
        lambda: ring.rotate(DEVICE, 6),
        lambda: ring.finish(DEVICE),
        lambda: ring.revoke(DEVICE),
        lambda: ring.add(DEVICE, 7),
    ):
        change()
        found = look(DEVICE)
        assert found is not None and found.is_required
    ring.set_rule(DEVICE, False)
    found = look(DEVICE)
    assert found is not None and not found.is_required
    ring.forget(DEVICE)
    assert look(DEVICE) is None


def test_of_a_device_whose_keys_are_revoked_nothing_holds(tmp_path: Path) -> None:
    ring = SigningRing(tmp_path)
    ring.add(DEVICE, 5)
    ring.revoke(DEVICE)
    found = SigningKeys(tmp_path)(DEVICE)
    assert found is not None and found.is_required and not found.keys


def test_the_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    now_s = 0.0
    ring = SigningRing(tmp_path)
    look = SigningKeys(tmp_path, lambda: now_s)
    ring.add(DEVICE, 5)
    now_s = 0.9
    assert look(DEVICE) is None
    now_s = 1.0
    assert look(DEVICE) is not None


@pytest.mark.parametrize(
    "spoilt",
    ["{", '{"devices": 1}', '{"devices":{"d":{"keys":[{"number":1,"made_ms":1,"secret":"x"}],"next":2}}}'],
)
def test_a_file_that_cannot_be_read_opens_nothing(tmp_path: Path, spoilt: str) -> None:
    ring, clock = SigningRing(tmp_path), iter(range(0, 1_000, 10))
    ring.add(DEVICE, 5)
    ring.set_rule(DEVICE, True)
    look = SigningKeys(tmp_path, lambda: next(clock))
    ring.path.write_text(spoilt)
    found = look(DEVICE)
    assert found is not None and found.is_required, "what was known before holds"
    with pytest.raises(LocalError, match="restore it"):
        SigningKeys(tmp_path)


def test_what_makes_no_sense_is_said(tmp_path: Path) -> None:
    ring = SigningRing(tmp_path)
    with pytest.raises(ConfigError, match="no device ID"):
        ring.add("../x", 5)
    for change in (ring.finish, ring.revoke, ring.forget, lambda one: ring.rotate(one, 5)):
        with pytest.raises(ConfigError, match="no key to sign with"):
            change(DEVICE)
    ring.add(DEVICE, 5)
    with pytest.raises(ConfigError, match="rotate"):
        ring.add(DEVICE, 5)
    with pytest.raises(ConfigError, match="not between two"):
        ring.finish(DEVICE)
    ring.rotate(DEVICE, 5)
    with pytest.raises(ConfigError, match="--finish"):
        ring.rotate(DEVICE, 5)


def test_by_command(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["keys", "signing", *words, "--set", f"bridge.data_dir={tmp_path}"])
        assert done.exit_code == 0, done.output
        return done.stdout

    first = run("add", DEVICE)
    assert first.startswith('link = pixeltrail.signed(link, "1:')
    run("require", DEVICE)
    out = tmp_path / "out"
    run("rotate", DEVICE, "--out", str(out))
    (two,) = (
        SigningKeys(tmp_path / "keys")(DEVICE).keys.items()
        - {  # type: ignore[union-attr]
            (1, bytes.fromhex(first.split(":")[1][:64]))
        }
    )
    assert (out / "signing.key").read_text() == f"2:{two[1].hex()}\n"
    assert not (out / "signing.key").stat().st_mode & 0o077
    assert json.loads(run("list", "--json")) == {"device_id": DEVICE, "keys": [1, 2], "required": True}
    assert two[1].hex() not in run("list") + run("list", "--json")
    run("rotate", DEVICE, "--finish")
    run("revoke", DEVICE)
    assert "must sign" in run("list")
    run("accept", DEVICE)
    assert "may sign" in run("list")
    run("off", DEVICE)
    assert run("list", "--json") == ""
