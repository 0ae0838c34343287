"""Who may look and change: logins, roles, cross-site requests, sockets of other origins, proxies, the audit log."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client
from pixeltrail_bridge.app import Bridge
from pixeltrail_bridge.store import access as logins
from pixeltrail_bridge.store.access import audit, login, login_key
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import rules
from pixeltrail_bridge.web.access import Access, AccessSettings
from pixeltrail_bridge.web.attempts import Attempts, LoginAttempts, network_of
from pixeltrail_bridge.web.journal import Journal
from pixeltrail_bridge.web.users import ROLES, Users, may
from starlette.datastructures import Headers
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.exceptions import InvalidStatus

from tests.security.kit import LOOPBACK, Browser, bridge, wait_until

PASSWORDS = {"vera": "the password of vera", "otto": "the password of otto", "ada": "the password of ada"}
OURS = {"x-pixeltrail": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    users = Users(made / "users.json")
    for (name, password), role in zip(PASSWORDS.items(), ROLES, strict=True):
        users.add(name, role, password)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Bridge]:
    with bridge(folder, "mqtt.host=127.0.0.1", "web.proxy_addresses=127.0.0.9") as one:
        yield one


@pytest.fixture
def stranger(page: Bridge) -> Browser:
    assert page.web_port is not None
    return Browser(page.web_port)


@pytest.fixture(scope="module")
def people(page: Bridge) -> dict[str, Browser]:
    """Everybody, logged in."""
    found = {}
    for name, password in PASSWORDS.items():
        assert page.web_port is not None
        found[name] = Browser(page.web_port)
        assert found[name].log_in(name, password).status == 200
    return found


# ---- logging in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/devices", "/api/sessions", "/api/health", "/api/me", "/api/audit", "/metrics"]
)
def test_nothing_is_told_to_strangers(stranger: Browser, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status == 401 and b"Log in" in answer.body


def test_a_person_is_led_to_the_login_and_back(stranger: Browser) -> None:
    answer = stranger.get("/sessions/kitchen-01/1?t=3", Accept="text/html")
    assert (answer.status, answer.headers["location"]) == (
        303,
        "/login?next=%2Fsessions%2Fkitchen-01%2F1%3Ft%3D3",
    )
    assert stranger.get("/login").status == stranger.get("/static/login.js").status == 200


def test_what_a_supervisor_asks_needs_no_login(stranger: Browser) -> None:
    assert stranger.get("/livez").status == 200 and stranger.get("/readyz").status in (200, 503)


def test_the_cookie_is_kept_from_scripts_and_other_sites(page: Bridge) -> None:
    assert page.web_port is not None
    browser = Browser(page.web_port)
    assert browser.log_in("vera", PASSWORDS["vera"]).status == 200
    cookie = browser.set_cookies[0].lower()
    assert (
        "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie and "max-age=43200" in cookie
    )
    assert "domain" not in cookie
    token = browser.cookies["pixeltrail"]
    assert len(token) >= 43, "256 bits of randomness"
    row = login(page.store, login_key(token))
    assert row is not None and row.user == "vera"
    rows = page.store._all("SELECT token_hash FROM logins")
    assert token.encode() not in b"".join(bytes(one[0]) for one in rows), (
        "the database does not hold what logs in"
    )


@pytest.mark.parametrize(
    ("user", "password"), [("vera", "wrong password"), ("nobody", "wrong password"), ("", "")]
)
def test_a_wrong_login_tells_nothing(page: Bridge, user: str, password: str) -> None:
    assert page.web_port is not None
    answer = Browser(page.web_port).log_in(user, password)
    assert (answer.status, answer.json) == (401, {"error": "User or password is wrong."})
    assert "set-cookie" not in answer.headers


def test_a_name_nobody_has_costs_a_hash_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixeltrail_bridge.web import users as module

    verified: list[str] = []
    monkeypatch.setattr(module, "_verify", lambda hashed, password: bool(verified.append(hashed)))
    users = Users(tmp_path / "users.json")
    users.add("vera", "viewer", PASSWORDS["vera"])
    for name in ("vera", "nobody"):
        assert users.check(name, "x") is None
    assert len(verified) == 2 and all(hashed.startswith("$argon2id$") for hashed in verified)


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    Users(tmp_path / "users.json").add("ada", "admin", PASSWORDS["ada"])
    with bridge(tmp_path, "mqtt.enabled=false", "serial.ports=/dev/null-none") as one:
        assert one.web_port is not None
        browser = Browser(one.web_port)
        statuses = [browser.log_in("ada", "a wrong password").status for _ in range(8)]
        assert statuses[:5] == [401] * 5 and 429 in statuses[5:]
        answer = browser.log_in("ada", PASSWORDS["ada"])
        if statuses[-1] == 429 and answer.status == 429:
            assert int(answer.headers["retry-after"]) >= 1


def test_tries_come_back_at_a_steady_pace() -> None:
    now = [0.0]
    tries = Attempts(3, 10.0, lambda: now[0])
    assert [tries.take("ada") for _ in range(4)] == [0, 0, 0, 10]
    assert tries.take("vera") == 0, "one name's tries cost no other"
    now[0] = 9.0
    assert tries.take("ada") == pytest.approx(1.0)
    now[0] = 10.0
    assert tries.take("ada") == 0
    tries.forgive("ada")
    assert [tries.take("ada") for _ in range(4)][:3] == [0, 0, 0]


def test_nobody_is_kept_out_by_who_tries_their_name() -> None:
    now = [0.0]
    tries = LoginAttempts(lambda: now[0])
    for second in range(600):
        now[0] = float(second)
        tries.take("ada", "192.0.2.66")
        tries.take("ada", f"2001:db8::{second + 1:x}")
        if second % 60 == 0:
            assert tries.take("ada", "192.0.2.1") == 0
    crowd = sum(tries.take("ada", f"198.51.100.{number}") == 0 for number in range(255))
    assert 40 <= crowd <= 51, "all together have a pace as well"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.1") == "::ffff:192.0.2.1" and network_of("proxy") == "proxy"


def test_a_logout_ends_it_on_the_server(page: Bridge) -> None:
    assert page.web_port is not None
    browser = Browser(page.web_port)
    browser.log_in("vera", PASSWORDS["vera"])
    stolen = dict(browser.cookies)
    assert browser.get("/api/devices").status == 200
    assert browser.change("POST", "/api/logout").status == 200
    assert Browser(page.web_port, cookies=stolen).get("/api/devices").status == 401


def test_a_logout_counts_for_who_was_asked_about_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose login is read just before it ends: the next one is refused."""
    users = Users(tmp_path / "users.json")
    users.add("vera", "viewer", PASSWORDS["vera"])
    store, now_ms = SqliteStore(tmp_path / "pixeltrail.db"), time.time_ns() // 1_000_000 + 10_000
    access = Access(store, users, AccessSettings(), Journal(store, 1_000), lambda: now_ms)
    key, read = login_key("token"), logins.login
    logins.add_login(store, key, "vera", now_ms, now_ms + 60_000)
    headers = Headers({"cookie": "pixeltrail=token"})

    async def ask_twice() -> list[bool]:
        loop = asyncio.get_running_loop()

        def read_and_lose(*arguments: Any) -> Any:
            row = read(*arguments)
            logins.end_login(store, key)
            loop.call_soon_threadsafe(access.remember, key, None)
            return row

        monkeypatch.setattr(logins, "login", read_and_lose)
        return [await access.person(headers, LOOPBACK) is not None for _ in range(2)]

    assert not asyncio.run(ask_twice())[1]
    access.close()
    store.close()


def test_a_changed_or_removed_user_is_out_at_once(page: Bridge, folder: Path) -> None:
    assert page.web_port is not None
    users = Users(folder / "users.json")
    users.add("temp", "admin", "a temporary one")
    browser = Browser(page.web_port)
    assert browser.log_in("temp", "a temporary one").status == 200
    users.change("temp", role="viewer")
    assert browser.get("/api/devices").status == 401
    assert browser.log_in("temp", "a temporary one").status == 200
    assert browser.get("/api/audit").status == 403
    users.remove("temp")
    assert browser.get("/api/devices").status == 401


def test_a_login_ends_with_its_time(page: Bridge) -> None:
    from pixeltrail_bridge.store.access import add_login

    assert page.web_port is not None
    now_ms = time.time_ns() // 1_000_000
    for token, end_ms, status in (("over", now_ms - 1, 401), ("good", now_ms + 3_600_000, 200)):
        add_login(page.store, login_key(token), "ada", now_ms, end_ms)
        assert Browser(page.web_port, cookies={"pixeltrail": token}).get("/api/devices").status == status


# ---- roles ----------------------------------------------------------------------------


def routes_of(one: Bridge, with_public: bool = False) -> list[tuple[str, str]]:
    """Every (method, path) of the page, with something in the place of each name."""
    assert one.web is not None
    app: Any = one.web.app
    while not hasattr(app, "routes"):
        app = app._app  # of what stands before it
    found = []
    for route in app.routes:
        if isinstance(route, Route) and (with_public or not rules.is_public(route.path)):
            filled = re.sub(r"\{\w+(:\w+)?\}", "1", route.path)
            found += [(method, filled) for method in route.methods or ()]
        else:
            assert isinstance(route, Mount | WebSocketRoute) or rules.is_public(route.path)  # type: ignore[attr-defined]
    return sorted(found)


def test_every_address_asks_for_a_role(page: Bridge, people: dict[str, Browser], stranger: Browser) -> None:
    """Also those that were added since this was written."""
    found = routes_of(page)
    assert len(found) > 20
    for method, path in found:
        assert stranger.ask(method, path, headers=OURS).status == 401, (method, path)
        wanted = rules.role_for(method, path)
        for name, role in zip(PASSWORDS, ROLES, strict=True):
            if not may(role, wanted):
                assert people[name].change(method, path).status == 403, (method, path, role)
        if method not in rules.READS and path != "/api/logout":
            assert wanted != "viewer", f"{method} {path} changes something"


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        ("vera", "PUT", "/api/sessions/kitchen-01/1/star", 403),
        ("vera", "POST", "/api/sessions/kitchen-01/1/shares", 403),
        ("vera", "GET", "/api/audit", 403),
        ("otto", "PUT", "/api/sessions/kitchen-01/1/star", 404),
        ("otto", "GET", "/api/audit", 403),
        ("ada", "GET", "/api/audit", 200),
    ],
)
def test_roles_may_what_they_may(
    people: dict[str, Browser], name: str, method: str, path: str, status: int
) -> None:
    assert people[name].change(method, path).status == status


# ---- other sites ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-pixeltrail": "1"},
        {"x-pixeltrail": ""},
        {"x-pixeltrail": "0" * 40},
        {"Origin": "https://evil.example"},
    ],
)
def test_a_change_without_the_token_is_refused(people: dict[str, Browser], headers: dict[str, str]) -> None:
    """The cookie comes along from anywhere; the token does not."""
    answer = people["ada"].ask("PUT", "/api/sessions/kitchen-01/1/star", headers=headers)
    assert answer.status == 403 and b"x-pixeltrail" in answer.body


def test_a_token_is_one_logins_and_comes_from_this_origin(people: dict[str, Browser]) -> None:
    ada, otto = people["ada"], people["otto"]
    path = "/api/sessions/kitchen-01/1/star"
    assert ada.csrf != otto.csrf
    assert ada.ask("PUT", path, headers={"x-pixeltrail": otto.csrf}).status == 403
    assert ada.change("PUT", path, Origin="https://evil.example").status == 403
    assert ada.change("PUT", path, Origin="null").status == 403
    assert ada.change("PUT", path, Origin=f"http://{LOOPBACK}:{ada.port}").status == 404, (
        "there is no such session"
    )


def test_a_login_cannot_be_forced_on_somebody(stranger: Browser) -> None:
    body = {"user": "ada", "password": PASSWORDS["ada"]}
    assert stranger.ask("POST", "/api/login", body).status == 403
    assert stranger.ask("POST", "/api/login", body, {**OURS, "Origin": "https://evil.example"}).status == 403


def open_socket(browser: Browser, origin: str | None, with_cookie: bool = True) -> int:
    """The status of an upgrade."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()) if with_cookie else ""

    async def upgrade() -> int:
        url = f"ws://{LOOPBACK}:{browser.port}/live"
        try:
            headers = {"Cookie": cookie} if cookie else {}
            async with websockets.asyncio.client.connect(url, origin=origin, additional_headers=headers):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    return asyncio.run(upgrade())


def test_a_socket_opens_to_this_origins_page_alone(people: dict[str, Browser]) -> None:
    vera = people["vera"]
    own = f"http://{LOOPBACK}:{vera.port}"
    assert open_socket(vera, own) == 101
    for origin in (
        "https://evil.example",
        "null",
        f"http://{LOOPBACK}:1",
        f"{own}.evil.example",
        f"http://localhost:{vera.port}",
    ):
        assert open_socket(vera, origin) == 403, origin
    assert open_socket(vera, own, with_cookie=False) == 403


def test_other_names_for_this_machine_are_refused(stranger: Browser) -> None:
    """DNS rebinding: a name of the attacker's that points here."""
    for host in ("evil.example", f"evil.example:{stranger.port}", "127.0.0.1.evil.example", ""):
        assert stranger.get("/login", Host=host).status == 421


def test_pages_allow_scripts_of_their_own_alone(stranger: Browser) -> None:
    for path in ("/login", "/static/login.js", "/api/me", "/s/not-a-token"):
        headers = stranger.get(path).headers
        policy = dict(
            part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'self'" and "unsafe" not in headers["content-security-policy"]
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_no_page_has_a_script_or_a_style_in_itself() -> None:
    from pixeltrail_bridge import web

    pages = list((Path(web.__file__).parent / "static").glob("*.html"))
    assert {"index.html", "login.html", "share.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text()
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|\son\w+\s*=|style\s*=|javascript:", text, re.I
        ), page


def test_links_to_one_session_need_no_login(page: Bridge, stranger: Browser) -> None:
    assert stranger.get("/s/AAAA").status == 404, "asked for, and told that it is not valid"
    assert stranger.get("/s/AAAA/api/session").status == 404


# ---- a proxy that lets people in ----------------------------------------------------------


def test_a_header_counts_from_the_proxys_address_alone(tmp_path: Path) -> None:
    Users(tmp_path / "users.json").add("ada", "admin", None)
    named = ("mqtt.enabled=true", "web.proxy_header=X-Forwarded-User")
    with bridge(tmp_path / "a", *named, f"web.users_file={tmp_path / 'users.json'}") as trusting:
        browser = Browser(trusting.web_port or 0)
        told = browser.get("/api/me", **{"X-Forwarded-User": "ada"}).json
        assert (told["user"], told["role"]) == ("ada", "admin")
        assert browser.get("/api/me", **{"X-Forwarded-User": "somebody"}).json["role"] == "viewer"
        assert browser.get("/api/me").status == 401
        assert (
            browser.ask(
                "PUT", "/api/sessions/kitchen-01/1/star", headers={**OURS, "X-Forwarded-User": "ada"}
            ).status
            == 403
        )
        assert browser.log_in("ada", "").status == 401, "who has no password has no login"
    elsewhere = "web.proxy_addresses=192.0.2.1"
    with bridge(tmp_path / "b", *named, elsewhere, f"web.users_file={tmp_path / 'users.json'}") as other:
        assert Browser(other.web_port or 0).get("/api/me", **{"X-Forwarded-User": "ada"}).status == 401


def test_a_program_reads_with_its_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-a-program")
    Users(tmp_path / "users.json").add("ada", "admin", PASSWORDS["ada"])
    with bridge(tmp_path, f"web.token_file={tmp_path / 'token'}") as one:
        browser = Browser(one.web_port or 0)
        assert browser.get("/api/devices", Authorization="Bearer a-token-of-a-program").status == 200
        assert browser.get("/api/devices", Authorization="Bearer a-token-of-a-thief").status == 401
        assert browser.get("/api/devices", Authorization="Bearer ").status == 401
        assert (
            browser.ask(
                "PUT",
                "/api/sessions/a-b-c-d/1/star",
                headers={**OURS, "Authorization": "Bearer a-token-of-a-program"},
            ).status
            == 403
        )


# ---- who looked at what ----------------------------------------------------------------------


def lines(one: Bridge, person: str) -> list[tuple[str, str, int | None, int]]:
    return [(row.action, row.device, row.session_id, row.status) for row in audit(one.store, person=person)]


def test_who_looked_at_what_is_written_down(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    users.add("ada", "admin", PASSWORDS["ada"])
    users.add("vera", "viewer", PASSWORDS["vera"])
    with bridge(tmp_path) as one:
        assert one.web_port is not None
        vera, ada = Browser(one.web_port), Browser(one.web_port)
        vera.log_in("vera", "a wrong password")
        vera.log_in("vera", PASSWORDS["vera"])
        for _ in range(3):
            vera.get("/api/devices/kitchen-01/events")
        vera.get("/api/sessions?device=kitchen-01")
        vera.change("PUT", "/api/sessions/kitchen-01/17/star")
        expected = [
            ("PUT star", "kitchen-01", 17, 403),
            ("searched sessions", "", None, 200),
            ("opened a device", "kitchen-01", None, 200),
            ("logged in", "", None, 200),
            ("failed to log in", "", None, 401),
        ]
        wait_until(lambda: len(lines(one, "vera")) == len(expected))
        assert lines(one, "vera") == expected
        ada.log_in("ada", PASSWORDS["ada"])
        told: list[dict[str, Any]] = ada.get("/api/audit?person=vera").json["audit"]
        assert [row["action"] for row in told] == [action for action, *_ in expected]
        assert {row["address"] for row in told} == {LOOPBACK} and {row["role"] for row in told} == {
            "viewer",
            "",
        }


def test_lines_end_with_their_time(tmp_path: Path) -> None:
    from pixeltrail_bridge.store.access import AuditRow, add_audit, end_audit

    with bridge(tmp_path, "web.enabled=false") as one:
        add_audit(
            one.store, [AuditRow(at_ms, "ada", "admin", LOOPBACK, "logged in") for at_ms in (10, 20, 30)]
        )
        assert end_audit(one.store, 20) == 1
        assert [row.at_ms for row in audit(one.store)] == [30, 20]
