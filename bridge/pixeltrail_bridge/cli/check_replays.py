"""`pixeltrail check` on replay sinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..config import Config

Finding = tuple[bool, str, str]
_WHAT = "amplitude-replay"


def find(settings: Config) -> Iterator[Finding]:
    """Whether each one that is configured could be made, and what a person should know of it. Asks nobody."""
    from ..app.replays import amplitude_replay_settings
    from ..sinks.custom import load_replay_sink

    folder = settings.file and settings.file.resolve().parent
    for one in settings.lists.replay_sinks:
        try:
            load_replay_sink(one.name, one.factory, one.settings, folder)
            yield True, f"sink {one.name}", f"made by {one.factory}; it gets recordings"
        except ConfigError as error:
            yield False, f"sink {one.name}", str(error)
    section = settings.amplitude_replay
    if not section.enabled:
        return
    try:
        sink = amplitude_replay_settings(settings)
        url = sink.url()
    except ConfigError as error:
        yield False, _WHAT, str(error)
        return
    if not sink.api_key:
        yield False, _WHAT, "there is no key; set amplitude_replay.api_key_file"
        return
    note = "note: experimental, since Amplitude documents only the address; see docs/replay-sinks.md"
    yield True, _WHAT, f"recordings go to {url}; {note}"
    file = section.api_key_file
    if file is not None and file.exists() and file.stat().st_mode & 0o077:
        yield False, _WHAT, f"{file} can be read by others; run: chmod 600 {file}"
    events = settings.amplitude.api_key
    if events and events != section.api_key:
        yield (
            False,
            _WHAT,
            "warning: amplitude_replay.api_key is another key than amplitude.api_key, so replays go to one project and "
            "the events that point to them to another; use the same key for both",
        )
    elif not events:
        yield (
            True,
            _WHAT,
            "note: the key must be that of the project which the events reach through Segment; nothing here can tell",
        )
