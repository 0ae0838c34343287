"""LVGL's renderer, as little as a flush needs: the pixels are the same zeros each time."""


class Area:
    def __init__(self, x1, y1, x2, y2):
        self.x1, self.y1, self.x2, self.y2 = x1, y1, x2, y2


class Pointer:
    def __init__(self, size):
        self._data = bytearray(size)

    def __dereference__(self, size):
        return self._data


class Renderer:
    def __init__(self, width, height):
        self._size = width, height
        self._pixels = Pointer(width * height * 2)

    def set_flush_cb(self, flush_cb):
        self._flush_cb = flush_cb

    def get_horizontal_resolution(self):
        return self._size[0]

    def get_vertical_resolution(self):
        return self._size[1]

    def flush_is_last(self):
        return True

    def flush(self, display, area, pixels):
        pass

    def show(self, area):
        self._flush_cb(self, area, self._pixels)
