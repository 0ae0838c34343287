"""Pieces of recordings that a replay sink refused, among the dead letters of the web."""

from __future__ import annotations

import json
from pathlib import Path

from pixeltrail_bridge.cutter import QUIET_MS, Cutter
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.pieces import Tried
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.film import BOOT_MS, DEVICE

from .recorded import SESSION, site

SINK = "amplitude-replay"


def test_a_refused_piece_is_shown_and_tried_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    with site(store, 1) as page:
        pieces.since_ms(store, SINK, BOOT_MS)
        row = Cutter(store, SINK, now_ms=lambda: BOOT_MS + 2 * QUIET_MS).next()
        assert row is not None
        pieces.settle(store, row.id, Tried("dead", 402, "the quota is used up"), BOOT_MS + QUIET_MS)
        (letter,) = page.ask("/api/dead-letters").json["dead_letters"]
        assert (letter["id"], letter["kind"], letter["device_id"]) == (f"p{row.id}", SINK, DEVICE)
        assert (letter["event"], letter["session_id"]) == ("Part 1 of a recording", SESSION)
        assert json.loads(letter["payload"]) == {"session_id": SESSION, "piece": 0}
        assert (letter["reason"], letter["event_id"]) == ("the quota is used up", None)
        assert page.write("/api/dead-letters/retry", content={"ids": [letter["id"]]}).json["queued"] == 1
        assert page.ask("/api/dead-letters").json["dead_letters"] == []
        assert pieces.counts(store, SINK) == {"waiting": 1}
    store.close()
