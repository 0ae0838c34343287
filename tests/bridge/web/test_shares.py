"""Links to one session: what they open and what they do not, and what becomes of forged, old and withdrawn ones."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.store import shares as rows
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import shares
from pixeltrail_bridge.web.answers import Refused
from pixeltrail_bridge.wire import messages as m

from tests.support.film import DEVICE
from tests.support.stores import Place

from .recorded import PLACE, SESSION, Glass, Site, site

READS = ("", "/timeline", "/events", "/pixels?from=500&to=700", "/frame?t=600")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = SqliteStore(Path(tmp_path_factory.mktemp("shares")) / "store.db", ("list",))
    with site(store, 2) as page:
        page.studio.feed(
            page.camera.say(
                1_900, m.Track("Brew Started", {"cups": 2}), m.Identify("ann", {"mail": "a@b.c"})
            ),
            page.camera.say(3_000, m.SessionStart(1, True, None)),
            page.camera.say(3_100, m.Track("Other", {})),
        )
        yield page
    store.close()


def make(page: Site, expires_s: int = 3600) -> tuple[str, str, str]:
    """ID, address of the page, address of the page for frames."""
    answer = page.write(f"{PLACE}/shares", content={"expires_s": expires_s})
    assert answer.status == 201
    found = answer.json
    return found["id"], "/" + found["url"].split("/", 3)[3], "/" + found["embed_url"].split("/", 3)[3]


def test_a_link_shows_the_session(page: Site) -> None:
    _, link, embed = make(page)
    for base in (link, embed):
        answer = page.ask(f"{base}?t=1.5")
        assert answer.status == 200 and b"share.js" in answer.body
        told = page.ask(f"{base}/api/session").json
        assert (told["device_id"], told["session_id"]) == (DEVICE, SESSION) and told["expires_ms"] > SESSION
        for what in READS:
            assert page.ask(f"{base}{PLACE}{what}").status == 200, what
    glass = Glass(page.ask(f"{link}{PLACE}/pixels?from=500&to=700").body)
    assert glass.shown[0][0] == 500


def test_only_an_embedded_page_may_stand_in_a_frame(page: Site) -> None:
    _, link, embed = make(page)
    assert "frame-ancestors 'none'" in page.ask(link).headers["content-security-policy"]
    framed = page.ask(embed).headers
    assert "frame-ancestors *" in framed["content-security-policy"]
    assert framed["content-security-policy"].startswith("default-src 'self'")
    assert framed["referrer-policy"] == "no-referrer", "the address is the key"


def test_a_link_tells_no_more_than_the_session(page: Site) -> None:
    _, link, _ = make(page)
    events = page.ask(f"{link}{PLACE}/events").json["events"]
    assert "Brew Started" in [one["event"] for one in events]
    for one in events:
        assert one["deliveries"] == [] and "message_id" not in one
        assert "ann" not in one["event"] and "ann" not in one["payload"] and "a@b.c" not in one["payload"]
    brew = next(one for one in events if one["event"] == "Brew Started")
    assert page.ask(f"{link}/api/events/{brew['id']}").json == brew
    other = next(row for row in page.store.events(limit=1000) if row.event == "Other")
    assert page.ask(f"{link}/api/events/{other.id}").status == 403
    assert page.ask(f"{link}{PLACE}").json["user_id"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/sessions",
        "/api/devices",
        "/api/dead-letters",
        "/api/health",
        "/live",
        f"{PLACE}/shares",
        f"{PLACE}/star",
        f"/api/devices/{DEVICE}/events",
        f"{PLACE}/../../../sessions",
        "//api/sessions",
        "/api",
        "/api/events/1/retry",
    ],
)
def test_a_link_opens_nothing_else(page: Site, path: str) -> None:
    _, link, _ = make(page)
    assert page.ask(link + path).status in (403, 404, 405)


def test_a_link_is_for_one_session(page: Site) -> None:
    _, link, _ = make(page)
    second = page.store.sessions(DEVICE)[-1].session_id
    assert second != SESSION
    for place in (f"/api/sessions/{DEVICE}/{second}", f"/api/sessions/other-00/{SESSION}", f"{PLACE[:-1]}"):
        for what in READS:
            assert page.ask(f"{link}{place}{what}").status == 403


def test_nothing_can_be_written_through_a_link(page: Site) -> None:
    _, link, _ = make(page)
    for method in ("POST", "PUT", "DELETE"):
        for path in (PLACE, f"{PLACE}/star", f"{PLACE}/shares", "/api/session"):
            assert page.write(f"{link}{path}", method, {}).status in (404, 405)
    assert page.ask(PLACE).json["starred"] is False


def test_a_withdrawn_link_says_so(page: Site) -> None:
    share_id, link, embed = make(page)
    assert [one["holds"] for one in page.ask(f"{PLACE}/shares").json["shares"] if one["id"] == share_id] == [
        True
    ]
    assert page.write(f"/api/shares/{share_id}", "DELETE").status == 200
    assert [one["holds"] for one in page.ask(f"{PLACE}/shares").json["shares"] if one["id"] == share_id] == [
        False
    ]
    for base in (link, embed):
        answer = page.ask(base)
        assert answer.status == 410 and b"was withdrawn" in answer.body
        assert answer.headers["content-type"].startswith("text/html")
        for what in READS:
            refused = page.ask(f"{base}{PLACE}{what}")
            assert refused.status == 410 and "withdrawn" in refused.json["error"]
    assert page.write("/api/shares/00", "DELETE").status == 404
    assert page.write(f"/api/shares/{'0' * 24}", "DELETE").status == 404


def test_links_are_not_listed(page: Site) -> None:
    _, link, _ = make(page)
    token = link.rsplit("/", 1)[1]
    assert token.encode() not in page.ask(f"{PLACE}/shares").body


def test_every_changed_letter_makes_a_link_invalid(page: Site) -> None:
    _, link, _ = make(page)
    base, token = link.rsplit("/", 1)
    for place in range(len(token)):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        answer = page.ask(f"{base}/{forged}")
        assert answer.status == 404 and b"not valid" in answer.body
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    later = bytearray(data)
    later[rows.SHARE_ID_BYTES + 4] ^= 0xFF  # a later end
    for forged in (
        base64.urlsafe_b64encode(bytes(later)).decode().rstrip("="),
        token + "=",
        token + "A",
        token[:-1],
        token[:10],
        "A" * 56,
        "..",
        "A" * 5000,
    ):
        assert page.ask(f"{base}/{forged}").status == 404
        assert page.ask(f"{base}/{forged}{PLACE}").status in (403, 404)
    for odd in ("%00", "%E2%80%AE"):
        assert page.ask(f"{base}/{odd}").status == page.ask(f"{base}/{odd}{PLACE}").status == 400


def test_a_link_of_another_bridge_is_not_valid(page: Site, tmp_path: Path) -> None:
    _, link, _ = make(page)
    store = SqliteStore(tmp_path / "other.db")
    with pytest.raises(Refused) as refused:
        shares.Signer(store, lambda: 0).check(link.rsplit("/", 1)[1])
    assert refused.value.words == shares.UNKNOWN
    store.close()


def test_a_link_ends(place: Place) -> None:
    store = place.open()
    with site(store, 1):
        share = rows.add_share(store, DEVICE, SESSION, 1_000, 61_000)
        assert share is not None
        signer = shares.Signer(store, lambda: now_ms)
        token = signer.token(share)
        now_ms = 60_999
        assert signer.check(token) == share
        now_ms = 61_000
        with pytest.raises(Refused) as refused:
            signer.check(token)
        assert (refused.value.status, refused.value.words) == (410, shares.OVER)
        assert rows.share_secret(store) == rows.share_secret(store) and len(rows.share_secret(store)) == 32
        assert rows.shares(store, DEVICE, SESSION) == [share] and rows.share(store, b"x" * 12) is None
        assert rows.revoke_share(store, share.id, 5) and rows.revoke_share(store, share.id, 9)
        assert [one.revoked_ms for one in rows.shares(store, DEVICE, SESSION)] == [5]
        assert rows.add_share(store, DEVICE, 12, 0, 1) is None
    store.close()


@pytest.mark.parametrize("expires_s", [0, 59, 365 * 86_400 + 1, -5, "x", None, 1.5])
def test_a_link_lasts_within_reason(page: Site, expires_s: object) -> None:
    answer = page.write(f"{PLACE}/shares", content={"expires_s": expires_s})
    assert answer.status == 400
    assert page.write(f"/api/sessions/{DEVICE}/12/shares", content={}).status == 404
