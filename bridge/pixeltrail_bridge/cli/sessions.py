"""`pixeltrail sessions`: what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, open_store, print_table

if TYPE_CHECKING:
    from ..sessions.state import SessionRow

_HEADS = ("Device", "Session", "Began", "Seconds", "Recorded", "Gaps", "User")


def run(
    device: Annotated[
        str | None, typer.Argument(help="Only those of this device.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """List recorded sessions, oldest first."""
    with open_store(load_config(config, set_)) as store:
        sessions = store.sessions(device)
        gaps = [len(store.gaps(row.device_id, row.session_id)) for row in sessions]
    if as_json:
        import msgspec

        for row, count in zip(sessions, gaps, strict=True):
            facts = msgspec.structs.asdict(row) | {"stream": row.stream.hex(), "gaps": count}
            print(msgspec.json.encode(facts).decode())
        return
    if not sessions:
        print("No session has been recorded yet.")
        return
    print_table(_HEADS, map(_cells, sessions, gaps), numbers={"Seconds", "Gaps"})


def _cells(row: SessionRow, gaps: int) -> list[str]:
    seconds = ((row.end_ms or row.last_ms) - row.start_ms) / 1000
    return [
        row.device_id,
        str(row.session_id),
        clock_time(row.start_ms) + (" (estimated)" if row.estimated else ""),
        f"{seconds:.1f}" + ("" if row.end_ms else " so far"),
        "yes" if row.sampled else "no",
        str(gaps),
        row.user_id or "",
    ]
