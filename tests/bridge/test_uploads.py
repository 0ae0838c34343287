"""The crank between pieces and replay sinks: what each outcome leads to, and that nothing ends it but `stop`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge import uploads
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.config.table import (
    AmplitudeReplaySettings,
    BridgeSettings,
    Config,
    MqttSettings,
    Secret,
    WebSettings,
)
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.sinks.replay import Outcome, Piece
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.uploads import Uploads
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support import replay_server
from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio

from .fake_device import fake_device, wait_for

SINK = "shelf"
WAIT_S = 60.0


class Shelf:
    """Answers from a list, then takes everything."""

    name = SINK

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.alarm: str | None = None
        self.paused_until_ms = 0
        self.outcomes = list(outcomes)
        self.got: list[Piece] = []
        self.is_closed = False

    async def send(self, piece: Piece) -> Outcome:
        self.got.append(piece)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome("sent", 200)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.is_closed = True


class Scene:
    """A store with a session that is a minute old, and two more minutes of it to come."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.now_ms = store, BOOT_MS
        pieces.since_ms(store, SINK, BOOT_MS)
        self.studio = Studio(store)
        self.camera = Camera(Device(64, 16, PixelFormat.GS8))
        self.studio.feed(*self.camera.begin(0), *self.camera.key(10))
        self.now_ms = BOOT_MS + 60_000

    def go_on(self) -> None:
        at_ms = self.now_ms - BOOT_MS
        self.studio.feed(self.camera.say(at_ms, m.Log(1, "going on")))
        self.now_ms += 60_000

    def run(self, shelf: Shelf, until: Callable[[Uploads], bool]) -> Uploads:
        async def main() -> Uploads:
            found = Uploads(self.store, [shelf], now_ms=lambda: self.now_ms)
            await found.start()
            try:
                async with asyncio.timeout(WAIT_S):
                    while not until(found):
                        await asyncio.sleep(0.005)
            finally:
                await found.stop()
            return found

        return asyncio.run(main())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(uploads, "POLL_S", 0.01)
    store = SqliteStore(tmp_path / "store.db")
    yield Scene(store)
    store.close()


def states(scene: Scene) -> dict[str, int]:
    return pieces.counts(scene.store, SINK)


def test_what_a_sink_takes_is_sent(scene: Scene) -> None:
    shelf = Shelf()
    found = scene.run(shelf, lambda up: up.health[SINK].sent == 1)
    assert states(scene) == {"sent": 1} and shelf.is_closed
    assert found.health[SINK].state == "stopped" and found.health[SINK].last_status == 200
    (piece,) = shelf.got
    assert (piece.device_id, piece.session_id, piece.number, piece.start_ms) == (DEVICE, BOOT_MS, 0, BOOT_MS)


def test_what_has_to_wait_comes_again(scene: Scene) -> None:
    shelf = Shelf(*[Outcome("retry", 503, "busy")] * 3)
    found = scene.run(shelf, lambda up: up.health[SINK].sent == 1)
    assert [(piece.number, piece.attempts) for piece in shelf.got] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert found.health[SINK].retried == 3
    scenes = [list(piece.rrweb()) for piece in shelf.got]
    assert all(one == scenes[0] for one in scenes)


def test_a_sink_that_raises_gets_it_again(scene: Scene) -> None:
    shelf = Shelf(RuntimeError("no shelf left"))
    alarms: list[str] = []

    def until(up: Uploads) -> bool:
        if shelf.alarm and shelf.alarm not in alarms:
            alarms.append(shelf.alarm)
            scene.now_ms = shelf.paused_until_ms
        return up.health[SINK].sent == 1

    scene.run(shelf, until)
    assert [piece.attempts for piece in shelf.got] == [0, 1]
    assert "RuntimeError: no shelf left" in alarms[0]


def test_a_database_that_fails_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    real, faults = pieces.settle, [StoreError("the disk is full")]

    def settle(*arguments: object) -> None:
        if faults:
            raise faults.pop()
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pieces, "settle", settle)
    shelf = Shelf()

    scene.run(shelf, lambda up: up.health[SINK].sent == 1)
    assert [piece.number for piece in shelf.got] == [0], "it was written down as soon as it could be"


def test_a_dead_piece_lets_the_next_pass(scene: Scene) -> None:
    shelf = Shelf(Outcome("dead", 400, "not this one"))
    found = scene.run(shelf, lambda up: up.health[SINK].dead == 1)
    scene.go_on()
    scene.run(shelf, lambda up: up.health[SINK].sent == 1)
    assert [piece.number for piece in shelf.got] == [0, 1]
    assert states(scene) == {"dead": 1, "sent": 1} and found.health[SINK].last_answer == "not this one"


def test_a_stopped_session_goes_no_further(scene: Scene) -> None:
    shelf = Shelf(Outcome("stop", 200, "not wanted"))
    scene.run(shelf, lambda up: up.health[SINK].dead == 1)
    scene.go_on()
    scene.studio.feed(
        scene.camera.say(scene.now_ms - BOOT_MS, m.SessionStart(1, True, None)),
        *scene.camera.key(scene.now_ms - BOOT_MS + 10),
    )
    scene.now_ms += 60_000
    scene.run(shelf, lambda up: up.health[SINK].sent == 1)
    assert [piece.session_id > BOOT_MS for piece in shelf.got] == [False, True]


def test_a_pause_is_kept(scene: Scene) -> None:
    shelf = Shelf()
    shelf.paused_until_ms = scene.now_ms + 5_000
    looks: list[str] = []

    def until(up: Uploads) -> bool:
        looks.append(up.health[SINK].state)
        if looks.count("waiting") < 20:
            assert not shelf.got
        scene.now_ms = max(scene.now_ms, BOOT_MS + 60_000 + 5_000 * (looks.count("waiting") // 20))
        return up.health[SINK].sent == 1

    scene.run(shelf, until)


def test_a_pause_from_before_the_clock_was_put_back_ends(scene: Scene) -> None:
    shelf = Shelf()
    shelf.paused_until_ms = scene.now_ms + 86_400_000
    scene.run(shelf, lambda up: up.health[SINK].sent == 1)


# ---- in a bridge ------------------------------------------------------------------------


def test_a_bridge_uploads_what_a_device_shows(tmp_path: Path) -> None:
    with replay_server.running() as server:
        config = Config(
            bridge=BridgeSettings(data_dir=tmp_path / "data"),
            mqtt=MqttSettings(port=0),
            web=WebSettings(enabled=False),
            amplitude_replay=AmplitudeReplaySettings(
                enabled=True, api_key=Secret(replay_server.API_KEY), host=server.url, piece_s=1
            ),
        )
        with running(config) as bridge:
            assert bridge.mqtt_port is not None
            with fake_device(bridge.mqtt_port, "test-espresso") as device:
                device.find_bridge()
                device.begin()
                for number in range(5):
                    device.picture[number] = 255
                    device.send_picture(key=number == 0)
                device.send(m.Touch(3, 4, m.Phase.DOWN), m.Key("A", m.Phase.DOWN, 0))
                wait_for(lambda: tagged(server, "pixeltrail.key"), "the key to be uploaded")
            # The server has it a moment before the bridge has written down that it does.
            wait_for(
                lambda: _health(bridge)["sinks"]["amplitude-replay"]["sent"], "the piece to count as sent"
            )
    assert any(line == "Replays:  amplitude-replay" for line in bridge.addresses())
    events = server.taken()
    assert [event["type"] for event in events[:2]] == [4, 2]
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    session = {upload.session_id for upload in server.uploads}
    assert len(session) == 1 and session.pop() > 0
    assert {upload.device_id for upload in server.uploads} == {"test-espresso"}


def tagged(server: replay_server.ReplayServer, tag: str) -> bool:
    return any(event["data"].get("tag") == tag for event in server.taken())


def _health(bridge: Bridge) -> dict[str, dict[str, dict[str, int]]]:
    loop = bridge.failed.get_loop()
    return asyncio.run_coroutine_threadsafe(bridge.health(), loop).result(WAIT_S)
