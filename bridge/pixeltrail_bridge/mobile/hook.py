"""Segment's library for Python with enriched events: one line in a program that sends events of its own.

    from pixeltrail_bridge.mobile.hook import attach

    attach(analytics.default_client or client, device=lambda event: DeviceMoment("thermostat-1", 1767323045000, True))

The library has no middleware, so its one way into the queue is wrapped. Source: segment-analytics-python 2.4,
`Client._enqueue`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import structlog

from ..sinks.base import host_clock
from .enrichment import DeviceMoment, Enricher, EnrichSettings, Event
from .extract import time_ms
from .sessions import AppState

log = structlog.get_logger(__name__)


class Client(Protocol):
    def _enqueue(self, msg: Event) -> Any: ...


def attach(
    client: Any,
    *,
    settings: EnrichSettings | None = None,
    device: Callable[[Event], DeviceMoment | None] = lambda event: None,
) -> Callable[[], None]:
    """Enrich every event that `client` sends from now on; call what is returned to undo it.

    `device` names the device an event belongs to and the session it was in. A fault here never keeps an event back:
    it goes out as the program made it, and a line in the log says why.
    """
    chosen = settings or EnrichSettings()
    state = AppState()
    enqueue = client._enqueue

    def enrich_and_enqueue(msg: Event) -> Any:
        try:
            at_ms = _moment(msg)
            moment = device(msg)
            enricher = Enricher(chosen, lambda device_id, at: moment)
            if moment is not None:
                state.device = moment.device_id
            enriched = enricher.enrich(msg, state, at_ms)
        except Exception:  # noqa: BLE001 the program's event matters more than what we add to it
            log.exception("an event was not enriched")
            return enqueue(msg)
        for made in enriched.made:
            enqueue(made)
        return enqueue(enriched.event)

    client._enqueue = enrich_and_enqueue

    def detach() -> None:
        client._enqueue = enqueue

    return detach


def _moment(msg: Event) -> int:
    """The library takes a datetime, text or nothing."""
    stamp = msg.get("timestamp")
    moment = time_ms(stamp.isoformat() if isinstance(stamp, datetime) else stamp)
    return host_clock() if moment is None else moment
