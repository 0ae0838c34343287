"""Signed messages, for a transport that was given a key: wire.md, "Signed messages".

    link = pixeltrail.signed(pixeltrail.MQTT("192.168.1.10"), "1:9f86d081...")

`signed` puts itself between the link and the transport: what goes up is wrapped and signed, what comes down is checked
and unwrapped, and the link sees messages as it knows them. A message that is not signed, or not by this bridge, to this
device, in answer to its newest sync, is counted in `transport.refused` and goes no further. A host hello alone is taken
without a signature: it only says that somebody listens.

The tag is HMAC with SHA-256, of which the board's hashlib makes the hash. So this is the one place in steady state that
takes memory from the heap: two hash objects, two digests and a view for each message, all of them garbage at once.
"""

import hashlib

from micropython import const

from . import wire
from .clock import new_stream_id

try:
    from . import kernels
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from . import kernels_plain as kernels

_BLOCK = const(64)  # of SHA-256
_DIGEST = const(32)
_KEY = const(32)
_TAG = const(8)
_NUMBER = const(8)
_NUMBER_AT = const(8)  # in an envelope
_MESSAGE_AT = const(20)  # its head
_LEAST = const(30)  # around an empty message
_OVERHEAD = const(32)
# In what is hashed: a block of the key, "MAC0", the protected bucket up to its number
_STRUCTURE_NUMBER = const(76)
# {1: 4, 6: eight bytes} as a byte string; then what stands before and behind it in an envelope and in what is hashed
_PROTECTED = b"\x4d\xa2\x01\x04\x06\x48"
_ENVELOPE = b"\xd1\x84" + _PROTECTED
_UNPROTECTED = b"\xa1\x04\x41"
_STRUCTURE = b"\x84\x64MAC0" + _PROTECTED


class Signer:
    """Between a link and `transport`, whose methods it takes the place of. Allocates here and in `attach`."""

    def __init__(self, transport, key):
        if transport.write_only:
            raise ValueError("signed() needs a line with two directions, and this transport only writes")
        number, secret = _parse(key)
        self._number = number
        self._inner = _pad(secret, 0x36)
        outer = _pad(secret, 0x5C)
        self._outer = bytearray(_BLOCK + _DIGEST)
        self._outer[:_BLOCK] = outer
        self._transport = transport
        self._send = transport.send
        self._receive = transport.receive
        self._attach = transport.attach
        transport.refused = 0
        transport.send = self.send
        transport.receive = self.receive
        transport.attach = self.attach

    def attach(self, device_id, max_message=1024):
        if max_message + _OVERHEAD > wire.MAX_CHUNK:
            raise ValueError(
                "max_chunk must be at most %d with a key to sign with, got %d"
                % (wire.MAX_CHUNK - _OVERHEAD, max_message)
            )
        self._attach(device_id, max_message + _OVERHEAD)
        number = new_stream_id()
        up = (device_id + "/up").encode()
        down = (device_id + "/down/").encode() + bytes(_NUMBER)
        self._up = bytearray(self._inner + _STRUCTURE + number + _byte_string(up))
        self._down = bytearray(self._inner + _STRUCTURE + bytes(_NUMBER) + _byte_string(down))
        self._sync_at = len(self._down) - _NUMBER  # where the number of the newest sync stands
        self._newest = bytearray(_NUMBER)  # number of the newest message that was taken since that sync
        envelope = _ENVELOPE + number + _UNPROTECTED + bytes((self._number,))
        self._out = bytearray(envelope + bytes(max_message + _OVERHEAD - len(envelope)))
        self._out_view = memoryview(self._out)
        self._rx_view = memoryview(self._transport.rx)

    # --- up ---

    def send(self, buf, start, length):
        if not self._transport.can_send():
            return False
        out = self._out
        self._count_up()
        at = _write_head(out, _MESSAGE_AT, length)
        kernels.copy(out, at, buf, start, length)
        end = at + length
        kernels.copy(out, end + 1, self._tag(self._up, self._out_view, end), 0, _TAG)
        out[end] = 0x40 | _TAG
        if not self._send(out, 0, end + 1 + _TAG):
            return False
        if buf[start + 2] == wire.SYNC:  # a chunk has the head of its stream there
            kernels.copy(self._down, self._sync_at, out, _NUMBER_AT, _NUMBER)
            for i in range(_NUMBER):
                self._newest[i] = 0
        return True

    def _count_up(self):
        """A number that no other message of this key has: drawn at the start, and counted on."""
        out = self._out
        for i in range(_NUMBER_AT + _NUMBER - 1, _NUMBER_AT - 1, -1):
            out[i] = out[i] + 1 & 0xFF
            if out[i]:
                break
        kernels.copy(self._up, _STRUCTURE_NUMBER, out, _NUMBER_AT, _NUMBER)

    # --- down ---

    def receive(self):
        length = self._receive()
        if length:
            rx = self._transport.rx
            if rx[0] == 0xD1:
                length = self._open(rx, length)
            elif not (length > 2 and rx[1] == wire.VERSION and rx[2] == wire.HOST_HELLO):
                length = 0
            if not length:
                self._transport.refused += 1
        return length

    def _open(self, rx, length):
        """Check the message in rx and move it to the front; returns its length, 0 when it is not to be taken."""
        end = length - _TAG - 1
        if length < _LEAST or rx[end] != 0x40 | _TAG or not self._is_form(rx):
            return 0
        at = _message_at(rx, end)
        if not at:
            return 0
        down = self._down
        kernels.copy(down, _STRUCTURE_NUMBER, rx, _NUMBER_AT, _NUMBER)
        tag = self._tag(down, self._rx_view, end)
        wrong = 0
        for i in range(_TAG):
            wrong |= tag[i] ^ rx[end + 1 + i]
        if wrong or not self._is_in_turn(rx, rx[at + 2]):
            return 0
        kernels.copy(rx, 0, rx, at, end - at)
        return end - at

    def _is_form(self, rx):
        for i in range(_NUMBER_AT):
            if rx[i] != _ENVELOPE[i]:
                return False
        at = _NUMBER_AT + _NUMBER
        return rx[at] == 0xA1 and rx[at + 1] == 4 and rx[at + 2] == 0x41 and rx[at + 3] == self._number

    def _is_in_turn(self, rx, kind):
        """An ack counts whenever it comes: it frees only what was committed. Anything else once, and in order."""
        if kind == wire.ACK:
            return True
        newest = self._newest
        for i in range(_NUMBER):
            if rx[_NUMBER_AT + i] != newest[i]:
                if rx[_NUMBER_AT + i] < newest[i]:
                    return False
                kernels.copy(newest, 0, rx, _NUMBER_AT, _NUMBER)
                return True
        return False

    # --- the tag ---

    def _tag(self, structure, view, end):
        """HMAC of `structure` and view[_MESSAGE_AT:end], of which the first _TAG bytes count."""
        inner = hashlib.sha256(structure)
        inner.update(view[_MESSAGE_AT:end])
        kernels.copy(self._outer, _BLOCK, inner.digest(), 0, _DIGEST)
        return hashlib.sha256(self._outer).digest()


def signed(transport, key):
    """`transport`, which from now on signs what it sends and takes only what is signed.

    `key`: "NUMBER:" and 64 hex digits, as `pixeltrail keys signing add` prints it. Raises ValueError.
    """
    Signer(transport, key)
    return transport


def _parse(key):
    """The number and the bytes of a key."""
    number, _, digits = key.strip().partition(":")
    try:
        secret = bytes([int(digits[i : i + 2], 16) for i in range(0, len(digits), 2)])
        if len(digits) == 2 * _KEY and 0 < int(number) < 256:
            return int(number), secret
    except ValueError:
        pass
    raise ValueError(
        "key must be a number, a colon and 64 hex digits, as `pixeltrail keys signing` prints it"
    )


def _pad(secret, value):
    return bytes([byte ^ value for byte in secret]) + bytes((value,)) * (_BLOCK - _KEY)


def _byte_string(value):
    """A byte string of up to 255 bytes in CBOR."""
    size = len(value)
    return (bytes((0x40 | size,)) if size < 24 else bytes((0x58, size))) + value


def _write_head(buf, at, size):
    """The head of a byte string; returns where its bytes begin."""
    if size < 24:
        buf[at] = 0x40 | size
        return at + 1
    if size < 256:
        buf[at] = 0x58
        buf[at + 1] = size
        return at + 2
    buf[at] = 0x59
    buf[at + 1] = size >> 8
    buf[at + 2] = size & 0xFF
    return at + 3


def _message_at(rx, end):
    """Where the message of an envelope begins, when it ends at `end`; else 0."""
    head = rx[_MESSAGE_AT]
    if 0x40 <= head < 0x58:
        at = _MESSAGE_AT + 1
        size = head & 0x1F
    elif head == 0x58:
        at = _MESSAGE_AT + 2
        size = rx[_MESSAGE_AT + 1]
    elif head == 0x59:
        at = _MESSAGE_AT + 3
        size = rx[_MESSAGE_AT + 1] << 8 | rx[_MESSAGE_AT + 2]
    else:
        return 0
    return at if at + size == end and size > 2 else 0
