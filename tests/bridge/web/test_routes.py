"""Addresses, security headers, and who is refused, asked over a real socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.web import guard, routes
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.server import WebServer

from .page import LOOPBACK, MemoryBackend, event, noise, paint, serve

DEVICE = "sim-thermostat"
T = TypeVar("T")
FIRST_LOAD_BYTES = 150_000
STATIC = Path(str(routes._STATIC))


@pytest.fixture(scope="module")
def backend() -> MemoryBackend:
    backend = MemoryBackend(Hub())
    paint(backend.hub, DEVICE, noise(8, 4, 1))
    backend.lists[DEVICE] = [event(number, "Brew Started") for number in range(1, 8)]
    return backend


@pytest.fixture(scope="module")
def port(backend: MemoryBackend) -> Iterator[int]:
    with serve(backend) as port:
        yield port


def get(port: int, path: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=20)) as connection:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def test_the_page_asks_nobody_else(port: int) -> None:
    status, headers, page = get(port, "/")
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    for path in STATIC.rglob("*"):
        if not path.is_file():
            continue
        status, headers, content = get(port, f"/static/{path.relative_to(STATIC).as_posix()}")
        assert (status, content) == (200, path.read_bytes())
        assert headers["cache-control"] == "no-cache"
        own = content.replace(b"http://www.w3.org/2000/svg", b"").replace(
            b"${scheme}://${location.host}", b""
        )
        assert b"://" not in own, f"{path.name} names another site"
    assert b"<script>" not in page and b"style=" not in page and b"onclick" not in page


@pytest.mark.parametrize("page", ["index.html", "share.html"])
def test_the_first_load_is_small(page: str) -> None:
    """What the page names, and what that imports at once; later views are fetched when they are opened."""
    waiting, seen = [STATIC / page], set[Path]()
    while waiting:
        path = waiting.pop().resolve()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text()
        if path.suffix == ".html":
            waiting += [STATIC / name for name in re.findall(r'(?:src|href)="/static/([^"]+)"', text)]
        elif path.suffix == ".js":
            waiting += [
                path.parent / name for name in re.findall(r'(?m)^(?:import|export)[^;]*?"(\.[^"]+)"', text)
            ]
    assert len(seen) > 5
    assert sum(path.stat().st_size for path in seen) < FIRST_LOAD_BYTES


@pytest.mark.parametrize(
    ("query", "ids"), [("", [1, 2, 3, 4, 5, 6, 7]), ("?limit=2", [6, 7]), ("?after=3&limit=2", [4, 5])]
)
def test_events(port: int, query: str, ids: list[int]) -> None:
    status, headers, body = get(port, f"/api/devices/{DEVICE}/events{query}")
    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert [item["id"] for item in json.loads(body)["events"]] == ids


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=501", "limit=", "after=1e3", "after=²"])
def test_a_bad_number_is_named(port: int, query: str) -> None:
    query = query.replace("²", "%C2%B2")
    status, _, body = get(port, f"/api/devices/{DEVICE}/events?{query}")
    assert status == 400
    assert "expected a whole number" in json.loads(body)["error"]


def test_devices_and_health(port: int, backend: MemoryBackend) -> None:
    (device,) = json.loads(get(port, "/api/devices")[2])["devices"]
    assert (device["id"], device["width"], device["height"]) == (DEVICE, 8, 4)
    assert get(port, f"/api/devices/{DEVICE}/dead-letters")[0] == 200
    assert get(port, "/livez")[0] == get(port, "/readyz")[0] == get(port, "/api/health")[0] == 200
    backend.is_well = False
    assert get(port, "/livez")[0] == 200
    assert get(port, "/readyz")[0] == get(port, "/api/health")[0] == 503
    backend.is_well = True


def test_a_link_in_an_event_leads_to_the_player(port: int) -> None:
    status, _, page = get(port, "/sessions/sim-thermostat/1760000000000?t=1.5")
    assert (status, page) == (200, get(port, "/")[2])


@pytest.mark.parametrize("path", ["/static/../routes.py", "/static/%2e%2e/routes.py", "/nothing", "/static/"])
def test_nothing_else_is_served(port: int, path: str) -> None:
    assert get(port, path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:8377", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_the_page_answers_only_to_its_own_names(port: int, host: str, status: int) -> None:
    assert get(port, "/livez", host or " ")[0] == status


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("http://{host}", True),
        (None, True),
        ("http://evil.example", False),
        ("http://127.0.0.1:1", False),
        ("null", False),
    ],
)
def test_the_socket_opens_only_to_its_own_pages(port: int, origin: str | None, is_let_in: bool) -> None:
    headers = {"Origin": origin.format(host=f"{LOOPBACK}:{port}")} if origin else {}

    async def try_it(session: aiohttp.ClientSession) -> bool:
        try:
            async with session.ws_connect(f"ws://{LOOPBACK}:{port}/live", headers=headers) as socket:
                first, second = await socket.receive(20), await socket.receive(20)
                assert json.loads(first.data)["devices"][0]["id"] == DEVICE
                assert len(second.data) == 16 + 8 + 8 * 4 * 4
                return True
        except aiohttp.WSServerHandshakeError as refused:
            assert refused.status == 403
            return False

    assert run(try_it) is is_let_in


def test_nonsense_from_a_page_is_ignored(port: int) -> None:
    async def talk(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"ws://{LOOPBACK}:{port}/live") as socket:
            for text in ["", "{", "[]", '{"painted": null}', '{"painted": "x"}', '{"painted": 1e99}', "7"]:
                await socket.send_str(text)
            await socket.send_bytes(b"\0")
            assert (await socket.receive(20)).type is aiohttp.WSMsgType.TEXT
            await socket.send_str("x" * 5_000)
            while (message := await socket.receive(20)).type in (
                aiohttp.WSMsgType.TEXT,
                aiohttp.WSMsgType.BINARY,
            ):
                pass
            assert message.type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )

    run(talk)
    assert get(port, "/livez")[0] == 200


def test_a_port_in_use_is_named(port: int, backend: MemoryBackend) -> None:
    server = WebServer(routes.build(backend.hub, backend, frozenset()), LOOPBACK, port)
    with pytest.raises(LocalError, match=f"web.port = {port}"):
        asyncio.run(server.start())


def test_names() -> None:
    assert guard.allowed_names("127.0.0.1", "https://Trail.example/x", ["Box"]) == {
        "127.0.0.1",
        "localhost",
        "trail.example",
        "box",
    }
    assert guard.is_loopback("::1") and not guard.is_loopback("0.0.0.0")


def run(work: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    async def all_of_it() -> T:
        async with aiohttp.ClientSession() as session:
            return await work(session)

    return asyncio.run(all_of_it())
