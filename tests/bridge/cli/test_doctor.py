"""`pixeltrail doctor` names what is wrong, in a running bridge and in what one left, and what to do about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge import config
from pixeltrail_bridge.app import diagnosis, running
from pixeltrail_bridge.app.diagnosis import duration
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.store.base import DeviceRow, StreamSave
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.support.segment_server import SegmentServer
from tests.support.segment_server import running as segment
from tests.support.services import free_port, mosquitto

DEVICE = "test-espresso"
Doctor = Callable[..., dict[str, list[dict[str, str]]]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs it with settings; gives the findings by what they are about, and checks the exit code against them."""

    def call(*settings: str) -> dict[str, list[dict[str, str]]]:
        capsys.readouterr()
        code = run(["doctor", "--json", *(word for one in settings for word in ("--set", one))])
        findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert code == any(one["level"] == "fault" for one in findings)
        found: dict[str, list[dict[str, str]]] = {}
        for one in findings:
            found.setdefault(one["what"], []).append(one)
        return found

    return call


def faults(found: dict[str, list[dict[str, str]]]) -> str:
    return "\n".join(
        f"{one['what']}: {one['text']}" for some in found.values() for one in some if one["level"] == "fault"
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of a bridge that ended well."""
    data = tmp_path_factory.mktemp("doctor") / "data"
    base = [f"bridge.data_dir={data}", "mqtt.port=0", "web.enabled=false"]
    with running(config.load(overrides=base)) as bridge:
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            device.send(m.Track("Brew Started", {}))
            wait_for(lambda: any(e.event == "Brew Started" for e in bridge.store.events()), "the event")
            wait_for(lambda: bridge.store.pending("jsonl") == 0, "its delivery")
    return data


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(data / config.DATABASE_NAME, ["segment"])
    yield store
    store.close()


def test_before_the_first_start(doctor: Doctor) -> None:
    found = doctor("mqtt.port=0")
    assert faults(found) == ""
    assert "pixeltrail up" in found["store"][0]["text"] and found["bridge"][0]["text"] == "not running"


def test_a_bridge_that_ended_well(data: Path, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor(f"bridge.data_dir={data}")
    assert faults(found) == ""
    levels = {what: some[0]["level"] for what, some in found.items()}
    assert levels == {
        "data": "ok", "bridge": "note", "disk": "ok", "store": "ok", "sink jsonl": "ok", "dead letters": "ok",
        "gaps": "ok", "retention": "ok", "devices": "ok", "clock": "ok",
    }  # fmt: skip
    assert run(["doctor", "--set", f"bridge.data_dir={data}"]) == 0
    assert "ok     dead letters: none" in capsys.readouterr().out


def test_dead_letters_and_gaps_by_reason(store: SqliteStore, data: Path, doctor: Doctor) -> None:
    from pixeltrail_bridge.sessions.state import GapRow

    stream = store.streams(DEVICE)[0].stream

    def spoil(tx):
        for number in range(3):
            tx.add_dead_letter(DEVICE, "record", "a track event must be text", b"%d" % number, 1, stream, 1)
        tx.add_dead_letter(DEVICE, "conflict", "came with other bytes", b"x", 1, stream, 2)
        tx.put_gaps([GapRow(DEVICE, 1, stream, 9, 0, 3, 5, 4, 0, 0, 1, 1)])

    store.commit_batch(spoil)
    found = doctor(f"bridge.data_dir={data}")
    assert [one["level"] for one in found["dead letters"]] == ["fault", "fault"]
    assert "3 of record: a track event must be text" in found["dead letters"][0]["text"]
    assert "pixeltrail dlq list --kind record" in found["dead letters"][0]["text"]
    assert (found["gaps"][0]["level"], "1 because of outbox full" in found["gaps"][0]["text"]) == (
        "note",
        True,
    )


def test_a_sink_that_nobody_makes_any_more_and_a_folder_in_use(
    store: SqliteStore, data: Path, doctor: Doctor
) -> None:
    from tests.bridge.sinks.rows import call

    store.commit_batch(lambda tx: tx.enqueue_calls([call(1, DEVICE)]))
    with running(config.load(overrides=[f"bridge.data_dir={data}", "mqtt.port=0", "web.enabled=false"])):
        found = doctor(f"bridge.data_dir={data}", "mqtt.port=0", "web.enabled=false")
    assert found["bridge"][0]["text"] == "running"
    assert found["sink segment"][0]["level"] == "note" and "add it again" in found["sink segment"][0]["text"]


def test_a_damaged_store(data: Path, doctor: Doctor) -> None:
    database = data / config.DATABASE_NAME
    raw = bytearray(database.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    database.write_bytes(raw)
    assert "store" in faults(doctor(f"bridge.data_dir={data}"))


def test_things_that_are_not_there(data: Path, doctor: Doctor) -> None:
    found = faults(doctor(f"bridge.data_dir={data}", "serial.ports=/dev/none", "mqtt.url=mqtt://127.0.0.1:1"))
    assert "plugged in" in found and "mqtt.url" in found


@pytest.fixture(scope="module")
def server() -> Iterator[SegmentServer]:
    with segment(write_key="k") as server:
        yield server


def test_a_running_bridge_whose_key_is_refused(server: SegmentServer, tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "key").write_text("wrong")
    settings = [
        *("bridge.data_dir=data", f"web.port={free_port()}", f"mqtt.port={free_port()}"),
        *("segment.write_key_file=key", f"segment.host={server.url}"),
    ]
    with (
        running(config.load(overrides=settings)) as bridge,
        fake_device(bridge.mqtt_port or 0, DEVICE) as device,
    ):
        device.find_bridge()
        device.begin()
        device.send(m.Track("Brew Started", {}))
        wait_for(lambda: bridge.delivery.health["segment"].alarm, "the alarm")
        found = doctor(*settings)
    assert "check segment.write_key" in found["sink segment"][0]["text"]
    assert "tried again in" in found["sink segment"][0]["text"]
    # In its own words, through its page
    assert any("segment.write_key" in one["text"] for one in found["bridge"])
    assert found["broker"][0]["level"] == found["bridges"][0]["level"] == "ok"
    assert "wrong" not in json.dumps(found)


def test_another_bridge_on_the_broker(data: Path, doctor: Doctor) -> None:
    with mosquitto() as broker:
        rival = paho.Client(CallbackAPIVersion.VERSION2)
        rival.connect("127.0.0.1", broker.port)
        rival.loop_start()
        rival.publish("pt/v1/_bridge/0011223344556677", b"x", retain=True).wait_for_publish(10)
        found = doctor(f"bridge.data_dir={data}", f"mqtt.url=mqtt://127.0.0.1:{broker.port}")
        rival.disconnect()
        rival.loop_stop()
    assert (
        "0011223344556677" in found["bridges"][0]["text"]
        and "stop one of the two" in found["bridges"][0]["text"]
    )


# ---- pure parts

NOW_MS = 1_767_323_045_000


def device(name: str, seen_ms: int) -> DeviceRow:
    return DeviceRow(name, 0, seen_ms, True, b"{}", None, None, 0)


def test_silent_devices_are_named_the_latest_first() -> None:
    devices = [device(f"device-{n}", NOW_MS - n * 60_000) for n in range(9)]
    found = diagnosis.check_silence(devices, NOW_MS)
    assert found.level == "note"
    assert found.text.startswith("7 of 9 are silent: device-2 for 2 min, device-3 for 3 min")
    assert found.text.endswith("and 2 more")
    assert diagnosis.check_silence(devices[:1], NOW_MS).level == "ok"


def test_clocks(store: SqliteStore) -> None:
    from pixeltrail_bridge.sessions.clock import TimeLine
    from pixeltrail_bridge.sessions.state import StreamState

    def judge(line: TimeLine, state: StreamState, now_ms: int, seen_ms: int = 0) -> list[tuple[str, str]]:
        import msgspec

        (row,) = store.streams(DEVICE)
        store.commit_batch(
            lambda tx: tx.save_streams(
                [StreamSave(row.number, 1, msgspec.json.encode(state), msgspec.json.encode(line), 0)]
            )
        )
        return [
            (one.level, one.text) for one in diagnosis.check_clocks(store, [device(DEVICE, seen_ms)], now_ms)
        ]

    good = TimeLine()
    good.observe(0, NOW_MS)
    jumped = TimeLine()
    jumped.observe(0, NOW_MS)
    jumped.observe(60_000, NOW_MS)
    assert judge(good, StreamState(), NOW_MS) == [("ok", "every device's time is known")]
    assert "never set" in judge(good, StreamState(), 5_000)[0][1]
    assert "heard in the future" in judge(good, StreamState(), NOW_MS, NOW_MS + 120_000)[0][1]
    assert "estimated" in judge(TimeLine(), StreamState(), NOW_MS)[0][1]
    assert "jumped 1 times" in judge(jumped, StreamState(), NOW_MS)[0][1]
    off = judge(good, StreamState(epoch_offset_ms=NOW_MS - 7_200_000), NOW_MS)
    assert off == [("note", f"{DEVICE}: its own clock is 2 h off this machine's")]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 s"), (95_000, "95 s"), (720_000, "12 min"), (10_800_000, "3 h"), (4 * 86_400_000, "4 days")],
)
def test_duration(ms: int, text: str) -> None:
    assert duration(ms) == text
