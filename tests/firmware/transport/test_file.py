from __future__ import annotations

import io
from pathlib import Path

import cbor2
import pytest
from pixeltrail.transport.file import File
from pixeltrail_bridge.wire.framing import Deframer

MESSAGES = [cbor2.dumps([1, bytes(8), number, 0]) for number in range(5)]


def written(path: Path, **settings: bool) -> bytes:
    file = File(str(path), **settings)
    file.attach("dev-00001")
    assert not file.connected and not file.send(b"early", 0, 5)
    file.poll(0)
    assert file.connected and file.write_only
    for message in MESSAGES:
        assert file.can_send()
        assert file.send(b"xx" + message, 2, len(message))
    assert file.receive() == 0
    file.close()
    return path.read_bytes()


def test_messages_make_a_cbor_sequence_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.ptr"
    written(path)
    stream = io.BytesIO(written(path))
    decoder = cbor2.CBORDecoder(stream)
    assert [cbor2.dumps(decoder.decode()) for _ in range(10)] == MESSAGES * 2


def test_frames_are_those_of_a_serial_line(tmp_path: Path) -> None:
    assert Deframer().feed(written(tmp_path / "log", framed=True)) == MESSAGES


def test_a_storage_that_fails_is_counted_and_left_alone(tmp_path: Path) -> None:
    file = File(str(tmp_path / "missing" / "log"))
    file.attach("dev-00001")
    for now in range(3):
        file.poll(now)
    assert file.errors == 1 and not file.connected


@pytest.mark.parametrize("size", [2000, 5000])
def test_a_message_longer_than_agreed_is_refused(tmp_path: Path, size: int) -> None:
    file = File(str(tmp_path / "log"), framed=True)
    file.attach("dev-00001")
    file.poll(0)
    assert file.send(bytes(size), 0, size) is False
    file.close()
