"""Every board's own main.py runs unchanged on imitated hardware, and its session arrives at a bridge as shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.boards.catalogue import Board, find_board
from pixeltrail_bridge.wire import messages

from tests.support.bridge_process import wait_until
from tests.support.harness import chunks_of

from .imitations import DEVICE_ID, HARDWARE, Rgb, Run, on_a_bridge, recorded, shown

_FRAMES, _SCREENS = 8, 2


@pytest.mark.parametrize("name", HARDWARE)
def test_main_runs_unchanged_and_its_session_arrives(name: str, tmp_path: Path) -> None:
    board = find_board(name)
    with on_a_bridge(board, tmp_path) as run:
        used(run, board)
        store = run.bridge.store
        events = [row.event or row.type for row in store.events(DEVICE_ID)]
        gaps = records(run, messages.Gap, messages.Bad)
        hello = records(run, messages.Hello)[0]
        pictures = recorded(store)
    assert not gaps and isinstance(hello, messages.Hello) and hello.device_id == DEVICE_ID
    assert len(set(events)) >= 2, events
    judge(pictures, shown(board, tmp_path / "dump"))


def records(run: Run, *kinds: type) -> list[object]:
    """Records of these kinds that have arrived."""
    chunks = chunks_of(run.bridge.store, DEVICE_ID)
    return [record.body for chunk in chunks for record in chunk.records if isinstance(record.body, kinds)]


def used(run: Run, board: Board) -> None:
    """Until somebody has used the board, and some of it has arrived."""

    def has_been_used() -> bool:
        assert run.board.running, run.log.read_text()
        if len(records(run, messages.Screen)) < _SCREENS:
            return False
        return board.input == "none" or bool(records(run, messages.Key, messages.Touch))

    wait_until(has_been_used, "somebody has used the board", 60)
    wait_until(lambda: len(recorded(run.bridge.store)) >= _FRAMES, "some frames arrived", 60)


def judge(pictures: list[tuple[Rgb, bool]], panel: list[Rgb]) -> None:
    """Every unflagged frame is what the panel showed, in order."""
    keys = [picture.tobytes() for picture in panel]
    at = exact = 0
    for number, (picture, is_mixed) in enumerate(pictures):
        if is_mixed or not picture.any():
            continue
        key = picture.tobytes()
        assert key in keys[at:], f"frame {number} of {len(pictures)} was never on the panel"
        at = keys.index(key, at)
        exact += 1
    assert exact >= _FRAMES // 2, f"{exact} exact frames of {len(pictures)}"
