"""For micropython-lib's ssd1306.py: MONO_VLSB in `buffer`, sent whole, in a window of the controller's 128 columns."""

SET_NORM_INV, SET_DISP, SET_COL_ADDR, SET_PAGE_ADDR = 0xA6, 0xAE, 0x21, 0x22


class SSD1306_I2C:
    """The driver inherits from framebuf.FrameBuffer; `pixel` stands for all that it draws with."""

    def __init__(self, width, height, i2c=None, addr=0x3C, external_vcc=False):
        self.width = width
        self.height = height
        self.external_vcc = external_vcc
        self.pages = self.height // 8
        self.buffer = bytearray(self.pages * self.width)
        self.i2c = i2c
        self.addr = addr
        self._memory = bytearray(128 * 8)  # of the controller
        self._commands = []
        self.invert(0)
        self.show()

    def pixel(self, x, y, colour):
        at, bit = (y >> 3) * self.width + x, y & 7
        self.buffer[at] = self.buffer[at] & ~(1 << bit) | (colour & 1) << bit

    def poweroff(self):
        self.write_cmd(SET_DISP)

    def poweron(self):
        self.write_cmd(SET_DISP | 1)

    def contrast(self, contrast):
        self.write_cmd(0x81)
        self.write_cmd(contrast)

    def invert(self, invert):
        self.write_cmd(SET_NORM_INV | (invert & 1))

    def show(self):
        x0 = 0
        x1 = self.width - 1
        if self.width != 128:
            x0 += (128 - self.width) // 2
            x1 += (128 - self.width) // 2
        for cmd in (SET_COL_ADDR, x0, x1, SET_PAGE_ADDR, 0, self.pages - 1):
            self.write_cmd(cmd)
        self.write_data(self.buffer)

    def write_cmd(self, cmd):
        self._commands.append(cmd)

    def write_data(self, buf):
        """Fills the window that the last six commands have set, page after page."""
        col, x0, x1, page, first, last = self._commands[-6:]
        assert (col, page) == (SET_COL_ADDR, SET_PAGE_ADDR)
        wide = x1 - x0 + 1
        assert len(buf) == wide * (last - first + 1)
        for i, byte in enumerate(buf):
            self._memory[(first + i // wide) * 128 + x0 + i % wide] = byte

    def lit(self, x, y):
        """What the panel shows at its column x and row y; narrow panels have the middle columns of the memory."""
        column = (128 - self.width) // 2 + x if self.width != 128 else x
        return self._memory[(y >> 3) * 128 + column] >> (y & 7) & 1
