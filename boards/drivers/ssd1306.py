"""SSD1306 on I2C: the interface of micropython-lib's driver, which serves in its place."""

import framebuf

# Off; addresses run along the rows; first line, column 127 left and upside down, as most modules are soldered; charge
# pump; what the memory holds, not inverted; on. The height and its wiring go in by the constructor.
_INIT = b"\xae\x20\x00\x40\xa1\xc8\xd3\x00\xd5\x80\xd9\xf1\xdb\x30\x81\xff\xa4\xa6\x8d\x14\xaf"


class SSD1306_I2C(framebuf.FrameBuffer):
    def __init__(self, width, height, i2c, addr=0x3C):
        self.width = width
        self.height = height
        self.pages = height // 8
        self.i2c = i2c
        self.addr = addr
        self.buffer = bytearray(self.pages * width)
        super().__init__(self.buffer, width, height, framebuf.MONO_VLSB)
        self._command = bytearray((0x80, 0))
        self._parts = [b"\x40", self.buffer]
        for command in _INIT:
            self.write_cmd(command)
        for command in (0xA8, height - 1, 0xDA, 0x02 if width > 2 * height else 0x12):
            self.write_cmd(command)
        self.fill(0)
        self.show()

    def write_cmd(self, command):
        self._command[1] = command
        self.i2c.writeto(self.addr, self._command)

    def poweroff(self):
        self.write_cmd(0xAE)

    def poweron(self):
        self.write_cmd(0xAF)

    def contrast(self, contrast):
        self.write_cmd(0x81)
        self.write_cmd(contrast)

    def invert(self, invert):
        self.write_cmd(0xA7 if invert else 0xA6)

    def show(self):
        left = 32 if self.width == 64 else 0  # narrow panels use the middle columns
        for command in (0x21, left, left + self.width - 1, 0x22, 0, self.pages - 1):
            self.write_cmd(command)
        self.i2c.writevto(self.addr, self._parts)
