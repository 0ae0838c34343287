"""A session that was packed before a sink had it goes out all the same."""

from __future__ import annotations

from pathlib import Path

from pixeltrail_bridge import config
from pixeltrail_bridge.app import running
from pixeltrail_bridge.cutter import Cutter
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.bridge.fake_device import wait_for
from tests.support.sessions import record_session


def contents(store: SqlStore, sink: str) -> list[list[bytes]]:
    """Every piece as rrweb events, for a sink that wants all there ever was."""
    pieces.since_ms(store, sink, 0)
    cutter = Cutter(store, sink, piece_bytes=2_000)
    found = []
    while (row := cutter.next()) is not None:
        found.append(list(cutter.piece(row).rrweb()))
        pieces.settle(store, row.id, pieces.Tried("sent"), 0)
    return found


def test_pieces_of_a_packed_session_are_those_of_before(tmp_path: Path) -> None:
    data = tmp_path / "data"
    record_session(data, "mono_invaders", 40)
    store = SqliteStore(data / "pixeltrail.db")
    before = contents(store, "before")
    store.close()
    settings = [f"bridge.data_dir={data}", "mqtt.port=0", "web.enabled=false"]
    settings += ["packing.enabled=true", "packing.after_h=0"]
    with running(config.load(overrides=settings)) as bridge:
        wait_for(lambda: bridge.packer and bridge.packer.packed == 1, "the session to be packed")
        assert contents(bridge.store, "after") == before and len(before) > 1
