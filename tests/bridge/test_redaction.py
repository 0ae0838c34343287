"""What is logged names nobody: no user, no trait or property, no secret, and devices by a keyed hash."""

from __future__ import annotations

import json

import pytest
import structlog
from pixeltrail_bridge.app.logs import set_up_logging
from pixeltrail_bridge.app.redaction import Redactor, log_name, redactor
from pixeltrail_bridge.config import BridgeSettings
from pixeltrail_bridge.errors import StoreError

USER, DEVICE = "anna@example.com", "kitchen-01"


@pytest.fixture(autouse=True)
def logging_as_the_bridge_does() -> None:
    set_up_logging(BridgeSettings(log_format="json"))


def test_ids_values_and_secrets_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger("test")
    log.info(
        "something happened",
        device=DEVICE,
        user_id=USER,
        properties={"cups": 2},
        settings={"token": "t0ken", "size": 3},
        write_key="wk",
        count=7,
    )
    line = capsys.readouterr().err
    told = json.loads(line)
    assert told["count"] == 7 and told["device"] == redactor.name(DEVICE)
    assert told["settings"] == {"token": "***", "size": 3}
    for text in (DEVICE, USER, "cups", "t0ken", "wk"):
        assert text not in line


def test_an_exception_is_told_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError(USER)
    except KeyError:
        structlog.get_logger("test").exception("a fault", device=DEVICE)
    line = capsys.readouterr().err
    assert "KeyError" in line and "test_redaction.py" in line
    assert USER not in line
    try:
        raise StoreError("the disk is full")
    except StoreError:
        structlog.get_logger("test").exception("a fault")
    assert "the disk is full" in capsys.readouterr().err, "our own words are for people"


def test_a_device_has_one_name_in_all_logs_of_a_store() -> None:
    one, other = Redactor(), Redactor()
    one.key = other.key = b"k" * 16
    assert (
        one.name(DEVICE) == other.name(DEVICE) == log_name(b"k" * 16, DEVICE) != log_name(b"l" * 16, DEVICE)
    )
    one.plain_ids = True
    assert one(None, "info", {"event": "x", "device": DEVICE})["device"] == DEVICE
