"""For LVGL as its MicroPython bindings show it, and drivers on top of it; the panel is an array, high byte first.

`Display`: lv.display_t of LVGL 9, in both bindings. `Driver8`: lv.disp_drv_t of LVGL 8 (lv_binding_micropython).
`DisplayDriver`: the base of lvgl_micropython's drivers (api_drivers/py_api_drivers/frozen/display/
display_driver_framework.py). `ILI9XXX`: the pure Python way of driver/esp32/ili9XXX.py, LVGL 8, colours swapped by the
build. An area is x1, y1, x2, y2, both corners inside; pixels are a pointer whose `__dereference__(size)` is a view of
so many bytes, rows without gaps.
"""


class Area:
    def __init__(self, x1, y1, x2, y2):
        self.x1 = x1
        self.y1 = y1
        self.x2 = x2
        self.y2 = y2


class Pointer:
    """C_Array of the bindings."""

    def __init__(self, data):
        self._view = memoryview(data)

    def __dereference__(self, size):
        return self._view[:size]


class Screen:
    def __init__(self):
        self.invalidated = 0

    def invalidate(self):
        self.invalidated += 1


class _Renderer:
    """What LVGL does: draws areas into a small buffer and has each flushed."""

    def __init__(self, width, height, pixel_bytes=2):
        self._width = width
        self._height = height
        self._pixel_bytes = pixel_bytes
        self._is_last = False
        self.is_busy = False
        self.screen = Screen()

    def flush_ready(self):
        self.is_busy = False

    def flush_is_last(self):
        return self._is_last

    def refresh(self, picture, areas):
        """Show what a picture has in some areas, as (x1, y1, x2, y2): one refresh."""
        size = self._pixel_bytes
        for number, (x1, y1, x2, y2) in enumerate(areas):
            assert not self.is_busy, "the driver still has the buffer"
            row = (x2 - x1 + 1) * size
            data = bytearray(row * (y2 - y1 + 1))
            for y in range(y1, y2 + 1):
                at = (y * self._width + x1) * size
                data[(y - y1) * row : (y - y1 + 1) * row] = picture[at : at + row]
            self._is_last = number == len(areas) - 1
            self.is_busy = True
            self._callback()(self, Area(x1, y1, x2, y2), Pointer(data))


class Display(_Renderer):
    def set_flush_cb(self, flush_cb):
        self._flush_cb = flush_cb

    def _callback(self):
        return self._flush_cb

    def get_horizontal_resolution(self):
        return self._width

    def get_vertical_resolution(self):
        return self._height

    def get_screen_active(self):
        return self.screen

    def set_rotation(self, quarters):
        if quarters & 1:
            self._width, self._height = self._height, self._width


class Driver8(_Renderer):
    """`flush_cb`, `hor_res` and `ver_res` are fields of the structure."""

    def __init__(self, width, height):
        super().__init__(width, height)
        self.hor_res = width
        self.ver_res = height
        self.flush_cb = None

    def _callback(self):
        return self.flush_cb


def swap(data):
    """lv.draw_sw_rgb565_swap: in place."""
    for i in range(0, len(data), 2):
        data[i], data[i + 1] = data[i + 1], data[i]


class Panel:
    def __init__(self, width, height):
        self.width = width
        self.memory = bytearray(width * height * 2)

    def write(self, x1, y1, x2, y2, data):
        row = 2 * (x2 - x1 + 1)
        for y in range(y1, y2 + 1):
            at = 2 * (y * self.width + x1)
            self.memory[at : at + row] = data[(y - y1) * row : (y - y1 + 1) * row]


class Bus:
    """lcd_bus.SPIBus: swaps the pixels where it was told to, on their way out."""

    def __init__(self, panel, is_swapping=True):
        self.panel = panel
        self._is_swapping = is_swapping
        self._ready = None

    def register_callback(self, callback):
        self._ready = callback

    def tx_color(self, cmd, data, x1, y1, x2, y2):
        if self._is_swapping:
            swap(data)
        self.panel.write(x1, y1, x2, y2, data)
        self._ready()


class DisplayDriver:
    def __init__(self, data_bus, display_width, display_height):
        self._data_bus = data_bus
        self._disp_drv = Display(display_width, display_height)
        self._disp_drv.set_flush_cb(self._flush_cb)
        data_bus.register_callback(self._flush_ready_cb)

    def get_horizontal_resolution(self):
        return self._disp_drv.get_horizontal_resolution()

    def get_vertical_resolution(self):
        return self._disp_drv.get_vertical_resolution()

    def _flush_cb(self, _, area, color_p):
        size = (area.x2 - area.x1 + 1) * (area.y2 - area.y1 + 1) * 2
        self._data_bus.tx_color(0x2C, color_p.__dereference__(size), area.x1, area.y1, area.x2, area.y2)

    def _flush_ready_cb(self, *_):
        self._disp_drv.flush_ready()


class ILI9XXX:
    """The build swaps colours (LV_COLOR_16_SWAP), so what is flushed is what the panel takes."""

    def __init__(self, width=240, height=320):
        self.width = width
        self.height = height
        self.panel = Panel(width, height)
        self.disp_drv = Driver8(width, height)
        self.disp_drv.flush_cb = self.flush

    def flush(self, disp_drv, area, color_p):
        size = (area.x2 - area.x1 + 1) * (area.y2 - area.y1 + 1)
        self.panel.write(area.x1, area.y1, area.x2, area.y2, color_p.__dereference__(size * 2))
        disp_drv.flush_ready()
