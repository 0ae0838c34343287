"""The IPv4 address of a host, by one UDP query that nothing waits for: DNS (RFC 1035), or mDNS for `.local` (RFC 6762).

    begin(now_ms)    send the first query; OSError when there is no network
    step(now_ms)     one bounded step: False while an answer may still come; True once `address` holds the answer's,
                     or, when no server answered or none knows the name, the last good one. OSError without either
    close()

A query is sent again after 1 and 3 s, and given up after 7. Nothing is cached but the last good address: whoever
asks decides when to ask again.

What comes back is taken only with the number and the question of our query, which an answer to a query from a port
other than 5353 repeats in mDNS too. DNS is asked over a connected socket, so the system drops what other hosts send.
The first A record of the answer section counts, whatever its owner: behind an alias that is the one meant. A pointer
ends a name and is never followed, hence no answer can make the parser run in circles, and every read is bounded by
the length that came.
"""

import socket
import sys
from random import getrandbits

from micropython import const

from .dialer import is_ipv4

_TRIES = const(3)
_FIRST_WAIT_MS = const(1000)  # then doubled
_ANSWER_BYTES = const(512)  # RFC 1035, 4.2.1: no answer over UDP without EDNS is longer
_ANSWERS_A_STEP = const(4)  # a flood of foreign packets must not hold the step up
_HEAD = const(12)
_MAX_RECORDS = const(32)
_MDNS = ("224.0.0.251", 5353)


class Resolver:
    """`server`: IPv4 address of the DNS server, "address:port" for another port than 53; None: the system's own, and
    mDNS for `.local`."""

    def __init__(self, host, server=None):
        self._query = query(host)
        self.host = host
        self.address = bytearray(4)
        self.has_address = False
        self.misses = 0  # rounds without an answer
        self.rejected = 0  # packets that were no answer to our query
        self._server = server
        self._answer = bytearray(_ANSWER_BYTES)
        self._socket = None
        self._stream = None
        self._target = None
        self._asked_at = 0
        self._tries = 0

    def begin(self, now_ms):
        self.close()
        number = getrandbits(16)
        self._query[0] = number >> 8
        self._query[1] = number & 255
        self._tries = 0
        self._target = None
        host, port = whom_to_ask(self.host, self._server)
        address = socket.getaddrinfo(host, port)[0][-1]  # of a literal: nothing is asked
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if host == _MDNS[0]:
            self._target = address  # any host of the network may answer
        else:
            self._socket.connect(address)
        self._stream = self._socket.makefile("rwb", 0)
        self._ask(now_ms)

    def step(self, now_ms):
        try:
            for _ in range(_ANSWERS_A_STEP):
                count = self._stream.readinto(self._answer)
                if not count:
                    break
                found = parse(self._answer, count, self._query, self.address)
                if found > 0:
                    self.has_address = True
                    self.close()
                    return True
                if found < 0:  # the server knows no such name
                    return self._give_up()
                self.rejected += 1
            if now_ms - self._asked_at >= _FIRST_WAIT_MS << (self._tries - 1):
                if self._tries >= _TRIES:
                    return self._give_up()
                self._ask(now_ms)
        except OSError:  # nobody listens there
            return self._give_up()
        return False

    def close(self):
        stream, self._stream = self._stream, None
        sock, self._socket = self._socket, None
        if stream is not None and stream is not sock:  # in MicroPython they are one
            stream.close()
        if sock is not None:
            sock.close()

    def _ask(self, now_ms):
        self._tries += 1
        self._asked_at = now_ms
        if self._target is not None:
            self._socket.sendto(self._query, self._target)
        else:
            self._stream.write(self._query)

    def _give_up(self):
        self.close()
        self.misses += 1
        if not self.has_address:
            raise OSError("no address for %s" % self.host)
        return True


def query(host):
    """The packet that asks for the A record of `host`, with number 0. ValueError for what is no host name."""
    packet = bytearray(b"\0\0\1\0\0\1\0\0\0\0\0\0")  # recursion desired, one question
    name = host[:-1] if host.endswith(".") else host
    if not 0 < len(name) <= 253:
        raise ValueError("a host name has 1 to 253 characters, got %r" % (host,))
    labels = name.split(".")
    if labels[-1].isdigit():
        raise ValueError("an IPv4 address has four numbers from 0 to 255, got %r" % (host,))
    for label in labels:
        data = label.encode()
        if not 0 < len(data) < 64:
            raise ValueError("the parts of a host name have 1 to 63 characters, got %r" % (host,))
        for c in data:
            if not (48 <= c < 58 or 65 <= c < 91 or 97 <= c < 123 or c in b"-_"):
                raise ValueError("a host name has letters, digits, - and dots, got %r" % (host,))
        packet.append(len(data))
        packet.extend(data)
    # type A, class IN; the top bit of the class asks an mDNS responder to answer us alone
    packet.extend(b"\0\0\1\x80\1" if name.lower().endswith(".local") else b"\0\0\1\0\1")
    return packet


def parse(answer, length, asked, address):
    """Read a packet of `length` bytes. Returns 1 and fills `address`; 0: no answer to `asked`; -1: no such name."""
    size = len(asked)
    if length < size or answer[2] & 0xF8 != 0x80 or answer[0] != asked[0] or answer[1] != asked[1]:
        return 0
    if answer[4] or answer[5] != 1:  # RFC 6762, 6.7: answers to such queries have the question too
        return 0
    for i in range(_HEAD, size):
        if answer[i] != asked[i] and not (i == size - 2 and answer[i] == 0):
            return 0
    if answer[3] & 15 and not answer[2] & 2:  # of one that was cut short, what is there does
        return -1
    at = size
    for _ in range(min(answer[6] << 8 | answer[7], _MAX_RECORDS)):
        at = _behind_name(answer, at, length)
        if at + 10 > length:
            return 0
        kind = answer[at] << 8 | answer[at + 1]
        data = at + 10
        count = answer[at + 8] << 8 | answer[at + 9]
        at = data + count
        if at > length:
            return 0
        if kind == 1 and count == 4:
            for i in range(4):
                address[i] = answer[data + i]
            return 1
    return -1


def _behind_name(answer, at, length):
    """Where the name at `at` ends, `length` if it does not."""
    while at < length:
        size = answer[at]
        if size >= 0xC0:
            return at + 2
        if size >= 0x40:  # no kind of label that exists
            return length
        at += 1 + size
        if size == 0:
            return at
    return length


def whom_to_ask(name, server):
    """Address and port: of the given server, the group of mDNS, or the server that the system was given."""
    if server is None:
        if name.lower().rstrip(".").endswith(".local"):
            return _MDNS
        server = _system_server()
    host, _, port = server.partition(":")
    return host, int(port or 53)


def _system_server():
    """The DNS server that this machine was given, asked anew each time: it comes with the network."""
    try:
        import network

        found = network.WLAN(network.STA_IF).ifconfig()[3]
        if is_ipv4(found) and found != "0.0.0.0":
            return found
    except (ImportError, AttributeError, OSError):
        pass
    if sys.platform in ("linux", "darwin"):
        try:
            with open("/etc/resolv.conf") as file:
                for line in file:
                    words = line.split()
                    if len(words) > 1 and words[0] == "nameserver" and is_ipv4(words[1]):
                        return words[1]
        except OSError:
            pass
    raise OSError("no DNS server is known; MQTT(..., dns=ADDRESS) names one")
