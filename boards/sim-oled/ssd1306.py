"""An SSD1306 in memory, with the interface of micropython-lib's driver: a framebuf of 128x64 bits, and `show`."""

import framebuf


class SSD1306(framebuf.FrameBuffer):
    def __init__(self, width=128, height=64, dump=None):
        self.width = width
        self.height = height
        self.pages = height // 8
        self.buffer = bytearray(self.pages * width)
        self._dump = open(dump, "wb") if dump else None
        super().__init__(self.buffer, width, height, framebuf.MONO_VLSB)

    def show(self):
        if self._dump:
            self._dump.write(self.buffer)
            self._dump.flush()
