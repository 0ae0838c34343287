"""Whatever stands in the way of a connection: each step is short, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trustme
from pixeltrail.transport.mqtt import MQTT

from tests.support import ports
from tests.support.services import free_port

from .stub_broker import CONNACK, Rig

DEVICE = Path(__file__).parent / "device"
BLOCK_BYTES = 32  # the least that anything takes on a 64-bit heap
MOST_CALLS = 150  # of functions in one step, built-in ones counted


class Steps:
    """Counts what each poll does; none may enter a call that waits."""

    def __init__(self, client: MQTT) -> None:
        self.client = client
        self.now = 0
        self.most = 0
        self._calls = 0
        socket.getaddrinfo("127.0.0.1", 1)  # the first call ever imports modules

    def _note(self, _frame: FrameType, event: str, _what: Any) -> None:
        self._calls += event in ("call", "c_call")

    def step(self, ms: int) -> None:
        self.now += ms
        self._calls = 0
        sys.setprofile(self._note)
        try:
            self.client.poll(self.now)
        finally:
            sys.setprofile(None)
        sock = self.client._dialer._socket
        if sock is not None and hasattr(sock, "getblocking"):
            assert not sock.getblocking()
        self.most = max(self.most, self._calls)

    def run(self, times: int = 600, ms: int = 250) -> None:
        for _ in range(times):
            self.step(ms)
        assert self.most <= MOST_CALLS


@contextmanager
def gone() -> Iterator[MQTT]:
    yield MQTT("127.0.0.1", free_port())


@contextmanager
def no_answer_of_dns() -> Iterator[MQTT]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield MQTT("broker.test", dns="127.0.0.1:%d" % server.getsockname()[1])


@contextmanager
def no_dns_there() -> Iterator[MQTT]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    yield MQTT("broker.test", dns="127.0.0.1:%d" % port)


@contextmanager
def stalled_tls() -> Iterator[MQTT]:
    pem = trustme.CA().cert_pem.bytes()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield MQTT("127.0.0.1", listener.getsockname()[1], tls={"ca": pem})


@contextmanager
def silent_broker() -> Iterator[MQTT]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield MQTT("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize(
    ("scene", "trouble"),
    [
        (gone, "no connection to the broker"),
        (no_answer_of_dns, "no address for the broker's name"),
        (no_dns_there, "no address for the broker's name"),
        (stalled_tls, "did not finish the key exchange"),
        (silent_broker, "did not answer the login"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_steps_stay_short_and_say_what_is_wrong(scene: Callable[[], Any], trouble: str) -> None:
    with scene() as client:
        client.attach("dev-00001")
        steps = Steps(client)
        steps.run()
        assert client.errors >= 3 and trouble in client.trouble
        assert not client.connected
        client.close()


@pytest.mark.parametrize(
    ("code", "trouble"),
    [(1, "speaks no MQTT 3.1.1"), (4, "refused user or password"), (5, "does not let this device in")],
)
def test_a_refused_login_is_told_by_its_code(code: int, trouble: str) -> None:
    with Rig() as rig:
        peer = rig.accept()
        rig.packet()
        peer.sendall(CONNACK[:3] + bytes((code,)))
        rig.until(lambda: rig.client.errors == 1)
        assert trouble in rig.client.trouble


def test_a_half_open_connection_is_left_in_short_steps() -> None:
    with Rig() as rig:
        rig.connect()
        steps = Steps(rig.client)
        steps.now = rig.now
        while rig.client.connected:
            steps.step(1000)
        assert steps.now <= 31_000 and steps.most <= MOST_CALLS
        assert rig.client.trouble == "the connection to the broker broke"


def test_a_flood_from_the_broker_does_not_make_a_step_long() -> None:
    with Rig() as rig:
        peer = rig.connect()
        peer.sendall(b"\xd0\0" * 20_000)
        steps = Steps(rig.client)
        steps.now = rig.now
        for _ in range(300):
            steps.step(1)
        assert steps.most <= 2 * MOST_CALLS, "256 bytes a step"


def test_the_address_is_asked_for_again_once_it_leads_nowhere() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.001)
        client = MQTT("broker.test", free_port(), dns="127.0.0.1:%d" % server.getsockname()[1])
        client.attach("dev-00001")
        queries = 0
        for now in range(0, 60_000, 100):
            client.poll(now)
            try:
                query, peer = server.recvfrom(512)
            except TimeoutError:
                continue
            queries += 1
            record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1"
            server.sendto(query[:2] + b"\x81\x80\0\1\0\1" + query[8:] + record, peer)
        assert 4 < queries and client.errors <= queries <= client.errors + 1
        client.close()


ALL_WAYS = "login,refused,cut,silence,unknown"


@pytest.mark.parametrize(
    ("port", "ways", "count"),
    [
        (ports.X64, ALL_WAYS, 200),
        (ports.ARMHF, ALL_WAYS, 50),
        (ports.X64, "tls", 100),
        (ports.ARMHF, "tls", 30),
        pytest.param(ports.X64, ALL_WAYS, 1000, marks=pytest.mark.slow),
        pytest.param(ports.ARMHF, ALL_WAYS, 300, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_connections_leave_nothing_on_the_heap(port: ports.Port, ways: str, count: int) -> None:
    """The collector is conservative: a number on the stack may keep a few blocks, not one for each connection."""
    said, grown = port.run(DEVICE / "reconnect.py", ways, str(count), heap="1m").splitlines()
    assert said == f"errors True connected {'login' in ways}"
    assert int(grown.removeprefix("grown ")) < BLOCK_BYTES * count // 8
