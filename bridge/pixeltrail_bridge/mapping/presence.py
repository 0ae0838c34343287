"""Devices that go and come back: Device Disconnected when the broker says so, Device Connected at their next sync.

A device that starts anew says hello in its new stream, and chunks.py makes the event of that. `DeviceState.is_away`
remembers what was told last, so that each event comes once, however often a broker repeats its word.
"""

from __future__ import annotations

from typing import Any

from ..sessions.state import DeviceState, StreamState
from . import calls
from .calls import Call
from .origin import origin_of
from .settings import DEVICE_CONNECTED, DEVICE_DISCONNECTED, MappingSettings
from .tracker import Tracker


def map_presence(
    device: DeviceState,
    stream: StreamState,
    stream_id: bytes,
    watermark: int,
    is_online: bool,
    now_ms: int,
    device_id: str,
    settings: MappingSettings,
) -> list[Call]:
    """The event of a device that went, or is back (it sent a sync of `stream_id`), if there is one.

    Its place is the stream, the first seq that is still to come, and how often the device has gone.
    """
    if device.is_away is not is_online:
        return []
    away_ms, device.is_away = now_ms - device.away_since_ms, not is_online
    if not is_online:
        device.away_since_ms = now_ms
        device.departures += 1
    event = DEVICE_CONNECTED if is_online else DEVICE_DISCONNECTED
    if event not in settings.extra_events or (is_online and stream.hello is None):
        return []
    properties: dict[str, Any] = {"continues": True, "away_ms": max(0, away_ms)} if is_online else {}
    origin = origin_of(Tracker(device, stream, device_id, stream_id), settings, now_ms, False)
    call_id = calls.made_message_id(device_id, event, stream_id, watermark, device.departures)
    fields = {"event": event, "properties": properties}
    return [calls.build_call(origin, "track", call_id, now_ms, fields, event=event)]
