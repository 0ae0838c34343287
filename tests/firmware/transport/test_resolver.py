"""The resolver against packets written by hand, and against a DNS server that behaves as told."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail.transport.resolver import Resolver, is_ipv4, parse, query, whom_to_ask

ADDRESS = bytes((192, 168, 1, 10))
_POINTER = b"\xc0\x0c"  # to the name of the question


def record(data: bytes, kind: int = 1, name: bytes = _POINTER) -> bytes:
    return name + bytes((0, kind, 0, 1, 0, 0, 0, 60)) + len(data).to_bytes(2, "big") + data


def answer(asked: bytes, *records: bytes, flags: int = 0x8180, count: int | None = None) -> bytes:
    counts = (1).to_bytes(2, "big") + (len(records) if count is None else count).to_bytes(2, "big") + bytes(4)
    return asked[:2] + flags.to_bytes(2, "big") + counts + asked[12:] + b"".join(records)


def read(packet: bytes, asked: bytes) -> tuple[int, bytes]:
    buffer, address = bytearray(512), bytearray(4)
    buffer[: len(packet)] = packet
    return parse(buffer, len(packet), asked, address), bytes(address)


ASKED = bytes(query("broker.example"))


def test_a_query_is_what_rfc_1035_shows() -> None:
    assert ASKED == b"\0\0\1\0\0\1\0\0\0\0\0\0\x06broker\x07example\0\0\1\0\1"
    assert query("Kitchen.local.").endswith(b"\x07Kitchen\x05local\0\0\1\x80\1")


@pytest.mark.parametrize(
    ("packet", "result"),
    [
        (answer(ASKED, record(ADDRESS)), 1),
        (answer(ASKED, record(b"\x05other\0", 5), record(ADDRESS, name=b"\x05other\0")), 1),  # an alias
        (answer(ASKED, record(bytes(16), 28), record(ADDRESS)), 1),  # an IPv6 address before it
        (answer(ASKED, record(ADDRESS), flags=0x8380), 1),  # cut short, but there
        (answer(ASKED, record(ADDRESS), flags=0x8400), 1),  # mDNS
        (answer(ASKED, flags=0x8183), -1),  # no such name
        (answer(ASKED, flags=0x8182), -1),  # the server failed
        (answer(ASKED), -1),
        (answer(ASKED, record(bytes(16), 28)), -1),  # IPv6 alone
        (answer(ASKED, record(ADDRESS + b"x")), -1),  # an A record of five bytes
        # what is no answer to us
        (b"", 0),
        (ASKED, 0),  # a query
        (b"\0\1" + answer(ASKED, record(ADDRESS))[2:], 0),
        (answer(bytes(query("broker.exempla")), record(ADDRESS)), 0),
        (answer(ASKED, record(ADDRESS))[:5] + b"\2" + answer(ASKED, record(ADDRESS))[6:], 0),
        # hostile lengths and names
        (answer(ASKED, record(ADDRESS))[:-1], 0),
        (answer(ASKED, count=65535), 0),
        (
            answer(ASKED, record(ADDRESS, name=b"\xc0\xff")),
            1,
        ),  # a pointer out of the packet: nobody follows it
        (answer(ASKED, record(ADDRESS, name=b"\xc0" + bytes([len(ASKED)]))), 1),  # one to itself
        (answer(ASKED, record(ADDRESS, name=b"\x3fshort\0")), 0),
        (answer(ASKED, record(ADDRESS, name=b"\x80\0")), 0),
        (answer(ASKED, _POINTER + b"\0\1\0\1\0\0\0\0\xff\xff"), 0),
        (answer(ASKED, *[record(b"", 16)] * 33, record(ADDRESS)), -1),  # more records than anybody sends
    ],
)
def test_packets(packet: bytes, result: int) -> None:
    assert read(packet, ASKED) == (result, ADDRESS if result == 1 else bytes(4))


@given(st.binary(max_size=300), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(tail: bytes, count: int) -> None:
    result, _ = read(answer(ASKED, count=count)[:512] + tail, ASKED)
    assert result in (-1, 0, 1)


@pytest.mark.parametrize(
    ("host", "is_literal"), [("10.0.0.1", True), ("a.b.c.d", False), ("1.2.3", False), ("1.2.3.400", False)]
)
def test_literals(host: str, is_literal: bool) -> None:
    assert is_ipv4(host) is is_literal


class Server:
    """A DNS server on loopback that answers each query with what `reply` makes of it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.peer: object = None

    def take(self) -> bytes:
        data, self.peer = self.socket.recvfrom(512)
        return data

    def say(self, packet: bytes) -> None:
        self.socket.sendto(packet, self.peer)

    @property
    def has_query(self) -> bool:
        return bool(select.select([self.socket], [], [], 0)[0])


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.socket.close()


def settled(resolver: Resolver, now: int) -> bool:
    """One step, once the system has delivered what was sent."""
    select.select([resolver._socket], [], [], 5)
    return resolver.step(now)


def test_a_name_is_found_in_one_query(server: Server) -> None:
    resolver = Resolver("broker.example", server.address)
    resolver.begin(0)
    asked = server.take()
    assert asked[2:] == ASKED[2:]
    assert not resolver.step(10)
    server.say(answer(asked, record(ADDRESS)))
    assert settled(resolver, 20) and resolver.address == ADDRESS
    assert resolver._socket is None


def test_foreign_answers_do_not_count(server: Server) -> None:
    resolver = Resolver("broker.example", server.address)
    resolver.begin(0)
    asked = server.take()
    number = bytes((asked[0] ^ 1, asked[1]))
    for _ in range(10):
        server.say(number + answer(asked, record(bytes(4)))[2:])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:  # from another port
        stranger.sendto(answer(asked, record(bytes(4))), server.peer)
    assert not settled(resolver, 1)
    assert resolver.rejected == 4, "four packets a step"
    server.say(answer(asked, record(ADDRESS)))
    while not settled(resolver, 2):
        pass
    assert resolver.address == ADDRESS and resolver.rejected == 10


def test_silence_is_asked_three_times_and_given_up(server: Server) -> None:
    resolver = Resolver("broker.example", server.address)
    resolver.begin(0)
    times = []
    for now in range(0, 7000, 100):
        assert not resolver.step(now)
        if server.has_query:
            server.take()
            times.append(now)
    assert times == [0, 1000, 3000]
    with pytest.raises(OSError, match="no address for broker.example"):
        resolver.step(7000)


@pytest.mark.parametrize("how", ["silence", "no such name", "nobody listens"])
def test_the_last_good_address_is_kept(server: Server, how: str) -> None:
    resolver = Resolver("broker.example", server.address)
    resolver.begin(0)
    server.say(answer(server.take(), record(ADDRESS)))
    assert settled(resolver, 1)
    if how == "nobody listens":
        server.socket.close()
    resolver.begin(10)
    if how == "no such name":
        server.say(answer(server.take(), flags=0x8183))
        assert settled(resolver, 20)
    else:
        for now in range(20, 10_000, 500):
            if resolver.step(now):
                break
    assert resolver.address == ADDRESS and resolver.misses == 1


@pytest.mark.parametrize(
    ("name", "server", "whom"),
    [
        ("kitchen.local", None, ("224.0.0.251", 5353)),
        ("Kitchen.LOCAL.", None, ("224.0.0.251", 5353)),
        ("kitchen.local", "10.0.0.1", ("10.0.0.1", 53)),
        ("broker.example", "10.0.0.1:5300", ("10.0.0.1", 5300)),
    ],
)
def test_who_is_asked(name: str, server: str | None, whom: tuple[str, int]) -> None:
    assert whom_to_ask(name, server) == whom


def test_noise_does_no_more_than_fail(server: Server) -> None:
    dice = random.Random(3)
    for _ in range(200):
        resolver = Resolver("broker.example", server.address)
        resolver.begin(0)
        asked = server.take()
        good = bytearray(answer(asked, record(bytes(16), 28), record(ADDRESS)))
        for _ in range(dice.randint(1, 4)):
            good[dice.randrange(len(good))] = dice.randrange(256)
        server.say(bytes(good[: dice.randint(0, len(good))]))
        try:
            settled(resolver, 1)
        except OSError:
            pass
        resolver.close()
