"""MQTT 3.1.1 over TCP at QoS 0: publish to the up topic, listen on the down topic, tell the state topic.

Everything is non-blocking, and one poll() moves at most _READ_BYTES in and one packet out. A message is written
straight from the caller's buffer, behind a header made in a small one of our own.

A connection goes through _WAIT -> _DIAL -> _SECURE, with TLS only -> _LOGIN -> _SUBSCRIBE -> _UP. Every fault,
wherever it is met, ends in _drop(), which closes the socket, says in `trouble` what it was, and sets the time of the
next try: soon after the first fault, then doubling with jitter up to a minute. The chunks that were on their way are
the link's to send again.

The key exchange of TLS is the one thing here that computes for long. It begins only while `is_quiet` is False, pauses
while it is True, and `on_busy` is called with True before it and with False behind it.

Half the keepalive time after the last byte from either side we send a ping, and wait as long again for any byte in
answer. So a half-open connection, which TCP would keep for hours, is dropped.
"""

from random import getrandbits

from micropython import const

from . import packets
from .dialer import MOVED, OPEN, Dialer
from .stream import FAULTS, kernels, write_part

_WAIT = const(0)
_DIAL = const(1)
_SECURE = const(2)
_LOGIN = const(3)
_SUBSCRIBE = const(4)
_UP = const(5)

_ANSWER_TIMEOUT_MS = const(10_000)  # for connection, key exchange, login and subscription, each
_FIRST_RETRY_MS = const(250)
_LAST_RETRY_MS = const(60_000)
_STABLE_MS = const(10_000)  # a connection that lived this long was a good one: the next retry is quick again
_READ_BYTES = const(256)  # an ack is about 60 bytes with its topic

# part of an incoming packet that the next byte belongs to
_TYPE = const(0)
_LENGTH = const(1)
_BODY = const(2)

_CONNACK = const(2)
_PUBLISH = const(3)
_SUBACK = const(9)
_PINGRESP = const(13)

# What stops a connection in each state, when nothing more is known of it; a line each, indexed by the state.
_TROUBLES = (
    "",
    "no connection to the broker",
    "TLS: the broker did not finish the key exchange",
    "the broker did not answer the login",
    "the broker did not answer the subscription",
    "the connection to the broker broke",
)
_REFUSALS = (  # by the return code of a CONNACK (3.2.2.3)
    "",
    "the broker speaks no MQTT 3.1.1",
    "the broker refused the client ID",
    "the broker is not available",
    "the broker refused user or password",
    "the broker does not let this device in",
)


class MQTT:
    needs_host_hello = False
    write_only = False

    def __init__(
        self,
        host,
        port=None,
        user=None,
        password=None,
        tls=None,  # see secure.Secure; None or False: none
        dns=None,  # see resolver.Resolver
        keepalive_s=30,
        prefix="pt/v1",
        rx_bytes=512,
    ):
        if port is None:
            port = 8883 if tls else 1883
        if not 0 < port < 65536:
            raise ValueError("MQTT port must be 1 to 65535, got %r" % (port,))
        if not 4 <= keepalive_s <= 3600:
            raise ValueError("MQTT keepalive_s must be 4 to 3600, got %r" % (keepalive_s,))
        if password is not None and user is None:
            raise ValueError("MQTT password needs a user")
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
        self._user = user
        self._password = password
        self._keepalive_ms = keepalive_s * 1000
        self._prefix = prefix
        self.on_busy = None
        self.is_quiet = False
        self.trouble = ""  # the last fault, for a person
        self.tls_refused = 0  # key exchanges that failed
        self._is_busy = False
        self.rx = bytearray(rx_bytes)
        self.connected = False
        self.generation = 0
        self.errors = 0
        self.skipped = 0
        self._stream = None
        self._state = _WAIT
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
        # coming in
        self._in = bytearray(_READ_BYTES)
        self._in_at = 0
        self._in_end = 0
        self._part = _TYPE
        self._kind = 0
        self._shift = 0
        self._left = 0  # bytes of the packet's body still to come
        self._taken = 0  # bytes of it taken
        self._topic_end = 0  # where the payload of a publish begins
        self._length = 0  # bytes of the payload in rx
        self._answer = 0  # third or second byte of an answer: its return code
        self._ready = 0  # length of a message that nobody has received yet
        self._handed = False

    # --- the transport's contract ---

    def attach(self, device_id, max_message=1024):
        base = "%s/%s" % (self._prefix, device_id)
        state = (base + "/state").encode()
        up = (base + "/up").encode()
        self._salt = sum(device_id.encode()) * 257 & 0xFFFF
        self._login = packets.connect(
            "pt-" + device_id, state, self._user, self._password, self._keepalive_ms // 1000
        )
        self._greeting = packets.subscribe((base + "/down").encode()) + packets.publish_retained(
            state, b"online"
        )
        self._farewell = packets.publish_retained(state, b"offline") + packets.DISCONNECT
        # Of the first three bytes a header uses two or three: the remaining length takes one byte below 128, else two.
        self._head = bytearray(b"\0\0\0" + packets.text(up))
        self._topic_bytes = len(self._head) - 3
        if self._topic_bytes + max_message >= 1 << 14:
            raise ValueError("messages of %d bytes are too long" % max_message)

    def poll(self, now_ms):
        if now_ms < self._now:  # a new clock
            self._since = self._read_at = self._wrote_at = self._pinged_at = now_ms
        self._now = now_ms
        if self._state == _SECURE or self._state == _DIAL:
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

    def can_send(self):
        return self._out is None and self._body is None

    def send(self, buf, start, length):
        if self._state != _UP or self._out is not None or self._body is not None:
            return False
        self._begin_message(self._topic_bytes + length)
        self._body = buf
        self._body_at = start
        self._body_end = start + length
        self._write_safely()
        return True

    def _write_safely(self):
        try:
            self._write()
        except OSError:
            self._drop()

    def _begin_message(self, size):
        """The head of a publish with `size` bytes of topic and payload."""
        head = self._head
        if size < 128:
            head[1] = 0x30
            head[2] = size
            self._begin(head, 1)
        else:
            head[0] = 0x30
            head[1] = size & 127 | 128
            head[2] = size >> 7
            self._begin(head, 0)

    def receive(self):
        if self._handed:
            self._handed = False
            self._ready = 0
            if self._state == _UP:
                self._parse()
        if self._ready:
            self._handed = True
        return self._ready

    def close(self):
        """Say that we leave, if it can be said at once, and close the socket."""
        if self._state == _UP and self.can_send():
            try:
                write_part(self._stream, self._farewell, 0, len(self._farewell))
            except OSError:
                pass
        self._hang_up()
        self._failures = 0
        self._retry_ms = 0

    # --- the connection ---

    def _step(self):
        state = self._state
        if state == _WAIT:
            if self._now - self._since >= self._retry_ms and not (self._is_secure and self.is_quiet):
                self._enter(_DIAL)
                self._dialer.begin(self._now)
            return
        if state == _DIAL:
            self._dial()
        elif state == _SECURE:
            self._exchange_keys()
        else:
            self._write()
            self._read()
        if self._state == _UP:
            self._keep_alive()
        elif self._state != _WAIT and self._now - self._since > _ANSWER_TIMEOUT_MS:
            self._drop()

    def _enter(self, state):
        self._state = state
        self._since = self._now

    def _dial(self):
        """Log in once the connection stands."""
        done = self._dialer.step(self._now)
        if done == MOVED:
            self._enter(_DIAL)
        elif done == OPEN:
            self._stream = self._dialer.stream
            self._part = _TYPE
            self._pinged = False
            self._read_at = self._now
            self._begin(self._login, 0)
            if self._is_secure:
                self._enter(_SECURE)
            else:
                self._enter(_LOGIN)
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
            self._enter(_LOGIN)

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
        if state == _SECURE:
            self.tls_refused += 1
        self.trouble = trouble or self._describe(state, error)
        if state != _UP:
            self._dialer.distrust()
        if self._state == _UP and self._now - self._since >= _STABLE_MS:
            self._failures = 0
        wait = _FIRST_RETRY_MS << min(self._failures, 8)
        if wait > _LAST_RETRY_MS:
            wait = _LAST_RETRY_MS
        # Jitter takes away up to half. The salt keeps boards apart whose generators all start alike.
        self._retry_ms = wait - ((getrandbits(16) ^ self._salt) % (wait >> 1))
        self._failures += 1
        self._hang_up()

    def _describe(self, state, error):
        if state == _DIAL and self._dialer.is_resolving:
            return "no address for the broker's name; is the network up, and the name right?"
        if state == _SECURE and error is not None:
            return self._explain(error)
        return _TROUBLES[state]

    def _hang_up(self):
        self.connected = False
        self._enter(_WAIT)
        self._out = self._body = None
        self._in_at = self._in_end = 0
        if not self._handed:
            self._ready = 0
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

    # --- coming in ---

    def _read(self):
        if self._ready:
            if not self._handed:
                self._pinged = False  # the answer may wait behind it
                return
            self._handed = False
            self._ready = 0
        if self._in_at == self._in_end:
            count = self._stream.readinto(self._in)
            if count is None:
                return
            if count == 0:
                self._drop()
                return
            self._in_at = 0
            self._in_end = count
            self._read_at = self._now
            self._pinged = False
        self._parse()

    def _parse(self):
        """Take packets from what was read, until a message is complete or no byte is left."""
        while self._in_at < self._in_end and not self._ready:
            if self._part == _BODY:
                self._take_body()
                if self._left == 0:
                    self._part = _TYPE
                    self._finish()
                continue
            byte = self._in[self._in_at]
            self._in_at += 1
            if self._part == _TYPE:
                self._kind = byte >> 4
                # a publish at QoS 1 or 2, which we never asked for, has a packet ID behind its topic
                self._topic_end = 4 if byte & 6 else 2
                self._part = _LENGTH
                self._left = self._shift = 0
                continue
            self._left |= (byte & 127) << self._shift
            self._shift += 7
            if byte < 128:
                self._part = _BODY if self._left else _TYPE
                self._taken = self._length = 0
                if not self._left:
                    self._finish()
            elif self._shift > 21:
                self._drop()  # no packet that long exists
                return

    def _take_body(self):
        """Take what was read of a body: the payload of a publish into rx, from an answer its last byte."""
        count = min(self._left, self._in_end - self._in_at)
        if self._kind != _PUBLISH:
            self._answer = self._in[self._in_at + count - 1]
        elif self._taken < 2:
            count = 1
            byte = self._in[self._in_at]
            self._topic_end += byte if self._taken else byte << 8
        elif self._taken < self._topic_end:
            count = min(count, self._topic_end - self._taken)
        else:
            if self._length + count <= len(self.rx):
                kernels.copy(self.rx, self._length, self._in, self._in_at, count)
            self._length += count
        self._taken += count
        self._left -= count
        self._in_at += count

    def _finish(self):
        """A packet is complete."""
        kind = self._kind
        if kind == _PUBLISH:
            if self._length > len(self.rx):
                self.skipped += 1
            elif self._state == _UP:
                self._ready = self._length
        elif kind == _CONNACK and self._state == _LOGIN:
            if self._answer:
                self._drop(None, _REFUSALS[self._answer] if self._answer < 6 else None)
                return
            self._enter(_SUBSCRIBE)
            self._begin(self._greeting, 0)
            self._write()
        elif kind == _SUBACK and self._state == _SUBSCRIBE:
            if self._answer & 0x80:
                self._drop(None, "the broker refused the subscription")
                return
            self._dialer.trust()
            self._enter(_UP)
            self.connected = True
            self.generation += 1
