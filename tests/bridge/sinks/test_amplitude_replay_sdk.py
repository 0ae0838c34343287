"""Our replay upload beside that of the published SDK, @amplitude/session-replay-browser, in Chromium: the same server,
the same answers. REACTIONS is the table of docs/replay-sinks.md, word for word.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pixeltrail_bridge.sinks import amplitude_replay_rules as rules
from pixeltrail_bridge.sinks.amplitude_replay import AmplitudeReplaySettings, AmplitudeReplaySink
from playwright.sync_api import Browser, Page

from tests.bridge.export.films import START_MS, Film
from tests.support import players, replay_server
from tests.support.replay_server import API_KEY, Answer, ReplayServer, Upload
from tests.support.requirements import ROOT

from .test_amplitude_replay import DEVICE, piece_of

DOCUMENT = ROOT / "docs" / "replay-sinks.md"
WAIT_S = 30.0
A_WHILE_MS = 5_000  # above what the SDK waits before another try, below a pause
MINUTE_MS = 60_000
PAGE = "<!doctype html><title>Log in</title>"

GOES_ON, AGAIN, DROPS, HALVES, PAUSES, STOPS, KEEPS = (
    "goes on",
    "sends it again",
    "drops it, goes on",
    "sends both halves",
    "drops it, pauses for 60 s",
    "stops this session",
    "keeps it, pauses for 60 s",
)


@dataclass(frozen=True)
class Case:
    """`answers`: to the request under test and to those after it; later ones are plain 200."""

    name: str
    answers: tuple[Answer, ...]
    sdk: str
    ours: str


REACTIONS = (
    Case("200", (Answer(),), GOES_ON, GOES_ON),
    Case("200 with skip code 429", (Answer(skipped="429"),), PAUSES, PAUSES),
    Case("200 with skip code 4004", (Answer(skipped="4004"),), STOPS, STOPS),
    Case("200 with skip code 4005", (Answer(skipped="4005"),), STOPS, STOPS),
    Case("200 with another skip code", (Answer(skipped="4999"),), GOES_ON, GOES_ON),
    Case("408", (Answer(408),), AGAIN, AGAIN),
    Case("429", (Answer(429),), AGAIN, AGAIN),
    Case("499", (Answer(499),), AGAIN, AGAIN),
    Case("500", (Answer(500),), AGAIN, AGAIN),
    Case("503", (Answer(503),), AGAIN, AGAIN),
    Case("no answer within 10 s", (Answer(delay_s=30.0),), AGAIN, AGAIN),
    Case("413, the payload exceeds a limit", (Answer(413, text="Payload size exceeded"),), HALVES, HALVES),
    Case("413 for another reason", (Answer(413, text="event too large"),), DROPS, DROPS),
    Case("400", (Answer(400),), DROPS, DROPS),
    Case("402", (Answer(402),), DROPS, DROPS),
    Case("404", (Answer(404),), DROPS, DROPS),
    Case("503 twice", (Answer(503), Answer(503)), DROPS, AGAIN),
    Case("the line breaks", (), DROPS, AGAIN),
    Case("401", (Answer(401),), DROPS, KEEPS),
    Case("403", (Answer(403),), DROPS, KEEPS),
    Case("200 with a web page", (Answer(text=PAGE),), GOES_ON, KEEPS),
)


# ---- two senders ----------------------------------------------------------------------


class Sender:
    """`send` hands over four events, and does not wait for them; their marks are what the server will see."""

    def __init__(self, server: ReplayServer) -> None:
        self.server = server

    def arrived(self, mark: str, session_id: int = START_MS) -> list[Upload]:
        """Requests of a session with this in an event, in order."""
        mine = [one for one in self.server.uploads if one.session_id == session_id]
        return [one for one in mine if any(mark in event for event in one.events)]

    def times(self, batch: str) -> int:
        """How often the first event of a batch came."""
        return len(self.arrived(f"{batch}-0"))


@dataclass
class Sdk(Sender):
    page: Page
    server: ReplayServer

    def send(self, batch: str) -> None:
        self.page.evaluate(
            """async batch => {
                for (let i = 0; i < 4; i++) {
                    document.getElementById("root").append(`${batch}-${i}`);
                    await new Promise(done => queueMicrotask(done));
                }
                dispatchEvent(new Event("blur"));
            }""",
            batch,
        )
        self.pass_(100)

    def pass_(self, ms: int) -> None:
        self.page.clock.run_for(ms)
        self.settle()

    def settle(self) -> None:
        """Some requests there and back, so that what the SDK was about to send had its time."""
        self.page.evaluate(
            "async () => { for (let i = 0; i < 5; i++) await (await fetch('/config/x')).text() }"
        )

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"the SDK never did it: {what}"
            self.pass_(200)

    @contextmanager
    def broken_line(self) -> Iterator[None]:
        self.page.route("**/sessions/v2/track*", lambda route: route.abort())
        yield
        self.page.unroute("**/sessions/v2/track*")

    def change_session(self) -> None:
        self.page.evaluate("id => sessionReplay.setSessionId(id).promise", START_MS + 1_000)


@dataclass
class Ours(Sender):
    """What uploads.py does with a sink: a piece until it is settled, then the next."""

    server: ReplayServer
    now_ms: int = START_MS
    waiting: list[Any] = field(default_factory=list)
    stopped: bool = False
    session_id: int = START_MS

    def __post_init__(self) -> None:
        settings = AmplitudeReplaySettings(API_KEY, host=self.server.url)
        self.sink = AmplitudeReplaySink(settings, now_ms=lambda: self.now_ms, jitter=lambda: 0.0)

    def send(self, batch: str) -> None:
        film = Film(200, 150)
        film.show(0)
        for number in range(2):
            film.mark(number + 1, "log", level=1, text=f"{batch}-{number * 2}")
        self.waiting.append(piece_of(film, len(self.waiting), self.session_id))
        self.run()

    def run(self) -> None:
        with ThreadPoolExecutor(1) as thread:  # this one has the loop of the browser's driver
            thread.submit(lambda: asyncio.run(self._run())).result()

    async def _run(self) -> None:
        while self.waiting and not self.stopped and self.now_ms >= self.sink.paused_until_ms:
            piece = self.waiting[0]
            outcome = await self.sink.send(piece)
            if outcome.state == "retry":
                self.waiting[0] = replace(piece, attempts=piece.attempts + 1)
                continue
            self.waiting.pop(0)
            self.stopped = outcome.state == "stop"
        await self.sink.close()

    def pass_(self, ms: int) -> None:
        for _ in range(max(1, ms // 500)):
            self.now_ms += min(ms, 500)
            self.run()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(1_000):
            if condition():
                return
            self.pass_(500)
        raise AssertionError(f"we never did it: {what}")

    @contextmanager
    def broken_line(self) -> Iterator[None]:
        self.server.answers.append(Answer(cut=True))
        yield
        self.server.uploads.pop()  # it came, and was not answered

    def change_session(self) -> None:
        self.session_id, self.stopped = START_MS + 1_000, False
        self.waiting.clear()


# ---- reactions ------------------------------------------------------------------------


def judge(sender: Any, case: Case, reaction: str) -> None:
    """Send a batch `first` into the answers, then a batch `second`, and see that the reaction is the one named."""
    server = sender.server
    server.answers.extend(case.answers)
    if case.answers:
        sender.send("first")
        sender.until(lambda: sender.times("first") >= 1, "the first request")
    else:
        with sender.broken_line():
            sender.send("first")
    if reaction == AGAIN:
        sender.pass_(A_WHILE_MS)
        sender.until(lambda: sender.times("first") > len(case.answers), "again")
        requests = sender.arrived("first-0")
        assert all(one.events == requests[0].events for one in requests), "the same again"
    if reaction == HALVES:
        before = server.uploads.index(sender.arrived("first-0")[0])
        sender.until(lambda: len(server.uploads) >= before + 3, "both halves")
        whole, *halves = server.uploads[before:]
        assert [event for half in halves for event in half.events] == list(whole.events)
        assert abs(len(halves[0].events) - len(halves[1].events)) <= 1
    if reaction == DROPS:
        sender.pass_(A_WHILE_MS)
    seen = sender.times("first")
    sender.send("second")
    if reaction in (PAUSES, KEEPS, STOPS):
        sender.pass_(MINUTE_MS - A_WHILE_MS)
        assert sender.times("second") == 0, "not within a minute"
    if reaction == STOPS:
        sender.pass_(2 * MINUTE_MS)
        assert sender.times("second") == 0, "never"
        sender.change_session()
        sender.send("third")
        sender.until(lambda: bool(sender.arrived("third-0", START_MS + 1_000)), "another session")
        assert sender.times("second") == 0
        return
    sender.until(lambda: sender.times("second") >= 1, "what comes after it")
    assert sender.times("second") == 1
    if reaction == KEEPS:
        seen += 1
    if reaction != HALVES:
        assert sender.times("first") == seen, "once too often, or not often enough"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with players.open_browser() as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with replay_server.running() as server:
        yield server


INIT = """
async ([key, device, session, base, zone]) => {
    const own = base === null ? {} : { configServerUrl: base + "/config", trackServerUrl: base + "/sessions/v2/track" };
    await sessionReplay.init(key, { deviceId: device, sessionId: session, sampleRate: 1, serverZone: zone, logLevel: 0,
        performanceConfig: { enabled: false }, useWebWorker: false, ...own }).promise;
}
"""


@contextmanager
def sdk_page(browser: Browser, server: ReplayServer, base: str | None, zone: str = "US") -> Iterator[Page]:
    """The SDK, on a clock that only tests turn."""
    page = browser.new_page()
    try:
        now_s = time.time()
        page.clock.install(time=now_s)
        page.clock.pause_at(now_s + 1)
        page.goto(server.url)
        if base is None:
            yield page
            return
        page.evaluate(INIT, [API_KEY, DEVICE, START_MS, base, zone])
        yield page
    finally:
        page.close()


# Each takes seconds; of a kind one is enough by default.
LIKE_ANOTHER = {"200 with skip code 4004", "408", "429", "500", "402", "404", "403"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if case.name in LIKE_ANOTHER else (), id=case.name)
        for case in REACTIONS
    ],
)
def test_the_sdk_reacts_as_the_table_says(case: Case, browser: Browser, server: ReplayServer) -> None:
    with sdk_page(browser, server, server.url) as page:
        sdk = Sdk(page, server)
        sdk.send("beginning")
        sdk.until(lambda: sdk.times("beginning") == 1, "the beginning of its session")
        if case.name == "no answer within 10 s":
            server.answers.extend(case.answers)
            sdk.send("first")
            sdk.until(lambda: sdk.times("first") == 1, "the first request")
            sdk.pass_(10_000)
            sdk.until(lambda: sdk.times("first") == 2, "again")
            return
        judge(sdk, case, case.sdk)


@pytest.mark.parametrize("case", REACTIONS, ids=lambda case: case.name)
def test_we_react_as_the_table_says(
    case: Case, server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.answers and case.answers[0].delay_s:
        monkeypatch.setattr(rules, "TIMEOUT_S", 2.0)
    judge(Ours(server), case, case.ours)


def test_the_document_has_the_same_table() -> None:
    lines = [f"| {case.name} | {case.sdk} | {case.ours} |" for case in REACTIONS]
    assert "\n".join(lines) in DOCUMENT.read_text()


# ---- the request itself -----------------------------------------------------------------

# What a browser adds on its own, and what an HTTP client must.
OF_THE_CLIENT = {"host", "connection", "content-length", "user-agent", "origin", "referer", "accept-encoding"}
OF_THE_CLIENT |= {"accept-language", "priority"}
# The documented differences: who we are, and what stands in for the address of a page.
OTHER_VALUES = {"X-Client-Version", "X-Client-Library", "X-Client-Url"}


def own_headers(upload: Upload) -> dict[str, str]:
    return {
        name: value
        for name, value in upload.headers.items()
        if name.lower() not in OF_THE_CLIENT and not name.lower().startswith("sec-")
    }


@pytest.fixture
def pair(browser: Browser, server: ReplayServer) -> tuple[Upload, Upload]:
    """The first request of a session, the SDK's and ours."""
    with sdk_page(browser, server, server.url) as page:
        sdk = Sdk(page, server)
        sdk.send("beginning")
        sdk.until(lambda: sdk.times("beginning") == 1, "the beginning of its session")
    Ours(server).send("beginning")
    by_library = {
        one.headers.get("X-Client-Library", "beacon").partition("/")[0]: one
        for one in reversed(server.uploads)
    }
    return by_library["standalone"], by_library["pixeltrail"]


def test_address_and_query_are_the_same(pair: tuple[Upload, Upload]) -> None:
    theirs, ours = pair
    assert ours.target == theirs.target


def test_headers_are_the_same(pair: tuple[Upload, Upload]) -> None:
    theirs, ours = map(own_headers, pair)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == OTHER_VALUES
    assert ours["X-Client-Library"].count("/") == theirs["X-Client-Library"].count("/") == 1


def test_the_body_has_the_same_form(pair: tuple[Upload, Upload]) -> None:
    theirs, ours = pair
    assert ours.version == theirs.version == 1
    for upload in pair:
        kinds = [event["type"] for event in upload.parsed()]
        assert kinds[:2] == [4, 2], "Meta and FullSnapshot first"
        assert all(list(event) == ["type", "timestamp", "data"] for event in upload.parsed())
        assert all(isinstance(event["timestamp"], int) for event in upload.parsed())
        for event, text in zip(upload.parsed(), upload.events, strict=True):
            assert json.dumps(event, separators=(",", ":"), ensure_ascii=False) == text, (
                "plain JSON, no spaces"
            )
    meta, snapshot = (
        [list(upload.parsed()[number]["data"]) for upload in (theirs, ours)] for number in (0, 1)
    )
    assert meta[0] == meta[1] and snapshot[0] == snapshot[1]
    nodes = [upload.parsed()[1]["data"]["node"] for upload in (theirs, ours)]
    assert nodes[0].keys() == nodes[1].keys()
    custom = [
        next(event["data"] for event in upload.parsed() if event["type"] == 5) for upload in (theirs, ours)
    ]
    assert list(custom[0]) == list(custom[1]) == ["tag", "payload"]


@pytest.mark.parametrize("zone", ["US", "EU"])
def test_both_go_to_the_same_address_of_a_zone(zone: str, browser: Browser, server: ReplayServer) -> None:
    """Without an address of one's own: the requests are caught before they leave the browser."""
    seen: list[str] = []
    with sdk_page(browser, server, None) as page:

        def catch(route: Any) -> None:
            is_upload = "sessions/v2/track" in route.request.url
            if is_upload:
                seen.append(route.request.url)
            remote = json.dumps(replay_server.REMOTE)
            route.fulfill(
                status=200, body="" if is_upload else remote, headers={"access-control-allow-origin": "*"}
            )

        page.route(lambda url: url.startswith("https://"), catch)
        page.evaluate(INIT, [API_KEY, DEVICE, START_MS, None, zone])
        sdk = Sdk(page, server)
        sdk.send("beginning")
        sdk.until(lambda: bool(seen), "a request")
    assert seen[0] == rules.upload_url(rules.base_url(zone, None), DEVICE, START_MS)
