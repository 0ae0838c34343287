"""For rdagger/micropython-ili9341, ili9341.py: everything is drawn through `block`, RGB565 with the high byte first."""


class Display:
    SET_COLUMN, SET_PAGE, WRITE_RAM, VSCRSADD = 0x2A, 0x2B, 0x2C, 0x37

    def __init__(self, width=240, height=320):
        self.width = width
        self.height = height
        self.panel = bytearray(width * height * 2)
        self._window = [0, 0, 0, 0]
        self.clear()

    def write_cmd(self, command, *args):
        if command in (self.SET_COLUMN, self.SET_PAGE):
            at = command - self.SET_COLUMN
            self._window[at], self._window[at + 2] = args[0] << 8 | args[1], args[2] << 8 | args[3]

    def write_data(self, data):
        x0, y0, x1, y1 = self._window
        wide = 2 * (x1 - x0 + 1)
        for row in range(y0, y1 + 1):
            at = 2 * (row * self.width + x0)
            self.panel[at : at + wide] = data[(row - y0) * wide : (row - y0 + 1) * wide]

    def block(self, x0, y0, x1, y1, data):
        self.write_cmd(self.SET_COLUMN, x0 >> 8, x0 & 0xFF, x1 >> 8, x1 & 0xFF)
        self.write_cmd(self.SET_PAGE, y0 >> 8, y0 & 0xFF, y1 >> 8, y1 & 0xFF)
        self.write_cmd(self.WRITE_RAM)
        self.write_data(data)

    def is_off_grid(self, xmin, ymin, xmax, ymax):
        return xmin < 0 or ymin < 0 or xmax >= self.width or ymax >= self.height

    def clear(self, color=0, hlines=8):
        assert self.height % hlines == 0, "hlines must be a non-zero factor of height."
        line = color.to_bytes(2, "big") * (self.width * hlines)
        for y in range(0, self.height, hlines):
            self.block(0, y, self.width - 1, y + hlines - 1, line)

    def draw_pixel(self, x, y, color):
        if not self.is_off_grid(x, y, x, y):
            self.block(x, y, x, y, color.to_bytes(2, "big"))

    def draw_hline(self, x, y, w, color):
        if not self.is_off_grid(x, y, x + w - 1, y):
            self.block(x, y, x + w - 1, y, color.to_bytes(2, "big") * w)

    def draw_vline(self, x, y, h, color):
        if not self.is_off_grid(x, y, x, y + h - 1):
            self.block(x, y, x, y + h - 1, color.to_bytes(2, "big") * h)

    def draw_rectangle(self, x, y, w, h, color):
        self.draw_hline(x, y, w, color)
        self.draw_hline(x, y + h - 1, w, color)
        self.draw_vline(x, y, h, color)
        self.draw_vline(x + w - 1, y, h, color)

    def draw_line(self, x1, y1, x2, y2, color):
        steps = max(abs(x2 - x1), abs(y2 - y1), 1)
        for step in range(steps + 1):
            self.draw_pixel(x1 + (x2 - x1) * step // steps, y1 + (y2 - y1) * step // steps, color)

    def draw_sprite(self, buf, x, y, w, h):
        if not self.is_off_grid(x, y, x + w - 1, y + h - 1):
            self.block(x, y, x + w - 1, y + h - 1, buf)

    def fill_hrect(self, x, y, w, h, color):
        if self.is_off_grid(x, y, x + w - 1, y + h - 1):
            return
        most = max(1024 // w, 1)
        for row in range(y, y + h, most):
            high = min(most, y + h - row)
            self.block(x, row, x + w - 1, row + high - 1, color.to_bytes(2, "big") * (high * w))

    def fill_vrect(self, x, y, w, h, color):
        if self.is_off_grid(x, y, x + w - 1, y + h - 1):
            return
        most = max(1024 // h, 1)
        for column in range(x, x + w, most):
            wide = min(most, x + w - column)
            self.block(column, y, column + wide - 1, y + h - 1, color.to_bytes(2, "big") * (wide * h))

    def fill_rectangle(self, x, y, w, h, color):
        if w > h:
            self.fill_hrect(x, y, w, h, color)
        else:
            self.fill_vrect(x, y, w, h, color)

    def fill_circle(self, x0, y0, r, color):
        for x in range(-r, r + 1):
            y = int((r * r - x * x) ** 0.5)
            self.draw_vline(x0 + x, y0 - y, 2 * y + 1, color)

    def draw_text8x8(self, x, y, text, color, background=0, rotate=0):
        """A font of its own; the driver has framebuf's, with the bytes swapped."""
        if self.is_off_grid(x, y, x + 7, y + 7):
            return
        w = len(text) * 8
        cells = [
            color if (ord(text[column // 8]) * 37 + row * 91) >> column % 8 & 1 else background
            for row in range(8)
            for column in range(w)
        ]
        self.block(x, y, x + w - 1, y + 7, b"".join(cell.to_bytes(2, "big") for cell in cells))
