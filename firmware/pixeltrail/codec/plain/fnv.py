"""FNV-1a over painted rows: what kernels/fnv.py computes, without viper."""


def add(p, h, state, q):
    """Add the first q[8] rows of an area (encoder.py) to the four bytes of `state`, little-endian."""
    at, pitch, size, _, _, _, edge, foot, rows = q[:9]
    h = int.from_bytes(state, "little")
    while rows:
        mask = foot if rows == 1 else 255
        for i in range(at, at + size - 1):
            h = (h ^ (p[i] & mask)) * 0x01000193 & 0xFFFFFFFF
        h = (h ^ (p[at + size - 1] & mask & edge)) * 0x01000193 & 0xFFFFFFFF
        at += pitch
        rows -= 1
    state[:] = h.to_bytes(4, "little")
