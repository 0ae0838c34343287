"""The vendors that a bridge sends to, for tests that hold for each of them: a server, its settings, what it took.

Segment and Amplitude without Segment in between. `taken` is what their servers have in common: each event once, in the
order in which it came first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pixeltrail_bridge.sinks.amplitude import AmplitudeSettings, AmplitudeSink
from pixeltrail_bridge.sinks.base import Sink
from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink

from . import amplitude_server, segment_server

KEY = "test-write-key"
ROOT = Path(__file__).resolve().parents[2]


class Taken(NamedTuple):
    device_id: str
    message_id: str
    event: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """`too_large` is a padding that no event of this vendor may have; `key_option` is of its server's command."""

    name: str
    module: ModuleType
    key_option: str
    too_large: int
    key_setting: str
    refusal: str  # what the bridge says of a wrong key
    make_server: Callable[[set[str]], Any]
    make_sink: Callable[..., Sink]

    def __str__(self) -> str:
        return self.name

    def running(self) -> AbstractContextManager[Any]:
        """A server on a thread of its own."""
        if self.name == "amplitude":
            return amplitude_server.running(api_key=KEY)
        return segment_server.running(write_key=KEY)

    def settings(self, folder: Path, url: str) -> dict[str, dict[str, Any]]:
        """The bridge's; a device is not paced, since tests are in a hurry."""
        key = folder / "write-key"
        key.write_text(KEY)
        key.chmod(0o600)
        if self.name == "amplitude":
            return {"amplitude": {"api_key_file": key, "host": url, "device_events_per_s": 0}}
        return {"segment": {"write_key_file": key, "host": url}}

    def command(self, log: Path) -> list[str | Path]:
        """The words after the interpreter that start the server as a process; `--port` is still to be added."""
        start = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {self.module.__name__} import main; main()"
        )
        return ["-c", start, self.key_option, KEY, "--log", log]


def taken(server: Any) -> list[Taken]:
    items = [*server.events, *(item for _, item in getattr(server, "identifications", ()))]
    return [one for item in items if (one := _read(item)) is not None]


def taken_of_log(log: Path) -> Iterator[Taken]:
    """What a server process wrote down; a line that a kill cut off was never confirmed."""
    text = log.read_text() if log.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        one = _read(json.loads(line))
        if one is not None:
            yield one


def _read(item: dict[str, Any]) -> Taken | None:
    """None for what stands for no event of its own: what a group is, a mapping of users."""
    if "messageId" in item:
        name, properties = str(item.get("event", "")), item.get("properties", {})
        return Taken(str(item["anonymousId"]), item["messageId"], name, properties)
    if "insert_id" not in item:
        return None
    properties = item.get("event_properties", {})
    return Taken(str(item.get("device_id")), item["insert_id"], str(item.get("event_type", "")), properties)


def _segment_server(refuse_ids: set[str]) -> Any:
    return segment_server.SegmentServer(write_key=KEY, refuse_ids=refuse_ids)


def _amplitude_server(refuse_ids: set[str]) -> Any:
    return amplitude_server.AmplitudeServer(api_key=KEY, refuse_ids=refuse_ids)


def _segment_sink(url: str, batch_events: int = 100, **options: Any) -> Sink:
    return SegmentSink(SegmentSettings(KEY, host=url, batch_events=batch_events), **options)


def _amplitude_sink(url: str, batch_events: int = 100, **options: Any) -> Sink:
    settings = AmplitudeSettings(KEY, host=url, batch_events=batch_events, device_events_per_s=0)
    return AmplitudeSink(settings, **options)


SEGMENT = Vendor(
    *("segment", segment_server, "--write-key", 33_000),
    *("segment.write_key", "Segment answered 401"),
    *(_segment_server, _segment_sink),
)
AMPLITUDE = Vendor(
    *("amplitude", amplitude_server, "--api-key", 1_000_000),
    *("amplitude.api_key", "Amplitude answered 400"),
    *(_amplitude_server, _amplitude_sink),
)
VENDORS = (SEGMENT, AMPLITUDE)
