"""Nothing leaves this machine unencrypted, and nobody beyond it is let in unasked, unless a setting says so.

A device refuses brokers with expired, foreign and self-signed certificates in tests/firmware/transport/test_secure.py,
the bridge in tests/bridge/sources/test_tls.py; here it is the other side: what our own servers offer and demand.
"""

from __future__ import annotations

import datetime
import http.client
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import exposure
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.keys.authority import Authority
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.sources.tls import ServerTls
from pixeltrail_bridge.web import server
from pixeltrail_bridge.web.users import Users

from tests.security.kit import LOOPBACK, Browser, bridge, wait_until

NOW_MS = 1_760_000_000_000
ANYWHERE = "0.0.0.0"  # noqa: S104 - what must be refused


def settings(folder: Path, *overrides: str) -> config.Config:
    return config.load(None, {}, (f"bridge.data_dir={folder}", *overrides), must_exist=False)


def provide(folder: Path, what: str) -> None:
    keys = folder / "keys"
    if "certificate" in what:
        Authority.make(keys).issue_server([LOOPBACK])
    if "device" in what:
        KeyRing(keys).add("kitchen-01", NOW_MS)
    if "user" in what:
        Users(folder / "users.json").add("ada", "admin", "the password of ada")


# What there is, what is set, and what the refusal tells to do; empty: it is allowed.
BEYOND = [
    ("", ["mqtt.host=0.0.0.0"], "pixeltrail keys add"),
    ("certificate", ["mqtt.host=::"], "pixeltrail keys add"),
    ("", ["mqtt.host=0.0.0.0", "mqtt.insecure=true"], "pixeltrail keys add"),
    ("device", ["mqtt.host=0.0.0.0"], "pixeltrail keys init"),
    ("device", ["mqtt.host=0.0.0.0", "mqtt.insecure=true"], ""),
    ("device certificate", ["mqtt.host=0.0.0.0"], ""),
    ("device", ["mqtt.host=192.168.1.10"], "mqtt.insecure"),
    ("device", ["mqtt.host=broker.example.org"], "mqtt.insecure"),
    ("", ["mqtt.host=127.0.0.1", "mqtt.client_certificates=true"], "pixeltrail keys init"),
    ("", ["mqtt.url=mqtt://broker.example.org"], "mqtts://"),
    ("", ["mqtt.url=mqtt://192.168.1.10:1883"], "mqtt.insecure"),
    ("", ["mqtt.url=mqtt://192.168.1.10:1883", "mqtt.insecure=true"], ""),
    ("", ["mqtt.url=mqtt://127.0.0.1:1883"], ""),
    ("", ["mqtt.url=mqtts://broker.example.org"], ""),
    ("", ["web.host=0.0.0.0"], "pixeltrail users add"),
    ("", ["web.host=0.0.0.0", "web.insecure=true"], "pixeltrail users add"),
    ("certificate", ["web.host=::"], "pixeltrail users add"),
    ("user", ["web.host=0.0.0.0"], "pixeltrail keys init"),
    ("user", ["web.host=0.0.0.0", "web.insecure=true"], ""),
    ("user certificate", ["web.host=0.0.0.0"], ""),
    ("", ["web.host=0.0.0.0", "web.proxy_header=X-User"], "web.cert_file"),
    ("certificate", ["web.host=0.0.0.0", "web.proxy_header=X-User"], ""),
    ("", ["web.key_file=server.key"], "web.cert_file"),
    ("", ["mobile.enabled=true", "mobile.host=0.0.0.0"], "mobile.cert_file"),
    ("", ["mobile.enabled=true", "mobile.host=0.0.0.0", "mobile.insecure=true"], ""),
    ("", ["mobile.enabled=true", "mobile.host=0.0.0.0", "mobile.cert_file=server.pem"], ""),
    ("", ["segment.host=http://proxy.example.org"], "https://"),
    ("", ["amplitude.host=http://192.168.1.10:8080"], "bridge.insecure_hosts"),
    ("", ["segment.host=http://proxy", "bridge.insecure_hosts=proxy"], ""),
    ("", ["segment.host=http://127.0.0.1:8080"], ""),
    ("", ["packing.endpoint=http://minio.example.org"], "https://"),
    ("", ["store.url=postgresql://one@db.example.org/px"], "sslmode"),
    ("", ["store.url=postgresql://one@db.example.org/px?sslmode=prefer"], "sslmode"),
    ("", ["store.url=postgresql://one@db.example.org/px?sslmode=verify-full"], ""),
    ("", ["store.url=postgresql://one@db/px", "bridge.insecure_hosts=db"], ""),
    ("", ["store.url=postgresql://one@127.0.0.1/px"], ""),
    ("", [], ""),
]


@pytest.mark.parametrize(("there", "overrides", "words"), BEYOND)
def test_beyond_this_machine_only_encrypted_and_asked(
    there: str, overrides: list[str], words: str, tmp_path: Path
) -> None:
    provide(tmp_path, there)
    given = settings(tmp_path, *overrides)
    if not words:
        exposure.check(given)
        return
    with pytest.raises(ConfigError) as refusal:
        exposure.check(given)
    assert words in str(refusal.value)


@pytest.mark.parametrize("host", ["mqtt.host", "web.host", "mobile.host"])
def test_the_bridge_itself_refuses_and_opens_nothing(host: str, tmp_path: Path) -> None:
    """`up` ends before any port is bound; `check` says the same."""
    words = [
        "--set",
        f"bridge.data_dir={tmp_path}",
        "--set",
        f"{host}={ANYWHERE}",
        "--set",
        "mobile.enabled=true",
    ]
    assert run(["up", *words]) == 2
    assert run(["check", "--offline", *words]) == 1
    assert not (tmp_path / "pixeltrail.db").exists()


def test_a_public_address_in_front_of_a_page_without_login_is_said(tmp_path: Path) -> None:
    given = settings(tmp_path, "web.public_url=https://replay.example.org")
    assert "pixeltrail users add" in exposure.warnings(given)[0]
    provide(tmp_path, "user")
    assert exposure.warnings(given) == []


def test_what_is_allowed_insecurely_is_said(tmp_path: Path) -> None:
    provide(tmp_path, "user device")
    open_ones = ("mqtt.host=0.0.0.0", "mqtt.insecure=true", "web.host=0.0.0.0", "web.insecure=true")
    assert [words.split()[0] for words in exposure.warnings(settings(tmp_path, *open_ones))] == [
        "mqtt.insecure",
        "web.insecure",
    ]


# ---- what our servers speak -------------------------------------------------------------


def old_client(trust: Path) -> ssl.SSLContext:
    """One that speaks nothing newer than TLS 1.1, and would take any cipher."""
    context = ssl.create_default_context(cafile=str(trust))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def greet(port: int, context: ssl.SSLContext) -> str:
    line = socket.create_connection((LOOPBACK, port), timeout=30)
    with line, context.wrap_socket(line, server_hostname=LOOPBACK) as secure:
        return secure.version() or ""


def test_the_page_the_broker_and_the_apps_address_speak_tls_and_nothing_older(tmp_path: Path) -> None:
    provide(tmp_path, "device certificate user")
    keys = tmp_path / "keys"
    (tmp_path / "app-key").write_text("key")
    cert = (f"mobile.cert_file={keys / 'server.pem'}", f"mobile.key_file={keys / 'server.key'}")
    beyond = (
        "mqtt.host=0.0.0.0",
        "web.host=0.0.0.0",
        "mobile.enabled=true",
        f"mobile.write_key_file={tmp_path / 'app-key'}",
        *cert,
    )
    trust = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    with bridge(tmp_path, *beyond) as one:
        assert one.mobile is not None and one.page_url() == f"https://127.0.0.1:{one.web_port}/"
        for port in (one.web_port, one.mqtt_port, one.mobile.port):
            assert port is not None
            assert greet(port, trust) in ("TLSv1.2", "TLSv1.3")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                greet(port, old_client(keys / "ca.pem"))
            with pytest.raises(ssl.SSLCertVerificationError):
                greet(port, ssl.create_default_context())
        assert one.web_port is not None
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            Browser(one.web_port).get("/livez")
        browser = Browser(one.web_port, trust)
        assert browser.log_in("ada", "the password of ada").status == 200
        assert "__Host-pixeltrail" in browser.cookies and "secure" in browser.set_cookies[0].lower()
        assert browser.get("/api/devices").status == 200


def shown(port: int, trust: ssl.SSLContext) -> bytes:
    """The certificate that a server shows."""
    with (
        socket.create_connection((LOOPBACK, port)) as line,
        trust.wrap_socket(line, server_hostname=LOOPBACK) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the page and the apps' address; and files that make no pair leave the earlier one in place."""
    monkeypatch.setattr(server, "_RENEW_S", 0.02)
    provide(tmp_path, "certificate user")
    keys = tmp_path / "keys"
    (tmp_path / "app-key").write_text("key")
    cert = (f"mobile.cert_file={keys / 'server.pem'}", f"mobile.key_file={keys / 'server.key'}")
    apps = ("mobile.enabled=true", f"mobile.write_key_file={tmp_path / 'app-key'}", *cert)
    trust = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    with bridge(
        tmp_path, "web.host=0.0.0.0", "mqtt.enabled=false", 'serial.ports=["/dev/null"]', *apps
    ) as one:
        assert one.mobile is not None and one.web_port is not None
        ports = (one.web_port, one.mobile.port)
        before = [shown(port, trust) for port in ports]
        key = (keys / "server.key").read_bytes()
        (keys / "server.key").write_bytes(b"no key")
        tls = one.web.tls if one.web else None
        assert isinstance(tls, ServerTls)
        wait_until(lambda: tls._seen == tls._stamps())
        assert [shown(port, trust) for port in ports] == before
        (keys / "server.key").write_bytes(key)
        Authority.open(keys).issue_server([LOOPBACK])
        for port, old in zip(ports, before, strict=True):
            wait_until(lambda port=port, old=old: shown(port, trust) != old)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "expired"),
        ("wrong host", "IP address mismatch"),
        ("of nobody", "unable to get local issuer"),
        ("not yet", "not yet valid"),
    ],
)
def test_certificates_of_our_authority_are_checked_for_all_that_can_be_wrong(
    kind: str, why: str, tmp_path: Path
) -> None:
    from tests.security.test_identity import handshake

    authority, now = Authority.make(tmp_path / "own"), datetime.datetime.now(datetime.UTC)
    when = {
        "expired": now - datetime.timedelta(days=2_000),
        "not yet": now + datetime.timedelta(days=30),
    }.get(kind, now)
    issuer = Authority.make(tmp_path / "other") if kind == "of nobody" else authority
    issuer.issue_server(["broker.example.org" if kind == "wrong host" else LOOPBACK], when)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issuer.folder / "server.pem", issuer.folder / "server.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "own" / "ca.pem"))
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        handshake(server, client)


def test_the_authority_can_sign_no_other_authority(tmp_path: Path) -> None:
    from cryptography import x509

    Authority.make(tmp_path).issue_server([LOOPBACK, "*.example.org", "::1"])
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    own = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        True, 0
    )
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        False, None
    )
    own.verify_directly_issued_by(ca)


@pytest.mark.parametrize(
    "host", ["", "no host", "a\nb", "-a.example", "a" * 300, "../x", "*", "kitchen;DROP"]
)
def test_what_is_no_host_gets_no_certificate(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no host name or address"):
        Authority.make(tmp_path).issue_server([host])
