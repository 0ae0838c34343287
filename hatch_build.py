"""Puts `boards/`, `schema/` and the device library's build into the wheel, as data of the bridge.

A hook, because hatchling's own `force-include` would also copy them into editable installs, where they go
stale.
"""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATA = {
    "boards": "pixeltrail_bridge/_boards",
    "schema": "pixeltrail_bridge/_schema",
    "firmware/build_mpy.py": "pixeltrail_bridge/_firmware/build_mpy.py",
    "firmware/shrink.py": "pixeltrail_bridge/_firmware/shrink.py",
    "firmware/arm_code": "pixeltrail_bridge/_firmware/arm_code",
}


class DataHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if version == "editable":
            return
        for folder, place in _DATA.items():
            build_data["force_include"][str(Path(self.root) / folder)] = place
