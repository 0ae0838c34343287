"""MQTT 3.1.1 over TCP at QoS 0: publish to the up topic, listen on the down topic, tell the state topic.

Everything is non-blocking, and one poll() moves at most _READ_BYTES in and one packet out. A message is written
straight from the caller's buffer, behind a header made in a small one of our own. connection.py has the socket, TLS,
keepalive and what happens after a fault.
"""

from micropython import const

from . import packets
from .connection import LOGIN, SUBSCRIBE, UP, Connection
from .stream import kernels, write_part

_READ_BYTES = const(256)  # an ack is about 60 bytes with its topic

# part of an incoming packet that the next byte belongs to
_TYPE = const(0)
_LENGTH = const(1)
_BODY = const(2)

_CONNACK = const(2)
_PUBLISH = const(3)
_SUBACK = const(9)

_REFUSALS = (  # by the return code of a CONNACK (3.2.2.3)
    "",
    "the broker speaks no MQTT 3.1.1",
    "the broker refused the client ID",
    "the broker is not available",
    "the broker refused user or password",
    "the broker does not let this device in",
)


class MQTT(Connection):
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
        Connection.__init__(self, host, port, dns, tls, keepalive_s * 1000)
        self._user = user
        self._password = password
        self._prefix = prefix
        self.rx = bytearray(rx_bytes)
        self.skipped = 0
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

    def can_send(self):
        return self._out is None and self._body is None

    def send(self, buf, start, length):
        if self._state != UP or self._out is not None or self._body is not None:
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
            if self._state == UP:
                self._parse()
        if self._ready:
            self._handed = True
        return self._ready

    def close(self):
        """Say that we leave, if it can be said at once, and close the socket."""
        if self._state == UP and self.can_send():
            try:
                write_part(self._stream, self._farewell, 0, len(self._farewell))
            except OSError:
                pass
        self._hang_up()
        self._failures = 0
        self._retry_ms = 0

    def _hang_up(self):
        self._in_at = self._in_end = 0
        self._part = _TYPE
        if not self._handed:
            self._ready = 0
        Connection._hang_up(self)

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
            elif self._state == UP:
                self._ready = self._length
        elif kind == _CONNACK and self._state == LOGIN:
            if self._answer:
                self._drop(None, _REFUSALS[self._answer] if self._answer < 6 else None)
                return
            self._enter(SUBSCRIBE)
            self._begin(self._greeting, 0)
            self._write()
        elif kind == _SUBACK and self._state == SUBSCRIBE:
            if self._answer & 0x80:
                self._drop(None, "the broker refused the subscription")
                return
            self._dialer.trust()
            self._enter(UP)
            self.connected = True
            self.generation += 1
