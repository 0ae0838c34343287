"""Both twins of the framing kernels, against PyPI's cobs and zlib."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail.transport import framing_plain as plain

from tests.support import ports

DEVICE = Path(__file__).parent / "device"

# runs around 254 bytes, where a code byte ends without a zero
_EDGES = [
    b"\0",
    b"\1",
    b"\0\0",
    b"a\0",
    b"\0a",
    b"a" * 249,
    b"a" * 250,
    b"a" * 254,
    b"a" * 255,
    b"a" * 254 + b"\0",
]
messages = st.one_of(
    st.binary(min_size=1, max_size=700),
    st.lists(st.sampled_from([0, 1, 255]), min_size=1, max_size=800).map(bytes),
    st.sampled_from(_EDGES),
)


def reference(message: bytes) -> bytes:
    return b"\0" + cobs.encode(message + zlib.crc32(message).to_bytes(4, "little")) + b"\0"


def encoded(message: bytes) -> bytes:
    out = bytearray(b"\xee" * (len(message) + 9 + len(message) // 254))
    source = b"\xaa\xbb" + message + b"\xcc"
    size = plain.encode_frame(source, out, 2, len(message), plain.CRC_TABLE)
    assert out[size:] == b"\xee" * (len(out) - size)
    return bytes(out[:size])


def decoded(inner: bytes) -> bytes | None:
    frame = bytearray(inner)
    length = plain.decode_frame(frame, len(frame), plain.CRC_TABLE)
    return None if length < 0 else bytes(frame[:length])


@given(messages)
def test_a_frame_is_cobs_of_message_and_checksum(message: bytes) -> None:
    assert encoded(message) == reference(message)


@given(messages)
def test_decoding_gives_the_message_back(message: bytes) -> None:
    assert decoded(encoded(message)[1:-1]) == message


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_a_message_with_its_checksum_or_to_nothing(inner: bytes) -> None:
    assert decoded(inner) == _judged(inner)


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_the_kernels_of_microcontrollers_agree(port: ports.Port, tmp_path: Path) -> None:
    """The same cases through the viper kernels."""
    dice = random.Random(1)
    whole = [*_EDGES, *(_random_message(dice) for _ in range(150))]
    damaged = [_damaged(dice, reference(message)[1:-1]) for message in whole]
    cases = tmp_path / "cases"
    lines = [f"e {message.hex()}" for message in whole] + [f"d {inner.hex()}" for inner in damaged]
    cases.write_text("\n".join(lines))

    printed = port.run(DEVICE / "framing_check.py", cases).split("\n")

    for message, line in zip(whole, printed, strict=False):
        frame, same, untouched = line.split()
        assert bytes.fromhex(frame) == reference(message)
        assert same == "True"
        assert int(untouched) >= 4
    for inner, line in zip(damaged, printed[len(whole) :], strict=False):
        message = _judged(inner)
        assert int(line) == (-1 if message is None else len(message)), inner.hex()


def _random_message(dice: random.Random) -> bytes:
    kind = dice.randrange(3)
    size = dice.randint(1, 1100)
    if kind == 0:
        return dice.randbytes(size)
    return bytes(dice.choice([0, 1, 255] if kind == 1 else [7, 8, 9]) for _ in range(size))


def _damaged(dice: random.Random, inner: bytes) -> bytes:
    cut = bytearray(inner)
    at = dice.randrange(len(cut))
    kind = dice.randrange(4)
    if kind == 0:
        cut[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        del cut[at:]
    elif kind == 2:
        cut[at:at] = cut[at : at + 3]
    return bytes(cut)


def _judged(inner: bytes) -> bytes | None:
    try:
        body = cobs.decode(inner)
    except cobs.DecodeError:
        return None
    message, checksum = body[:-4], body[-4:]
    if not message or zlib.crc32(message).to_bytes(4, "little") != checksum:
        return None
    return message
