"""Every link that docs/links.md shows can be made, as it is shown there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

from tests.support import micropython

PAGE = (micropython.ROOT / "docs" / "links.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)

# Beside the port's own modules, which hide files of their names: a board's machine and USB.
BOARD = """
import io
import sys
import pixeltrail

class Module:
    pass

class Line(io.IOBase):
    def __init__(self, *ports, **sizes):
        pass
    def ioctl(self, op, arg):
        return 0
    def readinto(self, buf):
        return None
    def write(self, buf):
        return len(buf)

class Device:
    def get(self):
        return self
    def init(self, *interfaces, builtin_driver):
        self.interfaces = interfaces

machine, usb, cdc = Module(), Module(), Module()
machine.UART = cdc.CDCInterface = Line
usb.device = Device()
sys.modules["machine"], sys.modules["usb"], sys.modules["usb.device"] = machine, usb, usb.device
sys.modules["usb.device.cdc"] = cdc
"""


@pytest.mark.parametrize("block", BLOCKS)
def test_a_link_of_the_page(block: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    script = tmp_path / "main.py"
    script.write_text(BOARD + block + "\nlink.attach('page-0001')\nprint('made', link.errors)\n")
    assert micropython.run(script, cwd=tmp_path, heap="1m") == "made 0\n"
