"""Messages from a file: all of them, in order, waiting for a queue that is full."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.base import TextLine
from pixeltrail_bridge.sources.file import FileSource
from pixeltrail_bridge.wire.framing import frame

from tests.bridge.sources.kit import WAIT_S, Collector


def test_reads_all(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(frame(b"one") + b"noise of a boot\n" + frame(b"two"))
    collector, source = Collector(), FileSource(path, "device-1")
    refusals = [False, True, True]

    def receive(arrival) -> bool:
        return refusals.pop(0) and collector.receive(arrival)

    source.start(receive, collector.state)
    assert source.done.wait(WAIT_S)
    source.stop()
    assert [(a.device_id, a.data) for a in collector.arrivals] == [("device-1", b"one"), ("device-1", b"two")]
    assert TextLine(str(path), "noise of a boot") in collector.events
    assert source.messages == 2 and not collector.is_up


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        FileSource(tmp_path / "nothing")
