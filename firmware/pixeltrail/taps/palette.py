"""Colours of a driver that packs them with a function of its own, `rgb(red, green, blue)`.

Controllers want their bits in other orders, swapped or inverted, and each driver's `rgb` knows how. So the way back is
found by asking it: the bits that differ from black when one bit of one colour is set are that bit.
"""


def by_rgb(rgb, values):
    """R, G, B bytes of packed values."""
    black = rgb(0, 0, 0)
    masks = []
    for channel in range(3):
        for bit in range(8):
            colour = [0, 0, 0]
            colour[channel] = 1 << bit
            masks.append(rgb(*colour) ^ black)
    palette = bytearray()
    for value in values:
        for channel in range(3):
            level = most = 0
            for bit in range(8):
                mask = masks[8 * channel + bit]
                if mask:
                    most |= 1 << bit
                    if (value ^ black) & mask == mask:
                        level |= 1 << bit
            palette.append(level * 255 // most if most else 0)
    return bytes(palette)


def plain_rgb332(rgb):
    """True for the packing that the wire calls RGB332."""
    return (rgb(255, 0, 0), rgb(0, 255, 0), rgb(0, 0, 255), rgb(0, 0, 0)) == (0xE0, 0x1C, 0x03, 0)
