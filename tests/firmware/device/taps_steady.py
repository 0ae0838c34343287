"""With the heap locked: each tap that copies, driven by objects that allocate nothing themselves.

Prints counts for the test to check.
"""

import micropython
import parts
import pixeltrail

WIDE, HIGH = 64, 40
TURNS = 120


class Area:
    x1 = y1 = x2 = y2 = 0


class Pointer:
    """The view that the binding makes for each flush is made before."""

    def __init__(self, size):
        self.data = bytearray(size)

    def __dereference__(self, size):
        return self.data


class Renderer:
    def set_flush_cb(self, flush_cb):
        self.flush_cb = flush_cb

    def get_horizontal_resolution(self):
        return WIDE

    def get_vertical_resolution(self):
        return HIGH

    def flush_is_last(self):
        return self.is_last


class Lvgl:
    def __init__(self):
        self.renderer = Renderer()
        self.area = Area()
        self.pointer = Pointer(16 * 8 * 2)
        self.tap = pixeltrail.lvgl_tap(self.renderer, bytearray(WIDE * HIGH * 2), flush=self.flush)

    def flush(self, display, area, pixels):
        pass

    def draw(self, turn):
        for band in range(3):
            self.renderer.is_last = band == 2
            self.area.x1 = turn % 48
            self.area.x2 = self.area.x1 + 15
            self.area.y1 = 8 * band + (turn & 7)
            self.area.y2 = self.area.y1 + 7
            for i in range(0, 256, 9):
                self.pointer.data[i] = turn + i & 255
            self.renderer.flush_cb(self.renderer, self.area, self.pointer)


class Graphics(bytearray):
    def get_bounds(self):
        return WIDE, HIGH

    def update(self):
        pass

    def partial_update(self, x, y, w, h):
        pass

    def create_pen(self, r, g, b):
        return 1

    def create_pen_hsv(self, h, s, v):
        return 1

    def update_pen(self, i, r, g, b):
        pass

    def reset_pen(self, i):
        pass

    def set_palette(self, *colours):
        pass


class Pico:
    def __init__(self, pen, size):
        self.graphics = Graphics(size)
        self.is_partial = pen == "1BITY"
        self.tap = pixeltrail.pico_tap(self.graphics, pen)
        self.view = memoryview(self.graphics)

    def draw(self, turn):
        for i in range(20):
            self.view[(turn * 37 + i * 11) % len(self.view)] = turn * 7 + i & 0xFF
        if self.is_partial and turn & 1:
            self.tap.display.partial_update(turn & 31, 8, 17, 16)
        else:
            self.tap.display.update()


class Epd:
    width, height = WIDE, HIGH

    def __init__(self):
        self.buffer = bytearray(WIDE * HIGH // 8)

    def display(self, image):
        pass

    def display_Partial(self, image):
        pass

    def Clear(self, color):
        pass


class Paper:
    def __init__(self):
        self.epd = Epd()
        self.tap = pixeltrail.epaper_tap(self.epd)

    def draw(self, turn):
        for i in range(20):
            self.epd.buffer[(turn * 37 + i * 11) % 320] = turn * 7 + i & 0xFF
        if turn % 9 == 0:
            self.epd.Clear(turn & 255)
        elif turn & 1:
            self.epd.display(self.epd.buffer)
        else:
            self.epd.display_Partial(self.epd.buffer)


class TwoMemories:
    width, height = WIDE, HIGH

    def set_frame_memory(self, image, x, y, w, h):
        pass

    def clear_frame_memory(self, color):
        pass

    def display_frame(self):
        pass


class Memories:
    def __init__(self):
        self.epd = TwoMemories()
        self.tap = pixeltrail.epaper_tap(self.epd)
        self.image = bytearray(2 * 16)

    def draw(self, turn):
        self.image[turn % 32] = turn
        if turn % 9 == 0:
            self.epd.clear_frame_memory(turn & 255)
        self.epd.set_frame_memory(self.image, turn % 48, turn % 20, 16, 16)
        self.epd.display_frame()


class Driver:
    def width(self):
        return WIDE

    def height(self):
        return HIGH

    def fill(self, a):
        pass

    def pixel(self, a, b, c):
        pass

    def hline(self, a, b, c, d):
        pass

    def fill_rect(self, a, b, c, d, e):
        pass

    def line(self, a, b, c, d, e):
        pass

    def blit_buffer(self, a, b, c, d, e):
        pass

    def text(self, a, b, c, d, e, f):
        pass


class Font:
    WIDTH, HEIGHT, FIRST, LAST = 8, 8, 32, 127
    FONT = bytes((i * 37) & 0xFF for i in range(96 * 8))


class Commands:
    def __init__(self):
        self.tap = pixeltrail.c_tap(Driver(), bytearray(WIDE * HIGH * 2))
        self.pixels = bytes(range(128))

    def draw(self, turn):
        display = self.tap.display
        display.fill_rect(turn % 40, 3, 20, 7, turn * 77)
        display.hline(0, turn % 40, 30, 0xFFFF)
        display.pixel(turn % 60, 5, turn)
        display.line(0, 0, turn % 60, 30, 0x1234)
        display.blit_buffer(self.pixels, turn % 50, 9, 8, 8)
        display.text(Font, "12:30", turn % 20, 30, 0xFFFF, turn)


def step(rec, ticks):
    for _ in range(10):
        ticks.ms += 10
        rec.poll()


def main():
    picos = Pico("RGB332", WIDE * HIGH), Pico("P4", WIDE * HIGH // 2), Pico("1BITY", WIDE * HIGH // 8)
    for display in (Lvgl(),) + picos + (Paper(), Memories(), Commands()):
        ticks = parts.Ticks()
        rec = pixeltrail.Recorder(
            display.tap, parts.Line(), device_id="steady-1", sample_rate=1.0, clock=ticks.clock
        )
        rec.mask(0, 0, 10, 3)
        for turn in range(20):
            display.draw(turn)
            step(rec, ticks)
        micropython.heap_lock()
        for turn in range(20, TURNS):
            display.draw(turn)
            step(rec, ticks)
        micropython.heap_unlock()
        stats = rec.stats()
        print("frames", stats["frames"])
        print("errors", stats["errors"])
        print("acks", stats["acks"])
    print("done")


main()
