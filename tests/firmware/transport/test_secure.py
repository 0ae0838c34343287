"""TLS: whom the client trusts, and that a peer which stalls holds nothing up."""

from __future__ import annotations

import contextlib
import datetime
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from pixeltrail.transport.mqtt import MQTT
from pixeltrail.transport.secure import explain

from tests.support import micropython
from tests.support.services import LOOPBACK, free_port, mosquitto, wait_for_port

from .stub_broker import Rig
from .test_mqtt import DEVICE, Listener, _poll_until

NAME = "broker.test"
_LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_FAR_OFF = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    folder: Path
    ca: trustme.CA

    @property
    def path(self) -> str:
        return str(self.folder / "ca.pem")

    def listener(self, port: int, cert: trustme.LeafCert, name: str) -> str:
        """Lines of Mosquitto's configuration."""
        key, chain = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        cert.private_key_pem.write_to_path(key)
        for number, blob in enumerate(cert.cert_chain_pems):
            blob.write_to_path(chain, append=number > 0)
        return f"listener {port} {LOOPBACK}\ncertfile {chain}\nkeyfile {key}\ncafile {self.path}\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("tls"), trustme.CA())
    authority.ca.cert_pem.write_to_path(authority.path)
    return authority


@pytest.fixture(scope="module")
def brokers(authority: Authority) -> Iterator[dict[str, int]]:
    """One Mosquitto whose listeners have certificates of every kind; their ports by kind, `plain` without."""
    issue = authority.ca.issue_cert
    certs = {
        "good": issue(NAME),
        "expired": issue(NAME, not_before=_LONG_AGO, not_after=_LONG_AGO + _DAY),
        "future": issue(NAME, not_before=_FAR_OFF, not_after=_FAR_OFF + _DAY),
        "wrong host": issue("other.test"),
        "self-signed": trustme.CA().issue_cert(NAME),
    }
    ports = {kind: free_port() for kind in certs}
    # Started by root, Mosquitto would become another user, who may read nothing of ours
    extra = "user root\n" + "".join(
        authority.listener(ports[kind], cert, str(number))
        for number, (kind, cert) in enumerate(certs.items())
    )
    with mosquitto(extra) as broker:
        for port in ports.values():
            wait_for_port(port)
        yield {**ports, "plain": broker.port}


@contextlib.contextmanager
def client_of(port: int, **tls: object) -> Iterator[MQTT]:
    client = MQTT("127.0.0.1", port, tls=tls)
    client.attach("dev-00001")
    client.busy = []
    client.on_busy = client.busy.append
    yield client
    client.close()


REFUSED = {
    "expired": "has expired",
    "future": "is the device's clock set?",
    "wrong host": "is for another host; see server_name",
    "self-signed": "is not signed by the given ca",
}


def test_a_microcontroller_speaks_tls_with_the_heap_locked(
    authority: Authority, brokers: dict[str, int]
) -> None:
    with Listener(brokers["plain"], answer=b"ack") as listener:
        words = [str(brokers["good"]), authority.path, NAME, "150"]
        printed = micropython.run(DEVICE / "tls_check.py", *words, heap="1m").splitlines()
        sent = listener.payloads("pt/v1/dev-00001/up")
    assert printed[:2] == [
        "connected True busy [True, False] refused 0 errors 0",
        "sent 150 received 150",
    ]
    assert [len(message) for message in sent] == [2 + number * 37 % 4000 for number in range(150)]


@pytest.mark.parametrize("kind", list(REFUSED))
def test_a_microcontroller_refuses(authority: Authority, brokers: dict[str, int], kind: str) -> None:
    words = [str(brokers[kind]), authority.path, NAME]
    printed = micropython.run(DEVICE / "tls_check.py", *words, heap="1m").splitlines()
    assert printed[0] == "connected False busy [True, False] refused 1 errors 1"
    assert REFUSED[kind] in printed[2]


@pytest.mark.parametrize("kind", ["good", *REFUSED])
def test_a_board_with_linux_decides_alike(authority: Authority, brokers: dict[str, int], kind: str) -> None:
    with client_of(brokers[kind], ca=authority.path, server_name=NAME) as client:
        _poll_until(client, 0, lambda: client.connected or client.errors)
        assert client.busy == [True, False]
        if kind == "good":
            assert client.connected and client.trouble == ""
        else:
            assert (client.tls_refused, client.connected) == (1, False)
            assert REFUSED[kind] in client.trouble


def test_a_broker_without_tls_is_told_apart(authority: Authority, brokers: dict[str, int]) -> None:
    with client_of(brokers["plain"], ca=authority.path) as client:
        _poll_until(client, 0, lambda: client.errors)
        assert client.tls_refused == 1 and client.trouble.startswith("TLS: ")


@pytest.fixture
def stalled(authority: Authority) -> Iterator[Rig]:
    """A peer that takes the connection and says nothing more."""
    with Rig(tls={"ca": authority.path}) as rig:
        yield rig


def test_a_peer_that_stalls_is_given_up(stalled: Rig) -> None:
    busy: list[bool] = []
    stalled.client.on_busy = busy.append
    peer = stalled.accept()
    stalled.until(lambda: busy == [True])
    for _ in range(100):
        stalled.tick(100)
    assert stalled.client.errors == 0
    stalled.tick(100)
    assert (stalled.client.errors, stalled.client.tls_refused, busy) == (1, 1, [True, False])
    assert stalled.client.trouble == "TLS: the broker did not finish the key exchange"
    while peer.recv(4096):
        pass


def test_no_key_exchange_while_the_app_wants_quiet(stalled: Rig) -> None:
    busy: list[bool] = []
    stalled.client.on_busy = busy.append
    stalled.client.is_quiet = True
    for _ in range(50):
        stalled.tick(1000)
    assert stalled.client._state == 0 and stalled.client.errors == 0
    stalled.client.is_quiet = False
    stalled.poll()
    stalled.client.is_quiet = True
    peer = stalled.accept()
    for _ in range(10):
        stalled.tick(1000)
    assert busy == []
    assert not select.select([peer], [], [], 0)[0], "nothing of a key exchange came"
    stalled.client.is_quiet = False
    stalled.until(lambda: busy == [True])
    assert peer.recv(3)[0] == 22, "a handshake record"


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        ({"cafile": "x"}, "no 'cafile'; it has ca, server_name"),
        ({"cert": "x"}, "both cert and key"),
        (7, "True, a dict or an SSLContext"),
    ],
)
def test_a_wrong_setting_is_named(tls: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MQTT("127.0.0.1", tls=tls)


def test_a_microcontroller_asks_for_a_ca() -> None:
    with pytest.raises(RuntimeError, match="needs the broker's ca, as tls="):
        micropython.run("import pixeltrail; pixeltrail.MQTT('127.0.0.1', tls=True)")


def test_other_errors_are_told_as_they_are() -> None:
    assert explain(OSError(-0x7780, "fatal alert")) == "TLS: [Errno -30592] fatal alert"
