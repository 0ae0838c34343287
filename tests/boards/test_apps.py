"""The apps of the simulated boards run, draw and end by themselves, and their recording is what they showed."""

from __future__ import annotations

import io
from pathlib import Path

import cbor2
import pytest
from pixeltrail_bridge.app import running
from pixeltrail_bridge.config.table import BridgeSettings, Config, MqttSettings, SerialSettings, WebSettings
from pixeltrail_bridge.replay.timeline import Timeline
from pixeltrail_bridge.simulate import board_names, serial_board
from pixeltrail_bridge.wire import messages
from pixeltrail_bridge.wire.decode import decode_uplink

from tests.support.harness import Picture, Replay, judge_paced_frames, replay_of

from .snapshots import PANELS, run, sheet

_SECONDS = 3.2


def chunks(path: Path) -> list[messages.Chunk]:
    """The chunks in a file of messages."""
    data = path.read_bytes()
    stream = io.BytesIO(data)
    found = []
    while stream.tell() < len(data):
        start = stream.tell()
        # one byte at a time, or the decoder would read ahead
        cbor2.CBORDecoder(stream, read_size=1).decode()
        message = decode_uplink(data[start : stream.tell()])
        if isinstance(message, messages.Chunk):
            found.append(message)
    return found


def test_every_simulated_board_has_its_panel_here() -> None:
    assert sorted(PANELS) == board_names()


@pytest.mark.parametrize("board", PANELS)
def test_the_recording_is_what_the_app_showed(board: str, tmp_path: Path) -> None:
    path, shown = run(board, tmp_path, _SECONDS)
    timeline = Timeline()
    replay = Replay([], [])
    records = []
    for chunk in chunks(path):
        for moment in timeline.feed(chunk):
            records.append(moment.body)
            if moment.error:
                replay.errors.append(moment.error)
            if moment.shown and timeline.canvas:
                replay.pictures.append(Picture(moment, bytes(timeline.canvas.picture)))

    judge_paced_frames(replay, shown)
    assert len(set(shown)) > 10
    assert isinstance(records[0], messages.Hello) and isinstance(records[1], messages.Display)
    assert any(isinstance(record, messages.Screen) for record in records)
    assert not any(isinstance(record, messages.Gap | messages.Bad) for record in records)
    assert sheet(board, shown).getbbox() is not None


def test_the_thermostat_tells_of_touches_and_changes(tmp_path: Path) -> None:
    path, _ = run("sim", tmp_path, _SECONDS)
    records = [record.body for chunk in chunks(path) for record in chunk.records]
    events = [record for record in records if isinstance(record, messages.Track)]
    assert [event.properties["to"] for event in events[:2]] == [21.5, 22.0]
    phases = [record.phase for record in records if isinstance(record, messages.Touch)]
    assert phases[:4] == [0, 2, 0, 2]


def test_the_espresso_machine_reaches_a_bridge_over_a_serial_line(tmp_path: Path) -> None:
    with serial_board("sim-oled", "sim-oled-1", duration_s=2, output=tmp_path / "log") as (board, path):
        config = Config(
            bridge=BridgeSettings(data_dir=tmp_path / "bridge"),
            mqtt=MqttSettings(enabled=False),
            serial=SerialSettings(ports=(path,)),
            web=WebSettings(enabled=False),
        )
        with running(config) as bridge:
            assert board.wait(30) == 0, (tmp_path / "log").read_text()
            replay = replay_of(bridge.store, "sim-oled-1")
            events = [row.event or row.type for row in bridge.store.events("sim-oled-1")]
    assert len(replay.pictures) > 5 and not replay.errors
    assert "Warm Up" in events
