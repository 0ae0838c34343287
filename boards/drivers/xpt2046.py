"""XPT2046: where the glass is touched, in pixels, or None.

`raw` is what the controller gives at the edges: x at the left and the right, y at the top and the bottom. It differs
from module to module; `raw_position` shows it.
"""


class XPT2046:
    def __init__(self, spi, cs, irq, width, height, raw=(300, 3800, 250, 3750)):
        self._spi, self._cs, self._irq = spi, cs, irq
        self._width, self._height = width, height
        self._raw = raw
        self._ask = bytearray(3)
        self._answer = bytearray(3)
        cs(1)

    def _read(self, command):
        self._ask[0] = command
        self._cs(0)
        self._spi.write_readinto(self._ask, self._answer)
        self._cs(1)
        return (self._answer[1] << 8 | self._answer[2]) >> 3

    def raw_position(self):
        return self._read(0xD0), self._read(0x90)

    def position(self):
        if self._irq() or self._read(0xB0) < 100:
            return None
        x, y = self.raw_position()
        left, right, top, bottom = self._raw
        x = (x - left) * (self._width - 1) // (right - left)
        y = (y - top) * (self._height - 1) // (bottom - top)
        return min(max(x, 0), self._width - 1), min(max(y, 0), self._height - 1)
