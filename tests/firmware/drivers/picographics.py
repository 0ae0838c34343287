"""For PicoGraphics of pimoroni-pico: an object of C whose methods cannot be replaced, and whose buffer is its own.

Method names and arguments as micropython/modules/picographics/picographics.c registers them; memory as the pens of
libraries/pico_graphics write it (pico_graphics_pen_*.cpp); the panel as drivers/st7789 and drivers/uc8151 fill it. Only
drawing is done another way.
"""

PEN_1BIT, PEN_3BIT, PEN_P2, PEN_P4, PEN_P8, PEN_RGB332, PEN_RGB565, PEN_RGB888, PEN_INKY7 = range(9)


def PicoGraphics(width, height, pen_type, is_inky_pack=False):
    """The object, which is its own buffer and takes no attributes, and its panel: colours by x and y. What is in the
    closure is hidden from Python, as it is in C.
    """
    bits = {PEN_1BIT: 1, PEN_3BIT: 3, PEN_P4: 4, PEN_P8: 8, PEN_RGB332: 8, PEN_RGB565: 16, PEN_RGB888: 32}[
        pen_type
    ]
    state = {"pen": 0}
    colours = 16 if pen_type == PEN_P4 else 256
    step = 16 if pen_type == PEN_P4 else 1
    palette = [(step * i & 255,) * 3 for i in range(colours)]
    used = [False] * colours
    panel = {}

    def rgb565(r, g, b):
        value = (r & 0xF8) << 8 | (g & 0xFC) << 3 | (b & 0xF8) >> 3
        return (value & 255) << 8 | value >> 8  # swapped: the high byte lies first in memory

    def set_pixel(buffer, x, y):
        pen = state["pen"]
        if pen_type == PEN_1BIT and is_inky_pack:
            at, bit = y // 8 + x * height // 8, 7 - (y & 7)
            buffer[at] = buffer[at] & ~(1 << bit) | (1 << bit if pen else 0)
        elif pen_type == PEN_1BIT:
            at, bit = x // 8 + y * width // 8, 7 - (x & 7)
            buffer[at] = buffer[at] & ~(1 << bit) | (1 << bit if pen else 0)
        elif pen_type == PEN_P4:
            i = x + y * width
            shift = (~i & 1) * 4
            buffer[i // 2] = buffer[i // 2] & ~(15 << shift) | (pen & 15) << shift
        elif pen_type == PEN_RGB565:
            at = 2 * (y * width + x)
            buffer[at], buffer[at + 1] = pen & 255, pen >> 8
        else:
            buffer[y * width + x] = pen & 255

    def colour_at(buffer, x, y):
        """What the panel is sent for a pixel: 1 bit of e-paper, else 16 bits."""
        if pen_type == PEN_1BIT and is_inky_pack:
            return buffer[y // 8 + x * height // 8] >> (7 - (y & 7)) & 1
        if pen_type == PEN_1BIT:
            return buffer[x // 8 + y * width // 8] >> (7 - (x & 7)) & 1
        if pen_type == PEN_P4:
            i = x + y * width
            r, g, b = palette[buffer[i // 2] >> (~i & 1) * 4 & 15]
        elif pen_type == PEN_P8:
            r, g, b = palette[buffer[y * width + x]]
        elif pen_type == PEN_RGB332:
            byte = buffer[y * width + x]
            return (byte & 0xE0) << 8 | (byte & 0x1C) << 6 | (byte & 3) << 3
        else:
            at = 2 * (y * width + x)
            return buffer[at] << 8 | buffer[at + 1]
        value = rgb565(r, g, b)
        return (value & 255) << 8 | value >> 8

    def send(buffer, x0, y0, x1, y1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                panel[x, y] = colour_at(buffer, x, y)

    class Graphics(bytearray):
        def __setattr__(self, name, value):
            raise AttributeError("no attribute %s" % name)

        def get_bounds(self):
            return width, height

        def set_pen(self, pen):
            state["pen"] = pen

        def pixel(self, x, y):
            set_pixel(self, x, y)

        def rectangle(self, x, y, w, h):
            for row in range(y, y + h):
                for column in range(x, x + w):
                    set_pixel(self, column, row)

        def clear(self):
            self.rectangle(0, 0, width, height)

        def create_pen(self, r, g, b):
            if pen_type == PEN_RGB565:
                return rgb565(r, g, b)
            if pen_type == PEN_RGB332:
                return r & 0xE0 | (g & 0xE0) >> 3 | (b & 0xC0) >> 6
            for i in range(colours):
                if not used[i]:
                    used[i] = True
                    palette[i] = (r, g, b)
                    return i
            raise ValueError("create_pen failed. No matching colour or space in palette!")

        def create_pen_hsv(self, h, s, v):
            i = int(h * 6.0)
            f = h * 6.0 - i
            v *= 255.0
            p, q, t = int(v * (1 - s)), int(v * (1 - f * s)), int(v * (1 - (1 - f) * s))
            v = int(v)
            return self.create_pen(*[(v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q)][i % 6])

        def update_pen(self, i, r, g, b):
            palette[i] = (r, g, b)
            used[i] = True

        def reset_pen(self, i):
            palette[i] = (0, 0, 0)
            used[i] = False

        def set_palette(self, *colours):
            if len(colours) == 1 and isinstance(colours[0], list):
                colours = colours[0]
            for i, colour in enumerate(colours):
                self.update_pen(i, *colour)

        def set_framebuffer(self, buffer):
            if buffer is not None:
                self[:] = buffer

        def update(self):
            send(self, 0, 0, width, height)

        def partial_update(self, x, y, w, h):
            if is_inky_pack:  # UC8151: groups of eight pixels; an LCD does nothing
                send(self, x, y // 8 * 8, x + w, y // 8 * 8 + h // 8 * 8)

        def is_busy(self):
            return False

    return Graphics(width * height * bits // 8), panel
