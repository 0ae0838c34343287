"""Of devices and users who are blocked, or were forgotten, nothing is stored, and no device waits with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixeltrail_bridge.forgetting import erasing
from pixeltrail_bridge.forgetting.finding import Found, Subject
from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.ingest.refusals import Blocked
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.film import BOOT_MS, DEVICE, STREAM, Camera, Device
from tests.support.histories import dump
from tests.support.stores import Place

ANNA, BEN = "anna@example.com", "ben@example.com"


NOBODY = Blocked()


class Line:
    """Ingest by hand, and what it answers."""

    def __init__(self, store: SqlStore, blocked: Blocked = NOBODY) -> None:
        settings = IngestSettings(
            mapping=MappingSettings(sample_rate=1.0), blocked=blocked, ack_interval_ms=0
        )
        self.ingest = Ingest(store, settings, map_chunk=map_chunk, map_sync=map_sync)
        self.said: list[Any] = []

    def feed(self, *messages: tuple[int, bytes], device_id: str = DEVICE) -> None:
        for at_ms, data in messages:
            self.ingest.receive(Arrival(device_id, data, at_ms, self))
        self.ingest.commit_queued()

    def send(self, device_id: str, data: bytes) -> bool:
        self.said.append(decode_downlink(data))
        return True

    @property
    def acked(self) -> int:
        return max((one.next for one in self.said if isinstance(one, m.Ack)), default=0)


def camera() -> Camera:
    return Camera(Device(32, 16, m.PixelFormat.GS8))


def is_empty(place: Place, store: SqlStore, *but: str) -> bool:
    rows = dump(place, store)
    return not any(
        rows[name] for name in rows if name not in ("meta", "sqlite_sequence", "schema_version", *but)
    )


def test_a_blocked_device_is_confirmed_and_not_stored(place: Place) -> None:
    store = place.open()
    line, one = Line(store, Blocked(devices=("kitchen-*",))), camera()
    line.feed(*one.begin(0), *one.key(100), one.say(200, m.Track("Brewed", {})))
    assert line.acked == one.seq
    assert is_empty(place, store, "counters")
    assert store.counters() == {"": {"refused_messages": one.seq + 1}}
    line.feed((BOOT_MS, b"\xff\xffno message"))
    sync = m.Sync(STREAM, one.seq + 5, one.seq + 9, 500, None, 7, None, DEVICE)
    line.feed((BOOT_MS + 500, encode_uplink(sync)))
    assert line.acked == one.seq + 9, "whatever it holds, it may let go of"
    assert is_empty(place, store, "counters")
    store.close()


def test_others_are_not_blocked_and_a_change_counts_from_the_next_commit(place: Place) -> None:
    store = place.open()
    line, one = Line(store, Blocked(devices=("oven-*",))), camera()
    line.feed(*one.begin(0))
    assert [row.device_id for row in store.devices()] == [DEVICE]
    line.ingest.set_blocked(Blocked(devices=(DEVICE,)))
    before = dump(place, store)
    line.feed(*one.key(100))
    assert line.acked == one.seq
    after = dump(place, store)
    assert {**after, "counters": []} == {**before, "counters": []}
    line.ingest.set_blocked(Blocked())
    line.feed(*one.key(300), one.say(400, m.Track("Brewed", {})))
    assert not store.events(), "it waits for what it was told is done with"
    line.feed((BOOT_MS + 500, encode_uplink(m.Sync(STREAM, one.seq, one.seq, 500, None, 7, None, DEVICE))))
    assert line.acked == one.seq and [row.event for row in store.events()] == ["Brewed"], (
        "and goes on by its sync"
    )
    store.close()


def test_of_a_blocked_user_nothing_is_kept_until_another_is_named(place: Place) -> None:
    store = place.open()
    line, one = Line(store, Blocked(users=("anna@*",))), camera()
    line.feed(*one.begin(0), *one.key(100))
    line.feed(one.say(200, m.Identify(ANNA, {"name": "Anna"})))
    secret = one.show(300, b"\x5a\xa5" * 256)
    line.feed(*secret, one.say(400, m.Track("Brewed", {"by": ANNA})), one.say(450, m.Touch(1, 2, 0)))
    assert line.acked == one.seq, "the device does not wait"
    rows = dump(place, store)
    assert not any(ANNA in row or "Anna" in row for table in rows.values() for row in table)
    assert not store.events()
    line.feed(
        one.say(500, m.Identify(BEN, {})), *one.show(600, b"\x11" * 512), one.say(700, m.Track("Brewed", {}))
    )
    assert [row.event for row in store.events()] == [BEN, "Brewed"]
    session = store.sessions()[0]
    stored = [chunk.data for chunk in store.session_chunks(DEVICE, session.session_id)]
    assert not {data for _, data in secret} & set(stored) and session.user_id == BEN
    store.close()


def test_what_was_kept_in_part_may_come_again(place: Place) -> None:
    store = place.open()
    line, one = Line(store, Blocked(users=(ANNA,))), camera()
    said = [
        *one.begin(0),
        one.say(200, m.Display(16, 8, m.PixelFormat.GS8, 32, 1, 128, None, 0), m.Identify(ANNA, {})),
    ]
    line.feed(*said)
    before = {**dump(place, store), "counters": [], "devices": [], "streams": []}
    line.feed(*said[1:])
    assert {**dump(place, store), "counters": [], "devices": [], "streams": []} == before
    assert not store.dead_letters() and not any(isinstance(one, m.NewStream) for one in line.said)
    store.close()


def test_a_device_that_is_forgotten_while_it_talks(place: Place, tmp_path: Path) -> None:
    """By another process: this one still has it in memory."""
    store, other = place.open(), place.open()
    line, one = Line(store), camera()
    line.feed(*one.begin(0), *one.key(100))
    subject = Subject("device", DEVICE)
    found = Found(devices={DEVICE})
    erasing.bury(other, subject, found, BOOT_MS + 150, True)
    from pixeltrail_bridge.store.erasing import Eraser

    Eraser(other, lambda: BOOT_MS).device(DEVICE)
    line.feed(*one.key(200), one.say(300, m.Track("Brewed", {})))
    line.ingest.order_opt_out(DEVICE, True)
    line.ingest.commit_queued()
    assert line.acked == one.seq
    assert is_empty(place, store, "counters", "erasures")
    other.close()
    store.close()
