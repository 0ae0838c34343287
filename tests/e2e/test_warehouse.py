"""Out through Segment, back from its exports: a recording that was sent inline is imported into an empty bridge.

Once with every kind of record, into both kinds of store; once from a simulated board with the device library itself.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.app import running
from pixeltrail_bridge.config.sending import EventsSettings, SegmentSettings
from pixeltrail_bridge.config.table import BridgeSettings, Config, MqttSettings, WebSettings
from pixeltrail_bridge.config.values import Secret
from pixeltrail_bridge.ingest import Arrival
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire.messages import PixelFormat, Touch

from tests.bridge.mapping.build import DEVICE
from tests.support import corpus, every_kind, segment_server, warehouse
from tests.support.bridge_process import COMMAND, wait_until
from tests.support.film import Camera, Device
from tests.support.harness import judge_every_frame, opened, replay_of
from tests.support.stores import Place, PostgresPlace, SqlitePlace

from .rig import rig

KEY = "test-write-key"
BOARD = "inline-board"
LIVE = "live-device"
SEQUENCE = "mono_invaders"
_UNTOLD = (
    "SELECT count(*) FROM streams s LEFT JOIN projections p ON p.stream = s.no"
    " WHERE coalesce(p.cursor, 0) < s.watermark"
)


class Silent:
    def send(self, device_id: str, data: bytes) -> bool:
        return True


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqlStore, list[warehouse.Event]]]:
    """A session with every kind of record has gone through a bridge to Segment: the store, and what Segment has."""
    folder = tmp_path_factory.mktemp("original")
    with segment_server.running(write_key=KEY) as server:
        config = Config(
            bridge=BridgeSettings(data_dir=folder),
            mqtt=MqttSettings(port=0),
            web=WebSettings(enabled=False),
            segment=SegmentSettings(write_key=Secret(KEY), host=server.url),
            events=EventsSettings(display_events="inline", display_window_s=1, device_events=True),
        )
        messages = [*every_kind.first_stream(), *every_kind.second_stream()]
        with running(config) as bridge:
            for at_ms, data in messages:
                assert bridge.ingest.receive(Arrival(DEVICE, data, at_ms, Silent()))
            store = bridge.store

            def is_out() -> bool:
                return not store._all(_UNTOLD)[0][0] and not store.pending("segment") and bool(server.events)

            wait_until(lambda: bridge.ingest.health.messages >= len(messages), "all were committed", 60)
            wait_until(is_out, "everything was sent", 60)
            assert not server.problems
            assert server.duplicates == 0
            assert max(len(json.dumps(event)) for event in server.events) < 24_000
            yield store, list(server.events)


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, list[str]]:
    """A bridge that never saw anything: its store, and the options that name it."""
    options = ["--set", f"bridge.data_dir={tmp_path / 'copy'}"]
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "copy" / "pixeltrail.db"), options
    place = PostgresPlace(request.getfixturevalue("postgres_server").url)
    return place, [*options, "--set", f"store.url={place.url}"]


def run_import(*arguments: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *COMMAND, "import", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_session_with_every_kind_of_record_comes_back(sent, empty, tmp_path: Path) -> None:
    """Shuffled, each line twice, over several files and runs; and once more, which adds nothing."""
    original, events = sent
    place, options = empty
    lines = [warehouse.s3_line(event) for event in events] * 2
    random.Random(7).shuffle(lines)
    files = [warehouse.write(tmp_path, f"{n}.gz", warehouse.as_gzip(lines[n::3])) for n in range(3)]
    run_import(*options, files[1])
    run_import(*options, files[2], files[0])
    again = json.loads(run_import(*options, "--json", *files))
    assert (again["chunks_added"], again["events_added"], again["refused"]) == (0, 0, 0)
    assert again["missing"] == []
    copy = place.open(())
    warehouse.judge_same(original, copy, DEVICE)
    assert not copy._all("SELECT 1 FROM deliveries"), "nothing that was imported waits for a sink"
    copy.close()


@pytest.mark.parametrize("empty", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
def test_a_missing_piece_is_named_and_the_rest_comes_back(sent, empty, tmp_path: Path) -> None:
    original, events = sent
    place, options = empty
    pieces = [event for event in events if event.get("event") == REPLAY_CHUNKS]
    lost = pieces[2]["properties"]
    kept = [warehouse.s3_line(event) for event in events if event is not pieces[2]]
    random.Random(8).shuffle(kept)
    path = warehouse.write(tmp_path, "kept.gz", warehouse.as_gzip(kept))
    found = json.loads(run_import(*options, "--json", path))
    assert {(one["device"], one["stream"]) for one in found["missing"]} == {(DEVICE, lost["stream"])}
    first, end = found["missing"][0]["first"], found["missing"][-1]["end"]
    assert lost["from_seq"] <= first < end <= lost["end_seq"]
    copy = place.open(())
    wanted = warehouse.shown(original, DEVICE)
    for session, (pictures, _) in warehouse.shown(copy, DEVICE).items():
        exact = {(one.host_ms, one.pixels) for one in wanted[session][0]}
        assert pictures and {(one.host_ms, one.pixels) for one in pictures} <= exact
    assert [gap for gap in copy.gaps(DEVICE) if gap.first == first]
    copy.close()


def test_an_import_beside_a_bridge_that_takes_messages(sent, tmp_path: Path) -> None:
    """A live device goes on meanwhile; both are whole in the end, and nothing imported goes out."""
    original, events = sent
    lines = [warehouse.s3_line(event) for event in events]
    random.Random(11).shuffle(lines)
    path = warehouse.write(tmp_path, "all.gz", warehouse.as_gzip(lines))
    config = Config(
        bridge=BridgeSettings(data_dir=tmp_path / "copy"),
        mqtt=MqttSettings(port=0),
        web=WebSettings(enabled=False),
        events=EventsSettings(display_events="inline", display_window_s=1),
    )
    camera = Camera(Device(64, 32, PixelFormat.GS8), b"live-one", device_id=LIVE)
    fed = [*camera.begin(0), *camera.key(10)]
    with running(config) as bridge:

        def feed(messages: list[tuple[int, bytes]]) -> None:
            for at_ms, data in messages:
                assert bridge.ingest.receive(Arrival(LIVE, data, at_ms, Silent()))

        feed(fed)
        options = ["--set", f"bridge.data_dir={tmp_path / 'copy'}", "--json", str(path)]
        process = subprocess.Popen(
            [sys.executable, *COMMAND, "import", *options], stdout=subprocess.PIPE, text=True
        )
        with process:
            while process.poll() is None and camera.seq < 2_000:
                feed([camera.say(20 + camera.seq * 10, Touch(camera.seq % 64, 1, 0))])
                wait_until(lambda: watermark(bridge.store) == camera.seq, "it was committed", 60)
            assert process.stdout is not None
            found = json.loads(process.stdout.read())
        assert process.returncode == 0 and found["chunks_added"] and not found["refused"]
        assert bridge.ingest.health.is_ready
        warehouse.judge_same(original, bridge.store, DEVICE)
        told = {row.event for row in bridge.store.events(DEVICE, limit=100_000) if row.deliveries}
        assert not told
        live = [chunk.seq for chunk in bridge.store.chunks(LIVE, b"live-one")]
        assert live == list(range(camera.seq))


def watermark(store: SqlStore) -> int:
    return next((one.watermark for one in store.streams(LIVE)), 0)


def test_a_board_with_the_device_library(tmp_path: Path) -> None:
    """Lock-step: what comes back from the export is every picture that the board showed."""
    with rig(tmp_path, {"events": {"display_events": "inline", "display_window_s": 1}}) as world:
        world.finish(world.play(BOARD, SEQUENCE))
        world.bridge.wait_until(
            lambda: covers_frames(world.server.events, world.bridge.query("SELECT max(key) FROM chunks")),
            "the recording was sent",
            60,
        )
        world.settle()
        # As they were sent: Segment writes over originalTimestamp, which a board with a good clock fills itself.
        lines = [json.dumps(event).encode() + b"\n" for event in world.server.events]
        assert not world.server.problems
        data = world.bridge.data
    random.Random(9).shuffle(lines)
    path = warehouse.write(tmp_path, "export.gz", warehouse.as_gzip(lines))
    run_import("--set", f"bridge.data_dir={tmp_path / 'copy'}", path)
    with opened(data) as original, opened(tmp_path / "copy") as copy:
        judge_every_frame(replay_of(copy, BOARD), corpus.load(SEQUENCE).frames)
        assert warehouse.shown(copy, BOARD) == warehouse.shown(original, BOARD)
        assert warehouse.sent_events(copy, BOARD) == warehouse.sent_events(original, BOARD)


def covers_frames(events: list[warehouse.Event], newest: list[tuple[int]]) -> bool:
    """Whether every chunk went out, but for vitals that may still gather."""
    ends = [one["properties"]["end_seq"] for one in events if one.get("event") == REPLAY_CHUNKS]
    return max(ends, default=0) >= newest[0][0] % (1 << 30)
