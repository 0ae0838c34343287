"""Of whom an event tells, from what the bridge remembers of a device and its stream."""

from __future__ import annotations

from ..sessions.state import DeviceState, OpenSession
from .calls import Origin
from .settings import MappingSettings
from .tracker import Tracker


def is_opted_out(device: DeviceState, at_ms: int) -> bool:
    return device.opted_out_ms is not None and at_ms >= device.opted_out_ms


def origin_of(
    tracker: Tracker,
    settings: MappingSettings,
    at_ms: int,
    is_estimated: bool,
    ended: OpenSession | None = None,
) -> Origin:
    """The origin of an event at host time `at_ms`; `ended`: it is about the end of that session."""
    device, stream = tracker.device, tracker.stream
    session = ended or tracker.session
    session_id = ended.session_id if ended else stream.session_id
    is_current = session is not None and session.session_id == session_id
    opted_out = stream.opted_out or is_opted_out(device, at_ms)
    user_id = tracker.user_id
    return Origin(
        device_id=tracker.device_id,
        hello=stream.hello,
        display=stream.display,
        name=device.name,
        user_id=user_id,
        session_id=session_id,
        session_start_ms=session.start_ms if session and is_current else session_id,
        is_recording=(ended.sampled if ended else stream.sampled) and not opted_out,
        is_estimated=is_estimated,
        public_url=settings.public_url,
        classic=settings.classic,
        replay_device=user_id if settings.replay_by_user else None,
        debug=settings.debug,
    )
