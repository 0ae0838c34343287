"""Stands for the package smbus2 on a board with Linux: /dev/i2c-* with the chips of emulation.json."""

import errno
import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hardware"))
import chips

with open("emulation.json") as _file:
    _about = json.load(_file)
_chips = [chips.make(about, _about) for about in _about["chips"]]


class i2c_msg:
    def __init__(self, addr, buf):
        self.addr, self.buf = addr, bytes(buf)

    @staticmethod
    def write(address, buf):
        return i2c_msg(address, buf)


class SMBus:
    def __init__(self, bus=None, force=False):
        pass

    def write_i2c_block_data(self, i2c_addr, register, data, force=None):
        self.i2c_rdwr(i2c_msg.write(i2c_addr, [register, *data]))

    def i2c_rdwr(self, *i2c_msgs):
        for message in i2c_msgs:
            found = [chip for chip in _chips if chip.address == message.addr]
            if not found:
                raise OSError(errno.EREMOTEIO, "nobody acknowledges")
            found[0].receive(message.buf)

    def close(self):
        pass
