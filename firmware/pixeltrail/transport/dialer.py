"""A TCP connection in bounded steps: the host's address, the connection, and TLS laid around it.

    begin(now_ms)   start; OSError when it cannot even start
    step(now_ms)    WAITING, MOVED (the address is known, the connection begins) or OPEN: `stream` may be used
    trust()         this address led to a working connection: the next one begins with it
    distrust()      it did not: ask for it anew
    close()

With TLS, OPEN says that the connection stands; the key exchange then runs inside the first writes, which take
nothing (None) until it is done. Dialing allocates (a socket, a poller, what TLS needs); between two dials nothing of
that is kept but the address.
"""

import errno
import select
import socket

from micropython import const

from .stream import Readiness

WAITING = 0
MOVED = 1
OPEN = 2

_IDLE = const(0)
_RESOLVE = const(1)
_CONNECT = const(2)


class Dialer:
    """`dns` as in Resolver; `secure`: a secure.Secure, or None."""

    def __init__(self, host, port, dns=None, secure=None):
        self._host = host
        self._port = port
        self.resolver = None
        if not is_ipv4(host):
            from .resolver import Resolver  # an address needs none of it

            self.resolver = Resolver(host, dns)
        self._secure = secure
        self._address = None
        self._is_trusted = False
        self._socket = None
        self._readiness = None
        self._state = _IDLE
        self.stream = None

    def begin(self, now_ms):
        if self.resolver is not None and not self._is_trusted:
            self._state = _RESOLVE
            self.resolver.begin(now_ms)
        else:
            self._connect()

    def step(self, now_ms):
        if self._state == _RESOLVE:
            if not self.resolver.step(now_ms):
                return WAITING
            self._address = None
            self._connect()
            return MOVED
        events = self._readiness.events()
        if events & (select.POLLERR | select.POLLHUP):
            raise OSError(errno.ECONNREFUSED)
        if not events & select.POLLOUT:
            return WAITING
        self._readiness = None
        self._state = _IDLE
        if self._secure is not None:
            self._socket = self.stream = self._secure.wrap(self._socket)  # which closes the one inside
        else:
            self.stream = self._socket.makefile("rwb", 0)
        return OPEN

    @property
    def is_resolving(self):
        return self._state == _RESOLVE

    def trust(self):
        self._is_trusted = True

    def distrust(self):
        self._is_trusted = False

    def close(self):
        if self._state == _RESOLVE:
            self.resolver.close()
        self._state = _IDLE
        self._readiness = None
        stream, self.stream = self.stream, None
        sock, self._socket = self._socket, None
        try:
            if stream is not None and stream is not sock:  # in MicroPython they are one
                stream.close()
            if sock is not None:
                sock.close()
        except OSError:
            pass

    def _connect(self):
        self._state = _CONNECT
        if self._address is None:
            host = self._host
            if self.resolver is not None:
                host = "%d.%d.%d.%d" % tuple(self.resolver.address)
            self._address = socket.getaddrinfo(host, self._port)[0][-1]  # of a literal: nothing is asked
        self._socket = socket.socket()
        self._socket.setblocking(False)
        try:
            self._socket.connect(self._address)
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        self._readiness = Readiness(self._socket)


def is_ipv4(host):
    parts = host.split(".")
    if len(parts) != 4:
        return False
    for part in parts:
        if not part.isdigit() or len(part) > 3 or int(part) > 255:
            return False
    return True
