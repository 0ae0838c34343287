"""From settings to replay sinks."""

from __future__ import annotations

from ..config import Config
from ..errors import ConfigError
from ..sinks import amplitude_replay
from ..sinks.amplitude_replay import AmplitudeReplaySettings, AmplitudeReplaySink
from ..sinks.custom import load_replay_sink
from ..sinks.replay import ReplaySink
from . import parts

MARKS = ("touch", "key", "log", "vitals", "event")


def make_replay_sinks(config: Config) -> list[ReplaySink]:
    """Raises ConfigError: the bridge does not start with a sink that cannot work."""
    sinks: list[ReplaySink] = []
    if config.amplitude_replay.enabled:
        sinks.append(AmplitudeReplaySink(amplitude_replay_settings(config)))
    folder = config.file and config.file.resolve().parent
    sinks += [
        load_replay_sink(one.name, one.factory, one.settings, folder) for one in config.lists.replay_sinks
    ]
    return sinks


def replay_sink_names(config: Config) -> list[str]:
    """Of make_replay_sinks(), without making them."""
    names = [amplitude_replay.NAME] if config.amplitude_replay.enabled else []
    return names + [one.name for one in config.lists.replay_sinks]


def amplitude_replay_settings(config: Config) -> AmplitudeReplaySettings:
    section = config.amplitude_replay
    unknown = sorted(set(section.without) - set(MARKS))
    if unknown:
        raise ConfigError(f"amplitude_replay.without: {unknown[0]!r} is none of {', '.join(MARKS)}")
    return AmplitudeReplaySettings(
        api_key=section.api_key.reveal(),
        zone=zone(config),
        host=section.host or None,
        sample_rate=config.recording.sample_rate,
        scale=section.scale or None,
        keyframe_ms=section.keyframe_s * 1000,
        without=section.without,
    )


def zone(config: Config) -> str:
    """Where replays go. ConfigError: events go elsewhere, where no replay would be found by them."""
    wanted, events = config.amplitude_replay.zone, config.segment.zone
    if wanted and wanted != events and parts.has_segment(config):
        raise ConfigError(
            f"amplitude_replay.zone is {wanted} and segment.zone is {events}: replays and events belong in one zone; "
            "leave amplitude_replay.zone out"
        )
    return wanted or events
