"""Drawing on an RGB565 framebuf with soft edges: text of any size, boxes with round corners, discs and dial rings.

Everything soft is a mask of 16 grey levels (GS4_HMSB) that is made once and then blitted through a palette that runs
from the background's colour to the foreground's. Letters are framebuf's own 8x8 font, enlarged eight times with the
Scale2x rule, which rounds corners, and averaged down to the size that is asked for.
"""

import math
from array import array

import framebuf

# What framebuf's font lacks, as it keeps letters: a byte for each column, the lowest bit on top.
_MORE = {
    "\xb0": b"\x00\x06\x09\x09\x06\x00\x00\x00",  # degree
    "\u203a": b"\x00\x00\x42\x66\x3c\x18\x00\x00",  # to the right
    "\u2039": b"\x00\x00\x18\x3c\x66\x42\x00\x00",  # to the left
}
_SMALL = 8  # pixels of a letter's side
_COARSE = 24  # letters up to this size are made from one of 64 pixels, larger ones from 128


def rgb(red, green, blue):
    return (red & 0xF8) << 8 | (green & 0xFC) << 3 | blue >> 3


def _twice(source, side):
    """Scale2x: each pixel becomes four, and a corner between two equal neighbours is filled with their colour."""
    target = bytearray(4 * side * side)
    for y in range(side):
        for x in range(side):
            here = source[y * side + x]
            up = source[y * side - side + x] if y else 0
            down = source[y * side + side + x] if y < side - 1 else 0
            left = source[y * side + x - 1] if x else 0
            right = source[y * side + x + 1] if x < side - 1 else 0
            at = 4 * y * side + 2 * x
            below = at + 2 * side
            target[at] = up if up == left and up != right and left != down else here
            target[at + 1] = up if up == right and up != left and right != down else here
            target[below] = down if down == left and down != right and left != up else here
            target[below + 1] = down if down == right and down != left and right != up else here
    return target


class Paint:
    """Draws on `target`, a framebuf whose background is filled with one colour wherever soft shapes go."""

    def __init__(self, target):
        self.target = target
        self._letters = {}
        self._palettes = {}
        self._discs = {}

    # --- text ---

    def text(self, text, x, y, size, color, background):
        """Draw text whose box has its upper left corner at x, y; returns where the next letter would begin."""
        palette = self._palette(color, background)
        for name in text:
            mask, width, advance = self._letter(name, size)
            if mask is not None:
                self.target.blit(mask, x + (advance - width) // 2, y, background, palette)
            x += advance
        return x

    def width(self, text, size):
        return sum(self._letter(name, size)[2] for name in text)

    def centered(self, text, x, y, size, color, background):
        self.text(text, x - self.width(text, size) // 2, y, size, color, background)

    def right(self, text, x, y, size, color, background):
        self.text(text, x - self.width(text, size), y, size, color, background)

    def _letter(self, name, size):
        key = (name, size)
        if key not in self._letters:
            self._letters[key] = self._make_letter(name, size)
        return self._letters[key]

    def _make_letter(self, name, size):
        if name == " ":
            return None, 0, size * 2 // 5
        side = 64 if size <= _COARSE else 128
        big = self._enlarged(name, side)
        columns = [x for x in range(side) if any(big[y * side + x] for y in range(side))]
        first, end = columns[0] * size // side, -(-(columns[-1] + 1) * size // side)
        width = end - first
        mask = framebuf.FrameBuffer(bytearray((width + 1) // 2 * size), width, size, framebuf.GS4_HMSB)
        for y in range(size):
            top, bottom = y * side // size, (y + 1) * side // size
            for x in range(width):
                left, right = (x + first) * side // size, (x + first + 1) * side // size
                inked = 0
                for row in range(top * side, bottom * side, side):
                    for at in range(row + left, row + right):
                        inked += big[at]
                mask.pixel(x, y, inked * 15 // ((bottom - top) * (right - left)))
        # digits stand in columns
        advance = size * 3 // 4 if name.isdigit() else width
        return mask, width, advance + max(1, size // 9)

    def _enlarged(self, name, side):
        """A letter as one byte for each of side * side pixels, 0 or 1."""
        bits = bytearray(_MORE.get(name, bytes(_SMALL)))
        small = framebuf.FrameBuffer(bits, _SMALL, _SMALL, framebuf.MONO_VLSB)
        if name not in _MORE:
            small.text(name, 0, 0, 1)
        pixels = bytearray(small.pixel(x, y) for y in range(_SMALL) for x in range(_SMALL))
        made = _SMALL
        while made < side:
            pixels = _twice(pixels, made)
            made *= 2
        return pixels

    # --- shapes ---

    def disc(self, x, y, radius, color, background):
        """A filled circle around x, y."""
        mask = self._disc(radius)
        self.target.blit(mask, x - radius, y - radius, background, self._palette(color, background))

    def box(self, x, y, width, height, radius, color, background):
        """A filled box with round corners."""
        for left in (x + radius, x + width - radius - 1):
            for top in (y + radius, y + height - radius - 1):
                self.disc(left, top, radius, color, background)
        self.target.fill_rect(x + radius, y, width - 2 * radius, height, color)
        self.target.fill_rect(x, y + radius, width, height - 2 * radius, color)

    def _disc(self, radius):
        if radius not in self._discs:
            side = 2 * radius + 1
            mask = framebuf.FrameBuffer(bytearray((side + 1) // 2 * side), side, side, framebuf.GS4_HMSB)
            for y in range(side):
                for x in range(side):
                    away = math.sqrt((x - radius) ** 2 + (y - radius) ** 2)
                    mask.pixel(x, y, round(15 * min(1, max(0, radius + 0.5 - away))))
            self._discs[radius] = mask
        return self._discs[radius]

    def _palette(self, color, background):
        key = (color, background)
        if key not in self._palettes:
            palette = framebuf.FrameBuffer(bytearray(32), 16, 1, framebuf.RGB565)
            for level in range(16):
                palette.pixel(level, 0, mix(color, background, level))
            self._palettes[key] = palette
        return self._palettes[key]


def mix(color, background, level):
    """`level` fifteenths of one colour over another."""
    out = 0
    for shift, bits in ((11, 31), (5, 63), (0, 31)):
        a, b = color >> shift & bits, background >> shift & bits
        out |= (b * 15 + (a - b) * level + 7) // 15 << shift
    return out


class Ring:
    """Three quarters of a ring, open at the bottom, that fills clockwise from the lower left like a dial."""

    STEPS = 270  # one for each degree

    def __init__(self, target, x, y, inner, outer):
        self._target = target
        self._x, self._y, self._radius = x, y, (inner + outer) / 2
        self._xs = bytearray()
        self._ys = bytearray()
        self._levels = bytearray()
        self._degrees = array("H")
        for py in range(y - outer - 1, y + outer + 2):
            for px in range(x - outer - 1, x + outer + 2):
                dx, dy = px - x, py - y
                away = dx * dx + dy * dy
                if (inner - 1) ** 2 < away < (outer + 1) ** 2:
                    self._add(px, py, dx, dy, math.sqrt(away), inner, outer)

    def _add(self, px, py, dx, dy, away, inner, outer):
        level = round(15 * min(1, away - inner + 0.5, outer + 0.5 - away))
        degree = round(math.degrees(math.atan2(dy, dx)) - 135) % 360
        if level > 0 and degree <= self.STEPS:
            self._xs.append(px)
            self._ys.append(py)
            self._levels.append(level)
            self._degrees.append(degree)

    def draw(self, degrees, color, rest, background):
        on = [mix(color, background, level) for level in range(16)]
        off = [mix(rest, background, level) for level in range(16)]
        xs, ys, levels, steps, pixel = self._xs, self._ys, self._levels, self._degrees, self._target.pixel
        for at in range(len(xs)):
            pixel(xs[at], ys[at], (on if steps[at] <= degrees else off)[levels[at]])

    def place(self, degrees):
        """Where the ring's middle line is at so many degrees."""
        angle = math.radians(degrees + 135)
        return round(self._x + self._radius * math.cos(angle)), round(
            self._y + self._radius * math.sin(angle)
        )
