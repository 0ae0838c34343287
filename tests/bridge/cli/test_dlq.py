"""`pixeltrail dlq`, beside a bridge that runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import FakeDevice, fake_device, wait_for
from tests.support.segment_server import SegmentServer
from tests.support.segment_server import running as segment

DEVICE = "test-espresso"
Cli = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[SegmentServer]:
    with segment(write_key="k") as server:
        yield server


@pytest.fixture
def bridge(
    tmp_path: Path, server: SegmentServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Bridge, FakeDevice]]:
    """A running bridge whose device sent a call that nobody may see, and an event that is too large for Segment."""
    (tmp_path / "key").write_text("k")
    (tmp_path / "pixeltrail.toml").write_text(
        '[bridge]\ndata_dir = "data"\n[mqtt]\nport = 0\n[web]\nenabled = false\n'
        f'[segment]\nwrite_key_file = "key"\nhost = "{server.url}"\n'
    )
    monkeypatch.chdir(tmp_path)
    with running(config.load(tmp_path / "pixeltrail.toml")) as bridge:
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            server.refuse_ids.clear()
            yield bridge, device


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["dlq", *arguments]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    return call


def dead(bridge: Bridge, count: int) -> None:
    wait_for(lambda: len(bridge.store.dead_deliveries()) == count, f"{count} dead deliveries")


def test_an_event_that_was_refused_is_shown_sent_again_and_arrives(
    bridge: tuple[Bridge, FakeDevice], server: SegmentServer, cli: Cli
) -> None:
    up, device = bridge
    assert "no dead letters" in cli("list")
    server.refuse_ids.add(_next_id(device))
    device.send(m.Track("Brew \x1b[31mStarted", {"cups": 2}))
    dead(up, 1)
    listed = cli("list")
    assert DEVICE in listed and "segment" in listed and "refused the event" in listed
    (one,) = map(json.loads, cli("list", "--json").splitlines())
    assert (one["device"], one["kind"], one["id"][0]) == (DEVICE, "segment", "e")
    shown = cli("show", one["id"])
    assert "\x1b" not in shown and "cups" in shown and "messageId" in shown
    server.refuse_ids.clear()
    assert json.loads(cli("retry", one["id"], "--json"))["events_queued"] == 1
    wait_for(lambda: any(e.get("event", "").startswith("Brew") for e in server.events), "the event")
    wait_for(lambda: up.store.pending("segment") == 0, "its mark")
    assert "no dead letters" in cli("list")


def _next_id(device: FakeDevice) -> str:
    from pixeltrail_bridge.mapping.calls import message_id

    return message_id(DEVICE, device.stream, device._seq, 0)


def test_filters_counts_and_purge(bridge: tuple[Bridge, FakeDevice], cli: Cli) -> None:
    up, device = bridge
    device.send(m.Track("[Amplitude] Mine", {}))
    device.send(m.Group("", {}))
    wait_for(lambda: len(up.store.dead_letters()) == 2, "two dead letters")
    assert "Amplitude" in cli("list", "--reason", "amplitude's OWN", "--device", DEVICE)
    assert "no dead letters" in cli("list", "--device", "somebody")
    assert len(cli("list", "--kind", "call", "--json").splitlines()) == 2
    assert len(cli("list", "-n", "1", "--json").splitlines()) == 1
    printed = cli("retry", "--all")
    assert "2 stay dead letters" in printed and "give it one" in printed
    assert json.loads(cli("purge", "--reason", "group ID", "--json")) == {
        "messages": 1,
        "events": 0,
        "pieces": 0,
    }
    (left,) = map(json.loads, cli("list", "--json").splitlines())
    assert "Deleted 1 messages" in cli("purge", left["id"])
    assert up.store.counters(DEVICE)[DEVICE]["dead_letters_purged"] == 2
    device.send(m.Track("Still Running", {}))
    wait_for(
        lambda: any(one.event == "Still Running" for one in up.store.events(limit=1_000)), "the next event"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["retry"], "--all"),
        (["purge"], "--all"),
        (["show"], "dlq list"),
        (["retry", "m99"], "no dead letter m99"),
        (["purge", "x", "e1"], "no dead letter e1, x"),
    ],
)
def test_a_mistake_is_a_sentence(
    bridge: tuple[Bridge, FakeDevice], cli: Cli, arguments: list[str], text: str
) -> None:
    assert text in cli(*arguments, code=2)


def test_without_recordings(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "pixeltrail up" in cli("list", code=2)
