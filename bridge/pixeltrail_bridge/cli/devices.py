"""`pixeltrail devices`: what devices the bridge knows."""

from __future__ import annotations

import time

from .options import ConfigOption, SetOption, clock_time, load_config, open_store


def run(config: ConfigOption = None, set_: SetOption = None) -> None:
    """List all devices that have reported."""
    from rich.console import Console
    from rich.table import Table

    from ..web.queries import describe_device

    with open_store(load_config(config, set_)) as store:
        rows = store.devices()
    if not rows:
        print("No device has reported yet.")
        return
    table = Table(
        "Device", "State", "Board", "App", "Display", "Sessions", "Last session", "Last seen", box=None
    )
    now_ms = time.time_ns() // 1_000_000
    for row in rows:
        device = describe_device(row, now_ms)
        size = f"{device['display_width']}x{device['display_height']}" if device["display_width"] else ""
        table.add_row(
            row.device_id,
            "online" if device["online"] else "offline",
            device["board"],
            f"{device['app']} {device['app_version']}".strip(),
            f"{size} {device['format']}".strip(),
            str(row.sessions),
            str(device["session_id"] or ""),
            clock_time(row.last_seen_ms),
        )
    Console(soft_wrap=True).print(table)
