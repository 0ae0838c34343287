"""Signed messages: COSE_Mac0 (RFC 9052) with HMAC 256/64 (RFC 9053), in the one form that wire.md allows.

    17([<< {1: 4, 6: number} >>, {4: key number}, message, tag])

What a tag covers besides the message is who it is from or for, and which way it goes; of what goes down also the sync
that it answers. So nothing can be given to another device, sent back to where it came from, or told again later.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import cbor2

from ..errors import LocalError, WireError
from . import limits

KEY_BYTES: Final = 32
NUMBER_BYTES: Final = 8
TAG_BYTES: Final = 8  # of 32: alg 4
MOST_KEY_NUMBER: Final = 255
_HEAD: Final = b"\xd1\x84"  # tag 17, an array of four
_PROTECTED: Final = b"\xa2\x01\x04\x06\x48"  # {1: 4, 6: eight bytes}
_PROTECTED_END: Final = len(_HEAD) + 1 + len(_PROTECTED) + NUMBER_BYTES
_UNPROTECTED: Final = b"\xa1\x04\x41"  # {4: one byte}
_TAG_HEAD: Final = bytes((0x40 | TAG_BYTES,))
_LEAST: Final = _PROTECTED_END + len(_UNPROTECTED) + 2 + 1 + TAG_BYTES  # around an empty message
OVERHEAD: Final = _LEAST + 2  # around one of 256 bytes or more


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """The keys of a device by number: one, or two while it is given the second. `is_required`: it must sign."""

    keys: Mapping[int, bytes] = field(repr=False)
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed message that nobody has checked yet. `number`: eight bytes that no other message of its sender has."""

    key: int
    number: bytes
    message: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """Of a message that was signed: the number of its key, and its own."""

    key: int
    number: bytes


def is_signed(data: bytes) -> bool:
    """Whether it claims to be: no message that is not signed begins so."""
    return data[:1] == _HEAD[:1]


def parse(data: bytes) -> Signed:
    """The parts of a signed message. WireError (field `signature`): it has not the one form."""
    if not _LEAST <= len(data) <= limits.MAX_MESSAGE_BYTES:
        raise _wrong(0, f"{_LEAST} to {limits.MAX_MESSAGE_BYTES} bytes", len(data))
    begin = len(_HEAD) + 1 + len(_PROTECTED)
    number = data[begin:_PROTECTED_END]
    key_at = _PROTECTED_END + len(_UNPROTECTED)
    key, message_at, end = data[key_at], key_at + 1, len(data) - TAG_BYTES - 1
    message = data[message_at + _head_bytes(data, message_at) : end]
    # Also lengths that are not in their shortest form
    if _join(number, key, message, data[end + 1 :]) != data:
        raise _wrong(0, "tag 17 around {1: 4, 6: 8 bytes}, {4: 1 byte}, a message and 8 bytes", data[:24])
    return Signed(key, number, message, data[end + 1 :])


def sign(key: bytes, key_number: int, number: bytes, external: bytes, message: bytes) -> bytes:
    """A message as it goes on its way. LocalError: it is too long for that."""
    tag = mac(key, _PROTECTED + number, external, message)
    data = _join(number, key_number, message, tag)
    if len(data) > limits.MAX_MESSAGE_BYTES:
        raise LocalError(
            f"{len(data)} bytes when signed, and a message has at most {limits.MAX_MESSAGE_BYTES}; send less"
        )
    return data


def is_genuine(signed: Signed, key: bytes, external: bytes) -> bool:
    """Whether the tag was made with this key, of this message; takes as long whatever differs."""
    return hmac.compare_digest(signed.tag, mac(key, _PROTECTED + signed.number, external, signed.message))


def mac(key: bytes, protected: bytes, external: bytes, message: bytes) -> bytes:
    """The tag of a COSE_Mac0 by alg 4, HMAC with SHA-256 cut to 64 bits (RFC 9052, 6.3; RFC 9053, 3.1)."""
    covered = cbor2.dumps(["MAC0", protected, external, message])
    return hmac.new(key, covered, hashlib.sha256).digest()[:TAG_BYTES]


def from_device(device_id: str) -> bytes:
    """What the tag of a message up covers besides it."""
    return f"{device_id}/up".encode()


def to_device(device_id: str, sync_number: bytes) -> bytes:
    """The same of a message down: `sync_number` is that of the newest sync."""
    return f"{device_id}/down/".encode() + sync_number


def _join(number: bytes, key: int, message: bytes, tag: bytes) -> bytes:
    protected = cbor2.dumps(_PROTECTED + number)
    return b"".join((_HEAD, protected, _UNPROTECTED, bytes((key,)), cbor2.dumps(message), _TAG_HEAD, tag))


def _head_bytes(data: bytes, at: int) -> int:
    return {0x58: 2, 0x59: 3}.get(data[at], 1)


def _wrong(offset: int, expected: str, got: object) -> WireError:
    return WireError("signed message", "signature", expected, got, offset=offset)
