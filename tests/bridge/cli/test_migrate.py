"""`pixeltrail migrate` as a person types it: to PostgreSQL and S3, back, and when it is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pixeltrail_bridge.app.parts import sole_user
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.config import BridgeSettings
from pixeltrail_bridge.store.opening import open_objects
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.bridge_process import COMMAND, wait_until
from tests.support.histories import House, dump
from tests.support.s3 import BUCKET, s3_server
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace, SqlitePlace

SETTINGS = """
[bridge]
data_dir = "data"
[packing]
region = "us-east-1"
key_id = "key"
secret_file = "secret"
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a bridge that is not running, with packed sessions, users and keys of devices."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixeltrail.toml").write_text(SETTINGS)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)
    data = tmp_path / "data"
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "devices.json").write_text("{}")
    (data / "users.json").write_text("{}")
    with closing(SqliteStore(BridgeSettings(data_dir=data).database, ("jsonl",))) as store:
        house = House(store, data)
        session = house.tell("house-1", "ann", None)
        house.tell("house-1", "bob")
        house.decorate("house-1", session)
        assert house.pack()
    return data


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def command(*settings: str) -> list[str]:
    return ["migrate", *(word for one in settings for word in ("--to", one))]


def test_to_postgres_and_s3_and_back_into_another_folder(
    data: Path, endpoint: str, postgres_server: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    file = SqlitePlace(BridgeSettings(data_dir=data).database)
    place = PostgresPlace(postgres_server.url)
    before = dump(file, None)  # type: ignore[arg-type]
    objects = {path.name: path.read_bytes() for path in (data / "objects").rglob("*.ptr")}
    to = (f"store.url={place.url}", f"packing.url=s3://{BUCKET}/moved", f"packing.endpoint={endpoint}")
    assert run(command(*to)) == 0
    said = capsys.readouterr().out
    assert f'url = "s3://{BUCKET}/moved"' in said and f'[store]\nurl = "{place.url}"' in said
    s3 = open_objects(data, f"s3://{BUCKET}/moved", endpoint, "us-east-1", "key", "secret")
    assert {f"{name}.ptr": s3.get(name, 0, 1 << 20) for name in s3.names()} == objects

    assert run(["up"]) == 2
    assert "has moved to postgresql://" in capsys.readouterr().err

    there = [word for one in to for word in ("--set", one)]
    assert run([*command("store.url=", "packing.url=", "bridge.data_dir=back"), *there]) == 0
    back = data.parent / "back"
    assert "copied: " in capsys.readouterr().out and (back / "users.json").read_text() == "{}"
    assert (back / "keys" / "devices.json").exists()
    assert {path.name: path.read_bytes() for path in (back / "objects").rglob("*.ptr")} == objects
    after = dump(SqlitePlace(BridgeSettings(data_dir=back).database), None)  # type: ignore[arg-type]
    assert {name: rows for name, rows in after.items() if name != "sqlite_sequence"} == {
        name: rows for name, rows in before.items() if name != "sqlite_sequence"
    }


def test_an_old_store_is_taken_back(
    data: Path, postgres_server: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    place = PostgresPlace(postgres_server.url)
    assert run(["migrate", "--take-back"]) == 2
    assert "has not moved anywhere" in capsys.readouterr().err
    assert run(command(f"store.url={place.url}")) == 0
    assert run(command(f"store.url={place.url}")) == 2
    assert "has moved to" in capsys.readouterr().err
    assert run(["migrate", "--take-back"]) == 0
    assert run(["sessions"]) == 0
    assert run(command(f"store.url={place.url}")) == 2
    assert "holds recordings already" in capsys.readouterr().err


def test_what_is_no_move_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, remedy in (
        (["migrate"], "name where to"),
        (command("bridge.data_dir=other"), "use `pixeltrail backup`"),
        (command("store.url=postgresql://me@db.example/x"), "Add ?sslmode=verify-full"),
        (
            [*command("store.url=postgresql://me@localhost/x"), "--set", "bridge.data_dir=none"],
            "no recordings",
        ),
        (command("store.url=mysql://x"), "begins postgresql://"),
    ):
        assert run(words) == 2
        assert remedy in capsys.readouterr().err
    with sole_user(data, "migrate"):
        assert run(command("store.url=postgresql://me@localhost/x")) == 2
    assert "another migrate is running" in capsys.readouterr().err


def test_it_waits_until_the_bridge_lets_go(data: Path, postgres_server: Postgres, tmp_path: Path) -> None:
    place = PostgresPlace(postgres_server.url)
    log = tmp_path / "said"
    with sole_user(data), log.open("wb") as out:
        words = [sys.executable, "-u", *COMMAND, *command(f"store.url={place.url}")]
        mover = subprocess.Popen(words, stdout=out, cwd=tmp_path)
        try:
            wait_until(lambda: "Now stop the bridge" in log.read_text(), "it waits", 100)
            assert mover.poll() is None
        except BaseException:
            mover.kill()
            raise
    assert mover.wait(100) == 0
    assert "Both sides are the same" in log.read_text()
