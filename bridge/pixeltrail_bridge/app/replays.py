"""From settings to replay sinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..config import Config
from ..errors import ConfigError
from ..sinks import amplitude_replay
from ..sinks.amplitude_replay import AmplitudeReplaySettings, AmplitudeReplaySink
from ..sinks.custom import load_replay_sink
from ..sinks.replay import ReplaySink
from ..store import pieces
from ..store.database import SqlStore

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
        zone=section.zone or config.segment.zone,
        host=section.host or None,
        sample_rate=config.recording.sample_rate,
        scale=section.scale or None,
        keyframe_ms=section.keyframe_s * 1000,
        without=section.without,
    )


Found = tuple[Literal["ok", "note", "FAULT"], str, str]


def diagnose(config: Config, store: SqlStore, now_ms: int) -> Iterator[Found]:
    """How each replay sink does: level, what, and words. Dead pieces are told with the other dead letters."""
    for name in replay_sink_names(config):
        what, counts = f"sink {name}", pieces.counts(store, name)
        stopped = counts.get("stopped", 0)
        more = f"; {stopped:,} sessions were stopped" if stopped else ""
        failure = pieces.last_failure(store, name)
        if failure is None:
            yield (
                "ok",
                what,
                f"{counts.get('sent', 0):,} pieces sent, {counts.get('waiting', 0):,} wait{more}",
            )
            continue
        pause_s = max(0, failure.next_try_ms - now_ms) // 1000
        again = f"; tried again in {pause_s} s" if pause_s else ""
        text = f"{counts['waiting']:,} pieces wait, after {failure.attempts} attempts: {failure.answer}{again}{more}"
        yield "FAULT", what, text
