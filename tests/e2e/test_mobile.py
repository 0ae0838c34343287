"""Companion apps with the libraries that Segment publishes, against the bridge as they are."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.mobile import links
from segment.analytics.client import Client

from tests.support import cutting_proxy, node, requirements, services

from .rig import World, rig

KEY = "companion-key"
DEVICE = "thermostat-1"
REPLAY = "[Amplitude] Session Replay ID"
Event = dict[str, Any]


class App:
    """The bridge with its mobile side on; `url` is what an app is told."""

    def __init__(self, world: World, url: str, page_port: int) -> None:
        self.world, self.url, self.page_port = world, url, page_port

    def post(self, path: str, content: Any, key: str = KEY) -> int:
        token = base64.b64encode(f"{key}:".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers)) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def events(self, ids: Sequence[str]) -> list[Event]:
        """Those events, once all of them have come out at Segment."""
        wanted = set(ids)
        self.world.bridge.wait_until(
            lambda: wanted <= {event["messageId"] for event in self.world.server.events},
            f"{len(wanted)} events of the app came",
        )
        return [event for event in self.world.server.events if event["messageId"] in wanted]

    def run(self, library: str, device: str, count: int, url: str = "") -> list[str]:
        output = node.run(
            Path("companion.js"), library, url or self.url, KEY, device, str(count), timeout_s=100
        )
        return list(json.loads(output.splitlines()[-1]))


@contextmanager
def app_world(folder: Path, **mobile: Any) -> Iterator[App]:
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text(KEY + "\n")
    port, page_port = services.free_port(), services.free_port()
    settings = {"enabled": True, "port": port, "write_key_file": str(folder / "key"), "sample_rate": 1.0}
    with rig(folder, {"mobile": settings | mobile, "web": {"enabled": True, "port": page_port}}) as world:
        world.bridge.wait_until(lambda: "Apps:" in world.bridge.log, "apps may post")
        yield App(world, f"http://{services.LOOPBACK}:{port}", page_port)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A thermostat runs, in a session that is recorded."""
    requirements.require_node_package("@segment/analytics-node")
    with app_world(tmp_path_factory.mktemp("mobile")) as app:
        app.world.spawn("sim", DEVICE, duration_s=300)
        app.world.bridge.wait_until(
            lambda: app.world.bridge.count("sessions"), "the thermostat is in a session"
        )
        yield app


def session_of(app: App) -> int:
    ((session_id,),) = app.world.bridge.query(
        "SELECT s.session_id FROM sessions s JOIN devices d ON d.no = s.device WHERE d.device_id = ?", DEVICE
    )
    return int(session_id)


def session_in(event: Event) -> int:
    return int(event["integrations"]["Actions Amplitude"]["session_id"])


@pytest.mark.parametrize("library", ["node", "native"])
def test_every_call_of_a_library_arrives_once_and_in_a_session(app: App, library: str) -> None:
    ids = app.run(library, "", 12)
    events = app.events(ids)
    assert len(events) == len(ids)
    kinds = [event["type"] for event in events]
    assert set(kinds) >= {"track", "screen", "identify", "group", "alias"}
    numbers = [event["properties"]["number"] for event in events if event.get("event") == "Tapped"]
    assert sorted(numbers) == list(range(12)), "they come in several requests at once, in whatever order"
    tracks = [event for event in events if event["type"] in ("track", "screen", "page")]
    assert len({event["properties"][REPLAY] for event in tracks}) == 1
    for event in tracks:
        assert event["properties"][REPLAY] == f"{event['anonymousId']}/{session_in(event)}"


@pytest.mark.parametrize("library", ["node", "native"])
def test_an_app_that_names_the_device_joins_its_session(app: App, library: str) -> None:
    events = app.events(app.run(library, DEVICE, 5))
    joined = [event for event in events if event["type"] in ("track", "screen")]
    assert joined
    for event in joined:
        assert event["context"]["device"]["id"] == DEVICE
        assert event["properties"][REPLAY] == f"{DEVICE}/{session_of(app)}"


def test_a_network_that_cuts_requests_and_answers(app: App) -> None:
    """What was committed and never acknowledged comes again, under the same message IDs, and counts once."""
    faults = ["answer", "request", "answer", "answer"]
    with cutting_proxy.running(int(app.url.rpartition(":")[2]), faults) as proxy:
        ids = app.run("node", "", 40, f"http://{services.LOOPBACK}:{proxy.port}")
        assert not proxy.faults, "the app was done before every fault was met"
    events = app.events(ids)
    numbers = [event["properties"]["number"] for event in events if event.get("event") == "Tapped"]
    assert sorted(numbers) == list(range(40))
    ((known,),) = app.world.bridge.query("SELECT value FROM counters WHERE name = 'mobile_known_already'")
    assert known >= 1


def test_the_library_for_python_with_gzip(app: App) -> None:
    client = Client(KEY, host=app.url, gzip=True)
    ids = [
        client.track("user-7", "Tapped", {"number": number}, context={"device": {"id": "pi-app"}})[1][
            "messageId"
        ]
        for number in range(20)
    ]
    client.shutdown()
    events = app.events(ids)
    assert [event["properties"]["number"] for event in events] == list(range(20))
    assert {event["properties"][REPLAY] for event in events} == {f"pi-app/{session_in(events[0])}"}


def test_a_token_on_the_display_pairs_an_app(app: App) -> None:
    token = links.link_token(f"{DEVICE}/{session_of(app)}")
    event = {"type": "track", "event": "Opened", "anonymousId": "anon-token"}
    first = event | {"messageId": "token-1", "context": {"pixeltrail": {"link": token}}}
    assert app.post("/v1/batch", {"batch": [first]}) == 200
    assert app.post("/v1/track", event | {"messageId": "token-2"}) == 200
    for joined in app.events(["token-1", "token-2"]):
        assert joined["context"]["device"]["id"] == DEVICE
        assert session_in(joined) == session_of(app)


def test_the_device_s_timeline_shows_what_the_app_did(app: App) -> None:
    assert app.post("/v1/track", {"event": "Seen", "anonymousId": DEVICE, "messageId": "seen-1"}) == 200
    app.events(["seen-1"])
    session_id = session_of(app)
    address = (
        f"http://{services.LOOPBACK}:{app.page_port}/api/sessions/{DEVICE}/{session_id}/events?limit=500"
    )
    with urllib.request.urlopen(address) as answer:
        shown = json.load(answer)["events"]
    assert "seen-1" in [event["message_id"] for event in shown]


def test_the_published_destination_sees_one_device_and_one_session(app: App) -> None:
    requirements.require_node_package("@segment/action-destinations")
    companion = app.events(app.run("node", DEVICE, 1))[-1]
    own = app.world.bridge.wait_until(
        lambda: [e for e in app.world.server.events if e.get("event") == "Setpoint Changed"],
        "the device said something",
    )[0]
    lines = map(json.loads, node.run(Path("judge.js"), stdin=json.dumps([companion, own])).splitlines())
    identities = set()
    for line in lines:
        (request,) = line["requests"]
        (sent,) = request["body"]["events"]
        identities.add((sent["device_id"], sent["session_id"]))
    assert identities == {(DEVICE, session_of(app))}


@pytest.mark.parametrize(
    ("path", "content", "key", "status"),
    [
        ("/v1/batch", b"{", KEY, 400),
        ("/v1/batch", {"batch": 5}, KEY, 400),
        ("/v1/batch", {"batch": []}, "wrong", 401),
        ("/v1/batch", b"x" * 600_000, KEY, 400),
        ("/v1/track", {"event": "x" * 40_000}, KEY, 400),
        ("/v1/nothing", {}, KEY, 404),
        ("/v1/m", {"series": []}, KEY, 200),
        ("/v1/t", {"event": "Short", "anonymousId": "anon-1"}, KEY, 200),
    ],
)
def test_answers(app: App, path: str, content: Any, key: str, status: int) -> None:
    assert app.post(path, content, key) == status
    assert app.post("/v1/track", {"event": "Still There", "anonymousId": "anon-1"}) == 200


class Pages(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None: ...


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """A site of its own that serves a folder."""
    server = ThreadingHTTPServer((services.LOOPBACK, 0), lambda *rest: Pages(*rest, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{services.LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PAGE = """<!doctype html><title>Companion</title><script src="standalone/index.js"></script><script>
const [app] = [AnalyticsNext.AnalyticsBrowser.load(
  { writeKey: "%(key)s", cdnURL: "%(url)s" },
  { integrations: { "Segment.io": { apiHost: "%(host)s/v1", protocol: "http" } } },
)];
window.sent = (async () => {
  const ids = [];
  for (let number = 0; number < 5; number++)
    ids.push((await app.track("Clicked", { number })).event.messageId);
  ids.push((await app.page("Shop")).event.messageId);
  ids.push((await app.identify("user-7", { plan: "pro" })).event.messageId);
  return ids;
})();
</script>"""


def test_the_library_for_browsers_in_a_browser(app: App, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    requirements.require_node_package("@segment/analytics-next")
    package = requirements.NODE_FOLDER / "node_modules/@segment/analytics-next/dist/umd"
    (tmp_path / "standalone").symlink_to(package)
    host = app.url.partition("://")[2]
    (tmp_path / "index.html").write_text(PAGE % {"key": KEY, "url": app.url, "host": host})
    with pages(tmp_path) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(site + "/index.html")
        ids = page.evaluate("() => window.sent")
        agent = page.evaluate("() => navigator.userAgent")
        events = app.events(ids)
        browser.close()
    assert [event["type"] for event in events] == ["track"] * 5 + ["page", "identify"]
    for event in events[:6]:
        assert event["properties"][REPLAY] == f"{event['anonymousId']}/{session_in(event)}"
        assert event["context"]["userAgent"] == agent
        assert event["context"]["ip"] == services.LOOPBACK


def has_come(app: App, client: subprocess.Popen[str], least: int) -> bool:
    return client.poll() is not None or app.world.bridge.count("events") >= least


def test_nothing_is_lost_or_doubled_when_the_bridge_is_killed(tmp_path: Path) -> None:
    requirements.require_node_package("@segment/analytics-node")
    with app_world(tmp_path / "killed") as app:
        command = [str(node.path()), "companion.js", "node", app.url, KEY, "", "150"]
        client = subprocess.Popen(
            command, cwd=requirements.NODE_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            kills = 0
            for least in (10, 60, 110):
                app.world.bridge.wait_until(
                    functools.partial(has_come, app, client, least), f"{least} events came, or all of them"
                )
                if client.poll() is None:
                    app.world.bridge.kill()
                    app.world.bridge.start()
                    kills += 1
            output, errors = client.communicate(timeout=100)
        finally:
            client.kill()
        assert client.returncode == 0, errors
        ids = json.loads(output.splitlines()[-1])
        events = app.events(ids)
        app.world.settle()
    assert kills, "the app was done before anything was killed"
    assert len(ids) == 155
    assert len(events) == len(ids)
    numbers = [event["properties"]["number"] for event in events if event.get("event") == "Tapped"]
    assert sorted(numbers) == list(range(150))
