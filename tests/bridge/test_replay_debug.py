"""events.replay_debug: events of devices name the project of their replay."""

from __future__ import annotations

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import parts
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.mapping.calls import debug_value

ON = {"PIXELTRAIL_EVENTS__REPLAY_DEBUG": "true"}


@pytest.mark.parametrize("section", ["AMPLITUDE", "AMPLITUDE_REPLAY"])
def test_it_is_made_of_the_key_of_the_project(section: str) -> None:
    settings = config.load(environment={**ON, f"PIXELTRAIL_{section}__API_KEY": "a-key"})
    found = parts.mapping_settings(settings).debug
    assert found == parts.projector_settings(settings).debug == debug_value("a-key")
    assert "a-key" not in str(found)


def test_it_is_off_unless_asked_for_and_needs_a_key() -> None:
    settings = config.load(environment={"PIXELTRAIL_AMPLITUDE__API_KEY": "a-key"})
    assert parts.mapping_settings(settings).debug is parts.projector_settings(settings).debug is None
    with pytest.raises(ConfigError, match="amplitude_replay.api_key_file"):
        parts.mapping_settings(config.load(environment=ON))
