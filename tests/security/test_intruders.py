"""What somebody tried against a running page who knew how it is made: each got further than they should have."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.asyncio.client
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, exposure
from pixeltrail_bridge.keys.authority import Authority
from pixeltrail_bridge.keys.files import CA_CERT, SERVER_CERT, SERVER_KEY
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.sources.tls import ServerTls
from pixeltrail_bridge.web import access, lines, places, rules, server
from pixeltrail_bridge.web.access import _cookie
from pixeltrail_bridge.web.users import Users
from pixeltrail_bridge.web.watched import Watched
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send
from websockets.exceptions import ConnectionClosedError

from tests.security.kit import LOOPBACK, WAIT_S, Browser, bridge
from tests.security.test_web import OURS, routes_of

PASSWORD = "the password of vera"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("intruders")
    Users(made / "users.json").add("vera", "viewer", PASSWORD)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Bridge]:
    with bridge(folder, "web.proxy_header=X-User", "web.proxy_role=nothing") as one:
        yield one


@pytest.fixture(scope="module")
def vera(page: Bridge) -> Browser:
    browser = Browser(page.web_port or 0)
    assert browser.log_in("vera", PASSWORD).status == 200
    return browser


# ---- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["%0a", "%0d%0a", "%00", "%0a/", "%7f", "%e2%80%a8"])
def test_the_end_of_a_line_makes_no_other_role(page: Bridge, vera: Browser, end: str) -> None:
    """`/api/audit%0a` found the route of /api/audit, and not the rule that it is for admins."""
    places = routes_of(page, with_public=True)
    assert ("GET", "/api/audit") in places
    for method, path in places:
        answer = vera.change(method, path + end)
        assert answer.status == 400, (method, path)


@pytest.mark.parametrize("session", ["00000000000000000001" + "9" * 30, "1" * 5_000, "01", "1" * 19, "0"])
def test_a_session_has_one_spelling(vera: Browser, session: str) -> None:
    """Another one was opened without its number in the audit log, or ended in an error of ours."""
    for place in ("", "/timeline", "/shares", "/events"):
        assert vera.get(f"/api/sessions/kitchen-01/{session}{place}").status == 404
    assert vera.get(f"/api/devices/kitchen-01/events?after={session}").status in (200, 400)


def test_a_search_is_written_down_whatever_stands_before_it() -> None:
    hidden = "x=" + "y" * 5_000 + "&q=&user=alice%40example.org&cursor=1&user=bob"
    assert rules.look_at("GET", "/api/sessions", hidden).detail == "user=bob"
    longest = "&".join(f"{name}={'z' * 200}" for name in ("device", "user", "event", "property", "q"))
    assert rules.look_at("GET", "/api/sessions", longest).detail == longest


# ---- cookies and headers -----------------------------------------------------------------------


def test_a_cookie_that_is_a_bomb_costs_nothing(page: Bridge) -> None:
    """http.cookies took seconds for it, before anybody had logged in, and everything else waited."""
    name = "pixeltrail"
    bomb = f'{name}="' + "\\" * 60_000 + '"'
    began_s = time.process_time()
    for _ in range(200):
        assert _cookie(Headers({"cookie": bomb}), name)[:1] == '"'
    assert time.process_time() - began_s < 5, "it took above 1,000 s"
    assert Browser(page.web_port or 0).get("/api/devices", Cookie=bomb).status == 401


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("pixeltrail=a", "a"),
        ("x=1; pixeltrail=a=b ;y", "a=b"),
        ("xpixeltrail=a", ""),
        ("pixeltrail", ""),
        ("", ""),
    ],
)
def test_the_cookie_is_found_among_others(sent: str, value: str) -> None:
    assert _cookie(Headers({"cookie": sent}), "pixeltrail") == value


def test_a_name_beside_the_proxys_own_counts_for_nothing(page: Bridge) -> None:
    """A proxy that adds its header to those of the browser, rather than replacing it."""
    line = http.client.HTTPConnection(LOOPBACK, page.web_port or 0, timeout=WAIT_S)
    statuses = []
    for names in (("vera",), ("vera", "somebody"), ("somebody", "vera"), ("", "vera"), ("",)):
        line.putrequest("GET", "/api/me")
        for name in names:
            line.putheader("X-User", name)
        line.endheaders()
        answer = line.getresponse()
        answer.read()
        statuses.append(answer.status)
    line.close()
    assert statuses == [200, 401, 401, 401, 401]


# ---- what was open stays asked for ---------------------------------------------------------------


def test_the_last_users_end_lets_nobody_in(tmp_path: Path) -> None:
    """It made everybody an admin; so did the end of the file, which an error's own words advised."""
    users = Users(tmp_path / "users.json")
    users.add("ada", "admin", "the password of ada")
    with bridge(tmp_path) as one:
        stranger = Browser(one.web_port or 0)
        assert stranger.get("/api/devices").status == 401
        users.path.write_text("{")
        answer = stranger.get("/api/devices")
        assert answer.status in (401, 503) and str(tmp_path).encode() not in answer.body
        assert stranger.ask("POST", "/api/login", {"user": "ada", "password": "x"}, OURS).status in (401, 503)
        users.path.unlink()
        assert stranger.get("/api/devices").status == 401
        users.add("eve", "viewer", "the password of eve")
        users.remove("eve")
        assert stranger.get("/api/audit").status == 401


def test_whoever_is_gone_sees_no_more_of_what_is_live(
    page: Bridge, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket that was open stayed open, for ever."""
    monkeypatch.setattr(access, "LOOK_S", 0.05)
    users = Users(folder / "users.json")
    users.add("temp", "viewer", "a temporary one")
    browser = Browser(page.web_port or 0)
    assert browser.log_in("temp", "a temporary one").status == 200
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    async def look_on() -> int:
        url = f"ws://{LOOPBACK}:{browser.port}/live"
        async with websockets.asyncio.client.connect(
            url, additional_headers={"Cookie": cookie}
        ) as page_socket:
            for _ in range(5):
                await page_socket.send('{"painted":0}')
                await asyncio.wait_for(await page_socket.ping(), WAIT_S)
            await asyncio.to_thread(users.remove, "temp")
            with pytest.raises(ConnectionClosedError) as ended:
                while True:
                    await asyncio.wait_for(page_socket.recv(), WAIT_S)
            assert ended.value.rcvd is not None
            return ended.value.rcvd.code

    assert asyncio.run(look_on()) == 1008


def test_one_login_leaves_places_for_others(tmp_path: Path) -> None:
    """One could take all 64, and keep them."""
    users = Users(tmp_path / "users.json")
    for name in ("greedy", "other"):
        users.add(name, "viewer", "the password of both")
    with bridge(tmp_path) as one:
        # two logins of the one, which count together, and one of the other
        first, second, other = (Browser(one.web_port or 0) for _ in range(3))
        for browser, name in ((first, "greedy"), (second, "greedy"), (other, "other")):
            assert browser.log_in(name, "the password of both").status == 200

        async def look(browser: Browser, stack: contextlib.AsyncExitStack) -> tuple[int, str]:
            """0 while it may look on, else why it was closed."""
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            url = f"ws://{LOOPBACK}:{browser.port}/live"
            headers = {"Cookie": cookie}
            line = await stack.enter_async_context(
                websockets.asyncio.client.connect(url, additional_headers=headers)
            )
            try:
                await asyncio.wait_for(await line.ping(), WAIT_S)
                await line.send("{}")
                await asyncio.wait_for(await line.ping(), WAIT_S)
            except ConnectionClosedError as ended:
                assert ended.rcvd is not None
                return ended.rcvd.code, ended.rcvd.reason
            return 0, ""

        async def look_on() -> None:
            async with contextlib.AsyncExitStack() as stack:
                for number in range(places.MOST_OF_ONE):
                    assert await look((first, second)[number % 2], stack) == (0, "")
                for browser in (first, second):
                    code, why = await look(browser, stack)
                    assert code == 1013 and "under this login" in why
                assert await look(other, stack) == (0, "")
            async with contextlib.AsyncExitStack() as stack:
                while one.hub.viewers:
                    await asyncio.sleep(0.01)
                assert await look(first, stack) == (0, ""), "who has gone makes room"

        asyncio.run(asyncio.wait_for(look_on(), WAIT_S))
        assert other.get("/api/fleet").json["bridge"]["viewers_refused"] == 2


def test_all_places_together_are_bounded_as_well() -> None:
    few = places.Places(most=3, most_of_one=2)
    with contextlib.ExitStack() as stack:
        for whose in ("a", "a", "b"):
            stack.enter_context(few.take(whose))
        for whose, words in (("a", "All 3"), ("c", "All 3")):
            with pytest.raises(places.Full, match=words) as full:
                stack.enter_context(few.take(whose))
            assert len(str(full.value).encode()) <= 123
    with few.take("c"):
        assert few.refused == 2


def test_who_talks_all_the_time_is_asked_as_well() -> None:
    asked: list[bool] = []

    async def receive() -> Message:
        return {"type": "websocket.receive", "text": "x"}

    async def is_welcome() -> bool:
        asked.append(True)
        return len(asked) < 3

    async def talk() -> None:
        watched = Watched(receive, is_welcome, 0.0)
        while (await watched())["type"] == "websocket.receive":
            pass
        watched.close()
        assert watched.is_over

    asyncio.run(asyncio.wait_for(talk(), WAIT_S))
    assert len(asked) == 3


def test_the_keys_end_lets_no_device_in(tmp_path: Path) -> None:
    """A `devices.json` that was deleted, as the words about a damaged one advise, opened the broker inside."""
    settings = config.load(None, {}, (f"bridge.data_dir={tmp_path}",), must_exist=False)
    door = exposure.Doorkeeper(settings)
    assert door().authorization == "", "on this machine, before there is a key"
    ring = KeyRing(tmp_path / "keys")
    ring.add("kitchen-01", 0)
    assert '"kitchen-01"' in door().authorization
    ring.path.unlink()
    asked = door().authorization
    assert '"_bridge"' in asked and "kitchen" not in asked
    beyond = config.load(None, {}, (f"bridge.data_dir={tmp_path}/new", "mqtt.host=0.0.0.0"), must_exist=False)
    assert '"_bridge"' in exposure.Doorkeeper(beyond)().authorization


# ---- this machine ------------------------------------------------------------------------------


def test_recordings_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The database was readable for every user of the machine, and with it what logs in as `doctor`."""
    umask = os.umask(0o022)
    try:
        with bridge(tmp_path / "data", "web.enabled=false"):
            made = [tmp_path / "data", *(tmp_path / "data").glob("pixeltrail.db*")]
            modes = {path.name: path.stat().st_mode & 0o777 for path in made}
    finally:
        os.umask(umask)
    assert modes.pop("data") == 0o700
    assert len(modes) > 1 and set(modes.values()) == {0o600}, modes


def test_a_certificate_is_exchanged_between_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread it met those that were beginning, with the new certificate and the key of the old one."""
    threads: set[int] = set()

    class Certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def renew(self) -> None:
            threads.add(threading.get_ident())

    async def serve() -> None:
        one = server.WebServer(JSONResponse({}), LOOPBACK, 0, Certificate())
        await one.start()
        while not threads:
            await asyncio.sleep(0.01)
        await one.stop()

    monkeypatch.setattr(server, "_RENEW_S", 0.01)
    asyncio.run(serve())
    assert threads == {threading.get_ident()}


# ---- connections ---------------------------------------------------------------------------------


class Served:
    """A server in a thread's event loop that answers GET with "{}" once the body is in."""

    def __enter__(self) -> Served:
        self.loop = asyncio.new_event_loop()
        self.server = self._make()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(WAIT_S)
        return self

    def _make(self) -> server.WebServer:
        return server.WebServer(self._app, LOOPBACK, 0)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(WAIT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT_S)
        self.loop.close()

    @staticmethod
    async def _app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await JSONResponse({})(scope, receive, send)

    def open(self, begins: bytes = b"") -> socket.socket:
        line = socket.create_connection((LOOPBACK, self.server.port), timeout=WAIT_S)
        line.sendall(begins)
        return line


HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


def is_closed(line: socket.socket) -> bool:
    """Waits for the end, or for an answer."""
    try:
        return not line.recv(1)
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "begins",
    [b"", b"G", HEAD, HEAD + b"Content-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "a letter", "a head", "a body"],
)
def test_who_never_ends_a_request_is_not_waited_for(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such connections stayed open until there were no files left to open."""
    monkeypatch.setattr(lines.Line, "look_s", 0.1)
    with Served() as served, served.open(begins) as line:
        assert is_closed(line)


def test_a_full_house_has_room_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.Line, "most_lines", 8)
    with Served() as served, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(served.open(HEAD)) for _ in range(20)]
        with served.open(HEAD + b"\r\n") as asking:
            assert asking.recv(12) == b"HTTP/1.1 200"
        assert all(is_closed(line) for line in idle[:12])


class ServedOverTls(Served):
    def __init__(self, folder: Path) -> None:
        authority = Authority.make(folder)
        authority.issue_server([LOOPBACK])
        self.certificate = ServerTls(folder / SERVER_CERT, folder / SERVER_KEY, "web")
        self.client = ssl.create_default_context(cafile=folder / CA_CERT)

    def _make(self) -> server.WebServer:
        return server.WebServer(self._app, LOOPBACK, 0, self.certificate)

    def ask(self) -> bytes:
        with self.client.wrap_socket(self.open(), server_hostname=LOOPBACK) as line:
            line.sendall(HEAD + b"\r\n")
            return line.recv(12)


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["nothing", "half a hello"])
def test_half_open_handshakes_leave_room_for_who_asks(
    tmp_path: Path, begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were counted by nobody, until there were no files left to open."""
    monkeypatch.setattr(lines.Line, "most_lines", 8)
    with ServedOverTls(tmp_path) as served, contextlib.ExitStack() as stack:
        alive = http.client.HTTPSConnection(
            LOOPBACK, served.server.port, timeout=WAIT_S, context=served.client
        )
        stack.callback(alive.close)
        alive.request("GET", "/")
        assert alive.getresponse().read() == b"{}"
        half_open = [stack.enter_context(served.open(begins)) for _ in range(100)]
        assert served.ask() == b"HTTP/1.1 200"
        assert all(is_closed(line) for line in half_open[:92])
        assert len(served.server._server.server_state.connections) <= 8
        alive.auto_open = 0  # type: ignore[assignment] # so no other connection takes its place
        alive.request("GET", "/")
        assert alive.getresponse().status == 200, "who has ended one stays"


def test_a_handshake_has_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.Door, "handshake_s", 0.1)
    with ServedOverTls(tmp_path) as served, served.open() as line:
        line.settimeout(WAIT_S / 2)  # asyncio's own is a minute
        assert is_closed(line)
        assert served.ask() == b"HTTP/1.1 200"
    assert lines.HANDSHAKE_S <= 10


def test_the_page_and_the_apps_address_have_these_lines(page: Bridge) -> None:
    assert page.web is not None and page.web._server.config.http is lines.Line
    assert 2 * lines.MOST_LINES < 1_024 - 200, "what a process may open, and the rest of the bridge"
