"""What several commands read from their options."""

from __future__ import annotations

import pytest
from pixeltrail_bridge.cli.options import broker_address
from pixeltrail_bridge.errors import LocalError


def test_a_broker_is_a_host_and_a_port() -> None:
    assert broker_address("mqtt://broker") == ("broker", 1883)
    assert broker_address("mqtt://[::1]:1884") == ("::1", 1884)


@pytest.mark.parametrize(
    "text", ["", "broker", "http://broker", "mqtt://", "mqtt://x:99999", "mqtt://x:y", "mqtt://[::1"]
)
def test_what_is_no_broker_says_what_would_be(text: str) -> None:
    with pytest.raises(LocalError, match="--broker must be mqtt://HOST"):
        broker_address(text)
