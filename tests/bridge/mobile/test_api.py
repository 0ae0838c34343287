"""The Tracking API over HTTP, without a bridge behind it: answers, floods, other sites, and a store that fails."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.mobile.api import ApiSettings, Rates, build
from pixeltrail_bridge.mobile.desk import Desk
from pixeltrail_bridge.mobile.enrichment import EnrichSettings
from pixeltrail_bridge.mobile.intake import Intake, IntakeSettings, Received, Taken
from pixeltrail_bridge.web.server import WebServer

KEY = "app-key"
HEADERS = {"Authorization": aiohttp.encode_basic_auth(KEY, "")}


class Kept(Intake):
    """Keeps what it is given, as long as `fault` is None."""

    def __init__(self, settings: IntakeSettings) -> None:
        super().__init__(settings)
        self.received: list[Received] = []
        self.fault: Exception | None = None

    def take(self, tx: Any, received: Sequence[Received]) -> Taken:
        if self.fault:
            raise self.fault
        self.received += received
        return Taken(added=len(received))


class Store:
    def commit_batch(self, work: Callable[..., Taken]) -> Taken:
        return work(None)


class Api:
    def __init__(self, session: aiohttp.ClientSession, url: str, intake: Kept) -> None:
        self.session, self.url, self.intake = session, url, intake
        self.is_ready = True

    async def post(self, path: str, content: Any, **headers: str) -> tuple[int, Any, Any]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        async with self.session.post(self.url + path, data=body, headers=HEADERS | headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer.headers


@asynccontextmanager
async def serving(enrich: EnrichSettings | None = None, **settings: Any) -> AsyncIterator[Api]:
    intake = Kept(IntakeSettings(enrich or EnrichSettings()))
    desk = Desk(Store(), intake, lambda: api.is_ready)
    server = WebServer(build(desk, ApiSettings((KEY,), **settings)), "127.0.0.1", 0)
    desk.start()
    await server.start()
    async with aiohttp.ClientSession() as session:
        api = Api(session, f"http://127.0.0.1:{server.port}", intake)
        yield api
    await server.stop()
    await desk.stop()


def run(work: Callable[[Api], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with serving(**settings) as api:
            await work(api)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "kind"),
    [(f"/v1/{name}", name) for name in ("track", "screen", "page", "identify", "group", "alias")]
    + [("/v1/t", "track"), ("/v1/s", "screen"), ("/v1/p", "page"), ("/v1/i", "identify")]
    + [("/v1/g", "group"), ("/v1/a", "alias")],
)
def test_every_route_knows_its_type(path: str, kind: str) -> None:
    async def work(api: Api) -> None:
        status, answer, _ = await api.post(path, {"userId": "u"})
        assert (status, answer) == (200, {"success": True})
        assert api.intake.received[0].event == {"userId": "u", "type": kind}

    run(work)


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b"])
def test_a_batch_with_gzip(path: str) -> None:
    async def work(api: Api) -> None:
        body = gzip.compress(json.dumps({"batch": [{"type": "track"}] * 3}).encode())
        status, _, _ = await api.post(path, body, **{"Content-Encoding": "gzip"})
        assert status == 200
        assert len(api.intake.received) == 3

    run(work)


def test_a_large_event_is_told_apart() -> None:
    async def work(api: Api) -> None:
        status, _, _ = await api.post("/v1/batch", {"batch": [{"event": "x" * 40_000}, {"type": "track"}]})
        assert status == 200
        faults = {one.fault for one in api.intake.received}
        assert None in faults and any("32,768" in fault for fault in faults if fault)

    run(work)


def test_a_store_that_fails_is_not_the_apps_loss() -> None:
    async def work(api: Api) -> None:
        api.intake.fault = StoreError("the disk is full")
        status, answer, headers = await api.post("/v1/track", {"userId": "u"})
        assert (status, answer["success"], headers["Retry-After"]) == (503, False, "5")
        api.intake.fault = ValueError("a fault of ours")
        assert (await api.post("/v1/track", {"userId": "u"}))[0] == 503
        api.intake.fault = None
        assert (await api.post("/v1/track", {"userId": "u"}))[0] == 200

    run(work)


def test_a_bridge_without_room_takes_nothing() -> None:
    async def work(api: Api) -> None:
        api.is_ready = False
        assert (await api.post("/v1/track", {"userId": "u"}))[0] == 503
        assert api.intake.received == []

    run(work)


def test_a_flood_is_told_to_wait() -> None:
    async def work(api: Api) -> None:
        batch = {"batch": [{"type": "track"}] * 10}
        answers = [await api.post("/v1/batch", batch) for _ in range(3)]
        assert [status for status, _, _ in answers] == [200, 200, 429]
        assert int(answers[2][2]["Retry-After"]) >= 1
        assert len(api.intake.received) == 20

    run(work, max_events_per_s=2.0)


@pytest.mark.parametrize(
    ("proxies", "expected"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.7"), (3, "127.0.0.1")]
)
def test_proxies_of_ours_are_believed_and_others_are_not(proxies: int, expected: str) -> None:
    async def work(api: Api) -> None:
        forwarded = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        await api.post("/v1/track", {"userId": "u"}, **forwarded)
        assert api.intake.received[0].ip == expected

    run(work, proxies=proxies)


def test_pages_of_other_sites() -> None:
    async def work(api: Api) -> None:
        for origin, is_allowed in (("https://shop.example", True), ("https://evil.example", False)):
            async with api.session.options(api.url + "/v1/t", headers={"Origin": origin}) as answer:
                assert answer.status == 204
                assert ("access-control-allow-origin" in answer.headers) == is_allowed
            _, _, headers = await api.post("/v1/t", {"userId": "u"}, Origin=origin)
            assert headers.get("access-control-allow-origin") == (origin if is_allowed else None)

    run(work, origins=("https://shop.example",))


@pytest.mark.parametrize("tracks", [True, False])
def test_settings_wake_the_session_plugin_only_where_it_is_wanted(tracks: bool) -> None:
    async def work(api: Api) -> None:
        for path in ("/v1/projects", "/projects"):
            async with api.session.get(f"{api.url}{path}/{KEY}/settings") as answer:
                content = await answer.json()
            assert content["integrations"]["Segment.io"]["apiKey"] == KEY
            assert content["integrations"]["Segment.io"]["apiHost"] == "apps.example/v1"
            assert ("Actions Amplitude" in content["integrations"]) == (not tracks)
        async with api.session.get(f"{api.url}/v1/projects/other/settings") as answer:
            assert answer.status == 404

    run(work, enrich=EnrichSettings(track_sessions=tracks), public_url="https://apps.example")


def test_the_least_used_address_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixeltrail_bridge.mobile.api._MOST_CLIENTS", 2)
    now_s = [0.0]
    rates = Rates(1.0, lambda: now_s[0])
    assert rates.wait_s("a", 10) == 0
    assert rates.wait_s("a", 1) == pytest.approx(1.0)
    now_s[0] = 1.0
    assert rates.wait_s("a", 1) == 0
    assert rates.wait_s("b", 100) == 0, "a post larger than a burst passes when the bucket is full"
    rates.wait_s("c", 1)
    assert rates.wait_s("a", 10) == 0, "it was forgotten"
