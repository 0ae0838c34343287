"""`pixeltrail audit`: who looked at what, and who changed what."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from .options import (
    ConfigOption,
    JsonOption,
    SetOption,
    clock_time,
    load_config,
    open_store,
    print_table,
    printable,
)

_HEADS = ("When", "Who", "Role", "From", "What", "Device", "Session", "Answer", "More")


def run(
    person: Annotated[str, typer.Option("--user", help="Only of this user.", show_default=False)] = "",
    device: Annotated[str, typer.Option("--device", help="Only about this device.", show_default=False)] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most lines.", min=1, max=100_000)] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show who looked at what on the page, newest first. It is kept while people log in there."""
    from ..store.access import audit

    with open_store(load_config(config, set_)) as store:
        rows = audit(store, person=person, device=device, limit=limit)
    if as_json:
        for row in rows:
            print(json.dumps(dataclasses.asdict(row)))
        return
    cells = (
        (
            *(clock_time(row.at_ms), row.person, row.role, row.address, row.action, row.device),
            *("" if row.session_id is None else str(row.session_id), str(row.status or ""), row.detail),
        )
        for row in rows
    )
    print_table(_HEADS, [[printable(cell) for cell in line] for line in cells])
