"""`pixeltrail devices`: what devices the bridge knows."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, open_store, print_table

if TYPE_CHECKING:
    from ..store.base import DeviceRow

_HEADS = ("Device", "State", "Board", "App", "Display", "Sessions", "Last session", "Last seen")


def run(as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None) -> None:
    """List all devices that have reported."""
    from ..app.redaction import log_name
    from ..store.tombstones import salt_of
    from ..web.queries import describe_device

    with open_store(load_config(config, set_)) as store:
        rows = store.devices()
        salt = store.commit_batch(lambda tx: salt_of(tx.db))
    if as_json:
        now_ms = time.time_ns() // 1_000_000
        for row in rows:
            about = {"device": row.device_id, "log_name": log_name(salt, row.device_id)}
            print(json.dumps(about | describe_device(row, now_ms)))
        return
    if not rows:
        print("No device has reported yet.")
        return
    now_ms = time.time_ns() // 1_000_000
    print_table(_HEADS, [_cells(row, now_ms) for row in rows], numbers={"Sessions"})


def _cells(row: DeviceRow, now_ms: int) -> list[str]:
    from ..web.queries import describe_device

    device = describe_device(row, now_ms)
    size = f"{device['display_width']}x{device['display_height']}" if device["display_width"] else ""
    return [
        row.device_id,
        "online" if device["online"] else "offline",
        device["board"],
        f"{device['app']} {device['app_version']}".strip(),
        f"{size} {device['format']}".strip(),
        str(row.sessions),
        str(device["session_id"] or ""),
        clock_time(row.last_seen_ms),
    ]
