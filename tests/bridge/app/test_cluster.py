"""What is refused before anything of a cluster begins, each with what to set instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import cluster
from pixeltrail_bridge.app.worker import Worker
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.store.sqlite import SqliteStore

NATS, STORE = "cluster.nats_urls=nats://127.0.0.1:4222", "store.url=postgresql://me@127.0.0.1/db"


@pytest.mark.parametrize("role", ["all", "worker", "viewer"])
def test_a_cluster_with_a_shared_database_may_begin(role: str) -> None:
    cluster.check(config.load(overrides=[NATS, STORE, f"bridge.role={role}"]))


def test_one_box_may_begin() -> None:
    settings = config.load()
    cluster.check(settings)
    assert cluster.make_link(settings) is None


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["bridge.role=worker"], "set cluster.nats_urls"),
        ([NATS], "set store.url"),
        ([NATS, STORE, "bridge.role=viewer", "web.enabled=false"], "nothing is left to do"),
        ([NATS, STORE, "packing.enabled=true"], "set packing.url"),
        ([STORE, "cluster.nats_urls=nats://me:secret@127.0.0.1"], "cluster.password_file"),
        ([STORE, "cluster.nats_urls=nats://nats.example.com"], "Write tls://"),
        ([NATS, STORE, "cluster.user=me", "cluster.credentials_file=x.creds"], "leave one of them out"),
        ([NATS, STORE, "cluster.stream=pixel.trail"], "expected letters"),
        (["mqtt.share=workers"], "set mqtt.url"),
        (["mqtt.share=workers", "mqtt.url=mqtt://127.0.0.1"], "set store.url"),
        (["mqtt.share=a/b", "mqtt.url=mqtt://127.0.0.1", STORE], "a name without"),
    ],
)
def test_what_cannot_work_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cluster.check(config.load(overrides=overrides))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["cluster.nats_urls=mqtt://127.0.0.1:1883"], "nats://host:4222"),
        ([NATS, "cluster.credentials_file=none.creds"], "no such file"),
        ([NATS, "cluster.ca_file=ca.pem"], "write tls://"),
        (["cluster.nats_urls=tls://127.0.0.1", "cluster.ca_file=none.pem"], r"cluster\.ca_file = "),
        (["cluster.nats_urls=tls://127.0.0.1", "cluster.key_file=none.pem"], r"cluster\.cert_file"),
    ],
)
def test_what_is_no_server_and_no_file_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cluster.make_link(config.load(overrides=overrides))


def test_settings_of_the_stream_reach_it(tmp_path: Path) -> None:
    given = ["cluster.max_gb=0.5", "cluster.max_age_h=2", "cluster.ack_wait_s=7", "cluster.replicas=3"]
    found = cluster.stream_settings(config.load(overrides=given))
    assert (found.max_bytes, found.max_age_s, found.ack_wait_s, found.replicas) == (1 << 29, 7_200, 7, 3)
    assert (found.stream, found.consumer, found.max_ack_pending) == ("pixeltrail", "bridge", 20_000)


def test_a_worker_knows_whether_the_stream_reaches_it(tmp_path: Path) -> None:
    """It lets its parts go where it does not (division.py); other ways to devices are its own."""
    settings = config.load(overrides=[NATS, STORE, f"bridge.data_dir={tmp_path}"])
    store, link = SqliteStore(tmp_path / "db"), cluster.make_link(settings)
    assert link is not None
    worker = Worker(settings, store, (), link)
    assert worker._hears_devices(), "nothing is said yet"
    worker.ingest.note(LinkState("serial /dev/ttyACM0", False))
    assert worker._hears_devices()
    for is_up in (True, False, True):
        worker.ingest.note(LinkState(f"nats {link.login.place}", is_up))
        assert worker._hears_devices() is is_up
    link.stop()
    store.close()
