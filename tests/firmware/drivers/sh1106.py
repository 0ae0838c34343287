"""For robert-hh/SH1106: `renderbuf` is drawn into; turned by 90 degrees it is copied, bit by bit, for the panel."""


class SH1106:
    """`newer`: as the versions whose show takes full_update."""

    def __init__(self, width, height, rotate=0):
        self.width = width
        self.height = height
        self.flip_en = rotate in (180, 270)
        self.rotate90 = rotate in (90, 270)
        self.pages = height // 8
        self.bufsize = self.pages * width
        self.renderbuf = bytearray(self.bufsize)
        self.displaybuf = bytearray(self.bufsize) if self.rotate90 else self.renderbuf
        self.panel = bytearray(self.bufsize)
        self.shown = 0

    def pixel(self, x, y, colour):
        """As the frame buffer that the driver inherits: MONO_HMSB of exchanged sides when turned, else MONO_VLSB."""
        if self.rotate90:
            at, bit = y * (self.height // 8) + (x >> 3), x & 7
        else:
            at, bit = (y >> 3) * self.width + x, y & 7
        if colour:
            self.renderbuf[at] |= 1 << bit
        else:
            self.renderbuf[at] &= ~(1 << bit)

    def flip(self, flag=None, update=True):
        self.flip_en = not self.flip_en if flag is None else flag
        if update:
            self.show()

    def show(self):
        self._send()

    def _send(self):
        if self.rotate90:
            for i in range(self.bufsize):
                self.displaybuf[self.width * (i % self.pages) + i // self.pages] = self.renderbuf[i]
        self.panel[:] = self.displaybuf
        self.shown += 1

    def lit(self, x, y):
        """What the panel's controller lights at its column x, row y, before any mirroring."""
        return self.panel[(y >> 3) * self.width + x] >> (y & 7) & 1


class SH1106Newer(SH1106):
    def __init__(self, width, height, rotate=0):
        super().__init__(width, height, rotate)
        self.full_updates = []

    def show(self, full_update=False):
        self.full_updates.append(full_update)
        self._send()
