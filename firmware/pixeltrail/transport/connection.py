"""A connection to a broker in bounded steps: made, watched, dropped and made again, over TLS or not.

A connection goes through WAIT -> DIAL -> SECURE, with TLS only -> LOGIN -> SUBSCRIBE -> UP. Every fault, wherever it is
met, ends in _drop(), which closes the socket, says in `trouble` what it was, and sets the time of the next try: soon
after the first fault, then doubling with jitter up to a minute. The chunks that were on their way are the link's to
send again.

The key exchange of TLS is the one thing here that computes for long. It begins only while `is_quiet` is False, pauses
while it is True, and `on_busy` is called with True before it and with False behind it.

Half the keepalive time after the last byte from either side we send a ping, and wait as long again for any byte in
answer. So a half-open connection, which TCP would keep for hours, is dropped.
"""

# pyright: reportAttributeAccessIssue=false
# What a subclass has.

from random import getrandbits

from micropython import const

from . import packets
from .dialer import MOVED, OPEN, Dialer
from .stream import FAULTS, write_part

WAIT = const(0)
DIAL = const(1)
SECURE = const(2)
LOGIN = const(3)
SUBSCRIBE = const(4)
UP = const(5)

_ANSWER_TIMEOUT_MS = const(10_000)  # for connection, key exchange, login and subscription, each
_FIRST_RETRY_MS = const(250)
_LAST_RETRY_MS = const(60_000)
_STABLE_MS = const(10_000)  # a connection that lived this long was a good one: the next retry is quick again

# What stops a connection in each state, when nothing more is known of it; a line each, indexed by the state.
_TROUBLES = (
    "",
    "no connection to the broker",
    "TLS: the broker did not finish the key exchange",
    "the broker did not answer the login",
    "the broker did not answer the subscription",
    "the connection to the broker broke",
)


class Connection:
    """A subclass has `_login`, the packet that begins a connection, and `_read`, which takes what comes."""

    def __init__(self, host, port, dns, tls, keepalive_ms):
        secure = None
        if tls:
            from .secure import Secure, explain

            secure = Secure(tls, host)
            self._explain = explain
        try:
            self._dialer = Dialer(host, port, dns, secure)
        except ValueError as error:
            raise ValueError("MQTT host: %s" % error) from None
        self._is_secure = secure is not None
        self._keepalive_ms = keepalive_ms
        self.on_busy = None
        self.is_quiet = False
        self.trouble = ""  # the last fault, for a person
        self.tls_refused = 0  # key exchanges that failed
        self._is_busy = False
        self.connected = False
        self.generation = 0
        self.errors = 0
        self._stream = None
        self._state = WAIT
        self._now = 0
        self._since = 0  # when this state of the connection, or the wait, began
        self._retry_ms = 0
        self._failures = 0
        self._salt = 0
        self._read_at = 0  # when the last byte came
        self._wrote_at = 0  # when the last byte went
        self._pinged = False  # a ping went and no byte came since
        self._pinged_at = 0
        # going out: a packet or header of ours, then the caller's bytes
        self._out = None
        self._out_at = 0
        self._out_end = 0
        self._body = None
        self._body_at = 0
        self._body_end = 0

    def poll(self, now_ms):
        if now_ms < self._now:  # a new clock
            self._since = self._read_at = self._wrote_at = self._pinged_at = now_ms
        self._now = now_ms
        if self._state == SECURE or self._state == DIAL:
            self._step_secure()
            return
        try:
            self._step()
        except FAULTS:
            self._drop()

    def _step_secure(self):
        try:
            self._step()
        except FAULTS as error:
            self._drop(error)
        except ValueError as error:  # MicroPython's word for a certificate that it refuses
            self._drop(error)

    # --- from one state to the next ---

    def _step(self):
        state = self._state
        if state == WAIT:
            if self._now - self._since >= self._retry_ms and not (self._is_secure and self.is_quiet):
                self._enter(DIAL)
                self._dialer.begin(self._now)
            return
        if state == DIAL:
            self._dial()
        elif state == SECURE:
            self._exchange_keys()
        else:
            self._write()
            self._read()
        if self._state == UP:
            self._keep_alive()
        elif self._state != WAIT and self._now - self._since > _ANSWER_TIMEOUT_MS:
            self._drop()

    def _enter(self, state):
        self._state = state
        self._since = self._now

    def _dial(self):
        """Log in once the connection stands."""
        done = self._dialer.step(self._now)
        if done == MOVED:
            self._enter(DIAL)
        elif done == OPEN:
            self._stream = self._dialer.stream
            self._pinged = False
            self._read_at = self._now
            self._begin(self._login, 0)
            if self._is_secure:
                self._enter(SECURE)
            else:
                self._enter(LOGIN)
                self._write()

    def _exchange_keys(self):
        """The first bytes that TLS takes of the login say that the keys are exchanged."""
        if self.is_quiet:
            return
        if not self._is_busy:
            self._tell_busy(True)
        self._write()
        if self._out is None or self._out_at:
            self._tell_busy(False)
            self._read_at = self._now
            self._enter(LOGIN)

    def _tell_busy(self, is_busy):
        self._is_busy = is_busy
        if self.on_busy is not None:
            self.on_busy(is_busy)

    def _keep_alive(self):
        half = self._keepalive_ms >> 1
        idle = self._now - self._wrote_at
        if self._out is not None or self._body is not None:
            if idle > self._keepalive_ms:  # nothing has gone for so long
                self._drop()
        elif self._pinged:
            if self._now - self._pinged_at > half:
                self._drop()
        elif idle >= half or self._now - self._read_at >= half:
            self._pinged = True
            self._pinged_at = self._now
            self._begin(packets.PINGREQ, 0)
            self._write()

    def _drop(self, error=None, trouble=None):
        """The connection failed: close it, and try again later."""
        self.errors += 1
        state = self._state
        if state == SECURE:
            self.tls_refused += 1
        self.trouble = trouble or self._describe(state, error)
        if state != UP:
            self._dialer.distrust()
        if self._state == UP and self._now - self._since >= _STABLE_MS:
            self._failures = 0
        wait = _FIRST_RETRY_MS << min(self._failures, 8)
        if wait > _LAST_RETRY_MS:
            wait = _LAST_RETRY_MS
        # Jitter takes away up to half. The salt keeps boards apart whose generators all start alike.
        self._retry_ms = wait - ((getrandbits(16) ^ self._salt) % (wait >> 1))
        self._failures += 1
        self._hang_up()

    def _describe(self, state, error):
        if state == DIAL and self._dialer.is_resolving:
            return "no address for the broker's name; is the network up, and the name right?"
        if state == SECURE and error is not None:
            return self._explain(error)
        return _TROUBLES[state]

    def _hang_up(self):
        self.connected = False
        self._enter(WAIT)
        self._out = self._body = None
        self._stream = None
        self._dialer.close()
        if self._is_busy:
            self._tell_busy(False)

    # --- going out ---

    def _begin(self, packet, at):
        self._out = packet
        self._out_at = at
        self._out_end = len(packet)
        self._wrote_at = self._now

    def _write(self):
        if self._out is not None:
            count = write_part(self._stream, self._out, self._out_at, self._out_end - self._out_at)
            if count is None:
                return
            self._out_at += count
            self._wrote_at = self._now
            if self._out_at < self._out_end:
                return
            self._out = None
        if self._body is not None:
            count = write_part(self._stream, self._body, self._body_at, self._body_end - self._body_at)
            if count is None:
                return
            self._body_at += count
            self._wrote_at = self._now
            if self._body_at == self._body_end:
                self._body = None
