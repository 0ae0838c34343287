"""Vendors are asked to delete, as often as it takes; the ID is gone from here once they have taken the request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.deletions import ASK_AGAIN_MS, VendorDeletions
from pixeltrail_bridge.sinks.privacy_rules import AMPLITUDE, SEGMENT, AmplitudePrivacy, SegmentPrivacy
from pixeltrail_bridge.store import requests
from pixeltrail_bridge.store.database import SqlStore

from tests.support import privacy_server
from tests.support.privacy_server import API_KEY, SECRET_KEY, TOKEN, PrivacyServer
from tests.support.stores import Place

USER, DIGEST = "anna.schmidt@example.com", b"digest of anna"


@pytest.fixture
def server() -> Iterator[PrivacyServer]:
    with privacy_server.running(known_users={USER}) as one:
        yield one


class Desk:
    """Deletions with a clock that is turned by hand."""

    def __init__(
        self, store: SqlStore, server: PrivacyServer, source: str = "src1", token: str = TOKEN
    ) -> None:
        self.store, self.now_ms = store, 1_790_000_000_000
        self.deletions = VendorDeletions(
            store,
            SegmentPrivacy(token, source, host=server.url),
            AmplitudePrivacy(API_KEY, SECRET_KEY, "dpo@example.com", server.url),
            now_ms=lambda: self.now_ms,
        )

    def ask(self, *vendors: str, unsupported: str = "") -> None:
        for vendor in vendors:
            requests.ask(self.store, vendor, "user", USER, DIGEST, self.now_ms, unsupported)

    def turn(self, later_ms: int = 0) -> list[tuple[str, str]]:
        self.now_ms += later_ms
        asyncio.run(self.deletions.turn())
        return sorted((row.vendor, row.state) for row in requests.requests(self.store))


def test_a_request_goes_out_and_is_followed_to_its_end(place: Place, server: PrivacyServer) -> None:
    store = place.open()
    desk = Desk(store, server)
    desk.ask(SEGMENT, AMPLITUDE)
    assert desk.turn() == [(AMPLITUDE, "accepted"), (SEGMENT, "accepted")]
    (regulation,), (deletion,) = server.regulations, server.deletions
    assert regulation["subjectIds"] == [USER] and regulation["source"] == "src1"
    assert regulation["regulationType"] == "SUPPRESS_WITH_DELETE"
    assert deletion["user_ids"] == [USER] and deletion["requester"] == "dpo@example.com"
    assert desk.turn(ASK_AGAIN_MS + 1) == [(AMPLITUDE, "accepted"), (SEGMENT, "accepted")]
    server.advance("FINISHED")
    assert desk.turn(ASK_AGAIN_MS + 1) == [(AMPLITUDE, "done"), (SEGMENT, "done")]
    before = len(server.paths)
    assert desk.turn(100 * ASK_AGAIN_MS) == [(AMPLITUDE, "done"), (SEGMENT, "done")]
    assert len(server.paths) == before, "what is done is not asked about"
    store.close()


def test_the_id_stays_until_the_vendor_has_it_and_no_longer(
    place: Place, server: PrivacyServer, tmp_path: Path
) -> None:
    store = place.open()
    desk = Desk(store, server)
    desk.ask(SEGMENT)
    server.faults += [503, 429, 401]
    for _ in range(3):
        assert desk.turn(3_600_000) == [(SEGMENT, "waiting")]
    assert [row.subject for row in requests.requests(store)] == [USER], "without it nothing could be asked"
    assert not server.regulations
    assert desk.turn(3_600_000) == [(SEGMENT, "accepted")]
    assert [row.subject for row in requests.requests(store)] == [""]
    assert [row.digest for row in requests.requests(store)] == [DIGEST]
    store.close()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or USER.encode() not in path.read_bytes(), path


def test_what_a_vendor_cannot_read_is_for_a_person(place: Place, server: PrivacyServer) -> None:
    store = place.open()
    desk = Desk(store, server)
    desk.ask(SEGMENT)
    server.faults += [422]
    assert desk.turn() == [(SEGMENT, "refused")]
    (row,) = requests.requests(store)
    assert row.status == 422 and "later" in row.answer and not row.subject
    store.close()


def test_a_wrong_key_waits_and_an_unknown_user_is_done(place: Place, server: PrivacyServer) -> None:
    store = place.open()
    server.known_users.clear()
    desk = Desk(store, server, token="wrong")
    desk.ask(SEGMENT, AMPLITUDE)
    assert desk.turn() == [(AMPLITUDE, "done"), (SEGMENT, "waiting")]
    assert [row.status for row in requests.requests(store) if row.vendor == SEGMENT] == [401]
    store.close()


def test_the_whole_workspace_and_what_is_not_supported(place: Place, server: PrivacyServer) -> None:
    store = place.open()
    desk = Desk(store, server, source="")
    desk.ask(SEGMENT)
    desk.ask(AMPLITUDE, unsupported="this vendor deletes users")
    assert desk.turn() == [(AMPLITUDE, "unsupported"), (SEGMENT, "accepted")]
    assert server.regulations[0]["source"] is None and not server.deletions
    assert all(not row.subject for row in requests.requests(store))
    store.close()
