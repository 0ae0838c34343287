"""A bridge that dies while it uploads recordings: all arrive, in order, and only what was under way comes twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pixeltrail_bridge.cutter import Cutter
from pixeltrail_bridge.simulate import SimulatedBoard
from pixeltrail_bridge.sinks.amplitude_replay import NAME
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.pieces import PieceRow
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.messages import Chunk

from tests.support import harness, replay_server
from tests.support.bridge_process import wait_until
from tests.support.replay_server import API_KEY, Answer, ReplayServer

from .rig import World, rig

DEVICE = "crash-board"
UNDER_WAY_S = 0.5  # how long the server thinks, so that a kill meets an upload
WAIT_S = 60.0


def settings(folder: Path, server: ReplayServer) -> dict[str, dict[str, object]]:
    key = folder / "amplitude-key"
    key.write_text(API_KEY)
    options = {"enabled": True, "api_key_file": str(key), "host": server.url, "piece_s": 1}
    return {"amplitude_replay": options}


def kill_while_uploading(
    world: World, board: SimulatedBoard, server: ReplayServer, kills: int, seed: int
) -> int:
    """Kill the bridge while it uploads, or right after; fewer times when there is nothing left. Returns how often."""
    dice = random.Random(seed)
    for done in range(kills):
        before = len(server.uploads)
        is_under_way = done == 0 or dice.random() < 0.7
        server.answers.append(Answer(delay_s=UNDER_WAY_S if is_under_way else 0.0, takes=True))
        world.bridge.wait_until(
            lambda n=before: len(server.uploads) > n or is_over(world, board), "an upload came", WAIT_S
        )
        if len(server.uploads) == before:
            return done
        world.bridge.kill()
        world.bridge.start()
    return kills


def is_over(world: World, board: SimulatedBoard) -> bool:
    if board.running:
        return False
    with world.bridge.store() as store:
        return has_all(store)


def rows_of(store: SqlStore) -> list[PieceRow]:
    query = (
        "SELECT r.id, d.device_id, r.session_id, r.number, s.stream, r.first, r.last, r.from_ms, r.until_ms, r.attempts"
        " FROM replay_pieces r JOIN devices d ON d.no = r.device JOIN streams s ON s.no = r.stream"
        " ORDER BY r.session_id, r.number"
    )
    return [PieceRow(*row) for row in store._all(query)]


def has_all(store: SqlStore) -> bool:
    """Whether every chunk with replay data is in a piece that was sent."""
    covered = {(row.stream, seq) for row in rows_of(store) for seq in range(row.first, row.last + 1)}
    return set(pieces.counts(store, NAME)) == {"sent"} and replay_chunks(store) <= covered


def replay_chunks(store: SqlStore) -> set[tuple[bytes, int]]:
    found = set()
    for session in store.sessions(DEVICE):
        for stored in store.session_chunks(DEVICE, session.session_id):
            chunk = decode_uplink(stored.data)
            if isinstance(chunk, Chunk) and chunk.is_replay:
                found.add((stored.stream, stored.seq))
    return found


def judge(store: SqlStore, server: ReplayServer, kills: int) -> None:
    cutter = Cutter(store, NAME)
    contents = {}
    for row in rows_of(store):
        events = tuple(event.decode() for event in cutter.piece(row).rrweb())
        if events:
            contents[events] = (row.session_id, row.number)
    came = [contents[upload.events] for upload in server.uploads]  # each is a whole piece, to the letter
    repeats = [second for first, second in zip(came, came[1:], strict=False) if first == second]
    in_order = [one for number, one in enumerate(came) if number == 0 or came[number - 1] != one]
    assert in_order == sorted(contents.values()), "every piece, once, in order, but for repeats"
    assert len(repeats) <= kills, f"{len(repeats)} came twice, and there were {kills} kills"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "speed", "loops", "kills", "seed"),
    [
        ("gs4_aclock", 5, 1, 3, 1),
        pytest.param("gs4_aclock", 4, 4, 15, 2, marks=pytest.mark.slow),
        pytest.param("rgb_thermostat", 2, 3, 10, 3, marks=pytest.mark.slow),
    ],
)
def test_kills_while_uploading_lose_nothing_and_repeat_what_was_under_way(
    tmp_path: Path, name: str, speed: int, loops: int, kills: int, seed: int
) -> None:
    with replay_server.running() as server, rig(tmp_path, settings(tmp_path, server)) as world:
        board = world.play(DEVICE, name, pace=True, speed=speed, loops=loops)
        killed = kill_while_uploading(world, board, server, kills, seed)
        assert killed
        world.finish(board)
        with world.bridge.store() as store:
            wait_until(lambda: has_all(store), "everything was uploaded", WAIT_S)
            harness.judge_custody(store, DEVICE)
            world.bridge.stop()
            judge(store, server, killed)
            assert not pieces.dead(store)


def test_an_unsampled_session_is_not_uploaded(tmp_path: Path) -> None:
    with replay_server.running() as server, rig(tmp_path, settings(tmp_path, server)) as world:
        board = world.play(DEVICE, "mono_invaders", loops=1, sample_rate=0.0)
        world.finish(board)
        world.bridge.stop()
        assert server.uploads == []
        with world.bridge.store() as store:
            assert not any(row.sampled for row in store.sessions(DEVICE))
