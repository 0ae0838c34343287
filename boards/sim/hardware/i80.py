"""Stands for boards/drivers/i80.py, which writes to registers of the ESP32-S3: the same methods, another chip."""

import machine


class Bus:
    def __init__(self, data, wr, dc, cs, rd=None):
        self._chip = machine.i80()

    def command(self, command, data=b""):
        self._chip.transfer(bytes([command]), None, False, None)
        if data:
            self._chip.transfer(data, None, True, None)
