"""Plays a recorded sequence on a simulated board into a real bridge, over a real link.

    with playback(sequence, "mosquitto", tmp_path) as played:
        played.replay()    # what the bridge's store gives back

The board shows a frame when its recorder has taken the one before it, and ends when the bridge has acknowledged
everything; so once `playback` gives its result, all is committed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.config.table import BridgeSettings, Config, MqttSettings, SerialSettings, WebSettings
from pixeltrail_bridge.simulate import PtyPair, spawn_board
from pixeltrail_bridge.store.sqlite import SqliteStore

from . import services
from .corpus import Sequence
from .harness import Replay, replay_of

Link = Literal["mosquitto", "nats", "pty"]
DEVICE_ID = "sim-player"
_PLAYING_S = 110


@dataclass(frozen=True, slots=True)
class Played:
    bridge: Bridge
    output: str
    """What the board printed: one line with counts, and anything that went wrong."""

    @property
    def store(self) -> SqliteStore:
        return self.bridge.store

    @property
    def stats(self) -> dict[str, int]:
        """The counts of the board's recorder, from the last line of its output."""
        words = self.output.split("\n")[-2].split()
        return {words[at]: int(words[at + 1]) for at in range(0, len(words), 2)}

    def replay(self) -> Replay:
        return replay_of(self.store, DEVICE_ID)


@contextlib.contextmanager
def playback(sequence: Sequence, link: Link, folder: Path) -> Iterator[Played]:
    """Play the whole sequence; the bridge runs until the block ends."""
    with contextlib.ExitStack() as stack:
        mqtt, serial, device_url = _connect(link, stack)
        config = Config(
            bridge=BridgeSettings(data_dir=folder / "bridge"),
            mqtt=mqtt,
            serial=serial,
            web=WebSettings(enabled=False),
        )
        bridge = stack.enter_context(running(config))
        log = folder / "board.log"
        board = spawn_board(
            "sim",
            device_url or f"mqtt://{services.LOOPBACK}:{bridge.mqtt_port}",
            DEVICE_ID,
            play=sequence.path.parent / f"{sequence.name}.json",
            output=log,
        )
        with board:
            status = board.wait(_PLAYING_S)
        assert status == 0, f"the board ended with {status}:\n{log.read_text()}"
        yield Played(bridge, log.read_text())


def _connect(link: Link, stack: contextlib.ExitStack) -> tuple[MqttSettings, SerialSettings, str]:
    """The bridge's settings, and the URL for the board: "" for the bridge's own broker."""
    if link == "mosquitto":
        broker = stack.enter_context(services.mosquitto())
        url = f"mqtt://{services.LOOPBACK}:{broker.port}"
        return MqttSettings(url=url), SerialSettings(), url
    if link == "nats":
        return MqttSettings(port=0), SerialSettings(), ""
    line = stack.enter_context(PtyPair())
    return (
        MqttSettings(enabled=False),
        SerialSettings(ports=(line.host_path,)),
        f"serial://{line.device_path}",
    )
