"""Both places for objects keep what they are given; S3 is judged by moto's server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import S3Store
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.store.objects import (
    FolderObjects,
    ObjectError,
    Objects,
    S3Objects,
    probe,
    scratch_file,
)
from pixeltrail_bridge.store.opening import open_objects

from tests.bridge.store.test_packing import LATER_MS, everything, record
from tests.support.s3 import BUCKET, s3_server
from tests.support.stores import SqlitePlace

NAME = "ab" * 20


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def s3(endpoint: str, folder: Path, prefix: str = "/some/prefix") -> S3Objects:
    given = {"endpoint": endpoint, "region": "us-east-1", "key_id": "key", "secret": "secret"}
    return S3Objects(f"s3://{BUCKET}{prefix}", scratch=folder / "packing", **given)


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "folder":
        return FolderObjects(tmp_path / "objects")
    return s3(request.getfixturevalue("endpoint"), tmp_path)


def put(objects: Objects, name: str, data: bytes) -> None:
    with scratch_file(objects) as file:
        file.write(data)
        file.flush()
        objects.put(name, Path(file.name))


def test_what_is_put_can_be_read_in_parts(objects: Objects) -> None:
    data = bytes(range(256)) * 40_000  # larger than one request takes
    put(objects, NAME, data)
    put(objects, NAME, data)
    assert objects.get(NAME, 0, 10) == data[:10]
    assert objects.get(NAME, 9_000_001, 9_000_301) == data[9_000_001:9_000_301]
    objects.delete(NAME)
    objects.delete(NAME)
    with pytest.raises(ObjectError, match="cannot be read.*packed recordings lie there"):
        objects.get(NAME, 0, 10)


def test_a_probe_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    probe(objects)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_check_says_whether_the_place_will_do(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIXELTRAIL_PACKING__SECRET", "secret")

    def check(*settings: str) -> tuple[int, str]:
        named = ("packing.enabled=true", "mqtt.port=0", "web.port=0", *settings)
        code = run(["check", *(word for one in named for word in ("--set", one))])
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "packing" in line]
        return code, line

    assert check() == (
        0,
        f"ok     packing: {tmp_path / 'pixeltrail-data' / 'objects'}, 24 h after a session's end",
    )
    at_s3 = ("packing.url=s3://recordings/x", "packing.region=us-east-1", "packing.key_id=key")
    assert check(*at_s3, f"packing.endpoint={endpoint}")[0] == 0
    code, line = check(*at_s3, "packing.endpoint=http://127.0.0.1:9")
    assert code == 1 and line.startswith("FAULT  packing: s3://recordings/x cannot be written")
    assert "secret" not in line
    assert check("packing.url=ftp://x")[0] == 1


def test_the_doctor_says_what_waits_for_a_store_that_refuses(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIXELTRAIL_PACKING__SECRET", "secret")

    def doctor(bucket: str, *settings: str) -> str:
        named = (f"packing.url=s3://{bucket}/x", "packing.region=us-east-1", "packing.key_id=key", *settings)
        named = ("packing.enabled=true", "mqtt.port=0", f"packing.endpoint={endpoint}", *named)
        run(["doctor", *(word for one in named for word in ("--set", one))])
        return next(line for line in capsys.readouterr().out.splitlines() if "packing" in line)

    assert doctor(BUCKET) == f"ok     packing: s3://{BUCKET}/x, 24 h after a session's end"
    line = doctor("nowhere")
    assert line.startswith("FAULT  packing: s3://nowhere/x cannot be written")
    assert (
        "packed recordings lie there. Until it can, others stay in the database" in line
        and "check packing.url" in line
    )


def test_nothing_of_a_scratch_file_is_left(objects: Objects) -> None:
    put(objects, NAME, b"data")
    with pytest.raises(ZeroDivisionError), scratch_file(objects) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert not list(objects.scratch().glob("*.part"))


def test_sessions_are_packed_into_s3_and_read_from_there(endpoint: str, tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path / "pixeltrail.db").open()
    record(store, 60)
    before = everything(store)
    store.packs.objects = s3(endpoint, tmp_path, "/fleet")
    packer = Packer(store, store.packs.objects, 0, lambda: LATER_MS)
    while packer.turn():
        pass
    assert packer.packed == 2 and everything(store) == before
    bucket = S3Store(
        BUCKET, endpoint=endpoint, access_key_id="key", secret_access_key="secret", region="us-east-1",
        client_options={"allow_http": True},
    )  # fmt: skip
    names = [entry["path"] for page in bucket.list() for entry in page if entry["path"].startswith("fleet/")]
    assert len(names) == 2 and all(
        name.endswith(".ptr") and len(name) == len("fleet/") + 44 for name in names
    )
    store.close()


def test_a_service_that_is_away_loses_nothing(tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path / "pixeltrail.db").open()
    record(store, 10)
    before = everything(store)
    away = s3("http://127.0.0.1:9", tmp_path)
    with pytest.raises(ObjectError, match="s3://recordings/some/prefix cannot be written"):
        Packer(store, away, 0, lambda: LATER_MS).turn()
    assert everything(store) == before
    store.close()


def test_a_wrong_address_says_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://example.org/x", "s3://", "s3://key:secret@bucket/x", "gs://bucket"):
        with pytest.raises(ConfigError, match="expected s3://bucket/prefix"):
            open_objects(tmp_path, url)
    assert open_objects(tmp_path).place == str(tmp_path / "objects")
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"pip install 'pixeltrail\[s3\]'"):
        open_objects(tmp_path, "s3://bucket/x")
