"""`pixeltrail tail`: the last events, and those to come."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigOption, SetOption, clock_time, load_config, open_store, printable

if TYPE_CHECKING:
    from ..store.base import EventRow

_POLL_S = 0.5
_PAGE = 200
# JSON has the others escaped; these are commands for some terminals as well, and mean the same written so.
_COMMANDS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def run(
    device: Annotated[
        str | None, typer.Argument(help="Only events of this device.", show_default=False)
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", help="How many.", min=0)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those to come.")] = False,
    payload: Annotated[bool, typer.Option("--json", help="The exact payload, one a line.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show events and what each sink answered. With --follow, Ctrl-C ends it."""
    from ..store.overview import newest_events

    with contextlib.suppress(KeyboardInterrupt), open_store(load_config(config, set_)) as store:
        events = newest_events(store, device, max(number, 1))
        last = events[-1].id if events else 0
        for event in events if number else ():
            print(_line(event, payload), flush=follow)
        while follow:
            for event in store.events(device, after_id=last, limit=_PAGE):
                print(_line(event, payload), flush=True)
                last = event.id
            time.sleep(_POLL_S)


def _line(event: EventRow, payload: bool) -> str:
    if payload:
        return event.payload.decode().translate(_COMMANDS)
    answers = ", ".join(
        f"{delivery.sink} {delivery.state}" + (f" {delivery.status}" if delivery.status else "")
        for delivery in event.deliveries
    )
    name = printable(event.event)
    return f"{clock_time(event.time_ms)}  {event.device_id}  {event.type:8}  {name}" + (
        f"  [{answers}]" if answers else ""
    )
