"""A log that cannot be written stops nothing."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog
from pixeltrail_bridge.app.logs import set_up_logging
from pixeltrail_bridge.config import BridgeSettings


class Broken(io.TextIOBase):
    """As a pipe whose reader has gone, or a file on a full disk."""

    def __init__(self, error: Exception) -> None:
        self._error, self.tries = error, 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise self._error

    def flush(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device"), ValueError("closed")],
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log_format: str, error: Exception
) -> None:
    set_up_logging(BridgeSettings(log_format=log_format))
    broken = Broken(error)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", broken)
        structlog.get_logger("test").error("nobody hears this")
        logging.getLogger("library").error("nor this")
        assert broken.tries == 2
    structlog.get_logger("test").error("this is heard")
    assert "this is heard" in capsys.readouterr().err
