"""The checksum of a keyframe: FNV-1a of 32 bits over what was coded, row by row from the top (schema/wire.md)."""

from .native import has_viper

if has_viper:
    from .kernels import fnv
else:
    from .plain import fnv

_SEED = b"\xc5\x9d\x1c\x81"  # 0x811c9dc5, little-endian


class Fnv:
    """Four bytes of state, never an integer: half of the values would be heap objects on a 32-bit board."""

    def __init__(self, buffer, area):
        self._buffer = buffer
        self._area = area
        self._state = bytearray(4)
        self.reset()

    def reset(self):
        for i in range(4):
            self._state[i] = _SEED[i]

    def add(self):
        """Add the rows of the area that were coded."""
        fnv.add(self._buffer, 0, self._state, self._area)

    def add_fill(self, fill):
        """The same, with `fill` in each row in place of the buffer."""
        area = self._area
        at, pitch = area[0], area[1]
        area[0] = area[1] = 0
        fnv.add(fill, 0, self._state, area)
        area[0] = at
        area[1] = pitch

    def write_into(self, out, start):
        for i in range(4):
            out[start + i] = self._state[i]
