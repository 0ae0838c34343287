"""Controllers of displays and touch glass, as they answer on a bus: what they would show is kept, and can be dumped.

A chip decodes what a real driver sends it, so any driver of that controller runs here. What it shows is written to the
file `dump` of emulation.json whenever a whole window has been filled, in the order of bytes of the panel.
"""

import errno


def make(about, board):
    kinds = {"ssd1306": Ssd1306, "st7789": Mipi, "ili9341": Mipi, "gc9a01": Mipi, "xpt2046": Xpt2046}
    if about["chip"] not in kinds:
        raise ValueError("emulation: chip must be one of %s, got %r" % (", ".join(kinds), about["chip"]))
    return kinds[about["chip"]](about, board)


class _Chip:
    def __init__(self, about, board):
        self.cs = about.get("cs")
        self.dc = about.get("dc")
        self.irq = about.get("irq")
        self.address = about.get("address")
        self.width = board["width"]
        self.height = board["height"]

    def transfer(self, data, answer, is_data, person):
        raise OSError(errno.EIO)

    def receive(self, data):
        raise OSError(errno.EIO)


class _Panel(_Chip):
    def __init__(self, about, board, size_bytes):
        super().__init__(about, board)
        self.picture = bytearray(size_bytes)
        self._dump = open(board["dump"], "wb") if board.get("dump") else None
        self.is_on = False

    def shown(self):
        if self._dump and self.is_on:
            self._dump.write(self.picture)
            self._dump.flush()


class Mipi(_Panel):
    """st7789, ili9341, gc9a01: a window of columns and rows, then 16-bit pixels with the high byte first.

    `x` and `y` say where the visible part lies in the controller's memory. How the glass is turned (MADCTL) is not
    followed: a driver counts columns and rows as the app sees them.
    """

    SLEEP_OUT, DISPLAY_OFF, DISPLAY_ON, COLUMNS, ROWS, WRITE = 0x11, 0x28, 0x29, 0x2A, 0x2B, 0x2C

    def __init__(self, about, board):
        super().__init__(about, board, board["width"] * board["height"] * 2)
        self._x, self._y = about.get("x", 0), about.get("y", 0)
        self._command = 0
        self._parameters = b""
        self._left, self._right, self._top, self._bottom = 0, self.width - 1, 0, self.height - 1
        self._row = self._at = 0

    def transfer(self, data, answer, is_data, person):
        if is_data:
            self._data(data)
        else:
            for command in bytes(data):
                self._begin(command)

    def _begin(self, command):
        self._command = command
        self._parameters = b""
        if command == self.DISPLAY_ON:
            self.is_on = True
        elif command == self.DISPLAY_OFF:
            self.is_on = False
        elif command == self.WRITE:
            self._row, self._at = self._top, 0

    def _data(self, data):
        if self._command == self.WRITE:
            self._pixels(memoryview(data))
        elif self._command in (self.COLUMNS, self.ROWS):
            self._parameters += bytes(data)
            if len(self._parameters) == 4:
                first = self._parameters[0] << 8 | self._parameters[1]
                last = self._parameters[2] << 8 | self._parameters[3]
                self._window(first, last)

    def _window(self, first, last):
        offset, size = (self._x, self.width) if self._command == self.COLUMNS else (self._y, self.height)
        first, last = first - offset, last - offset
        if not 0 <= first <= last < size:
            raise ValueError("the window %d..%d is outside of the panel's %d" % (first, last, size))
        if self._command == self.COLUMNS:
            self._left, self._right = first, last
        else:
            self._top, self._bottom = first, last

    def _pixels(self, data):
        row_bytes = 2 * (self._right - self._left + 1)
        at = 0
        while at < len(data):
            size = min(row_bytes - self._at, len(data) - at)
            to = 2 * (self._row * self.width + self._left) + self._at
            self.picture[to : to + size] = data[at : at + size]
            at += size
            self._at += size
            if self._at == row_bytes:
                self._at = 0
                self._row += 1
                if self._row > self._bottom:
                    self._row = self._top
                    self.shown()


class Ssd1306(_Panel):
    """On I2C: control byte 0x80 and a command, or 0x40 and pixels; pages of 8 rows, horizontal addressing."""

    ARGUMENTS = {
        0x20: 1,
        0x21: 2,
        0x22: 2,
        0x81: 1,
        0x8D: 1,
        0xA8: 1,
        0xD3: 1,
        0xD5: 1,
        0xD9: 1,
        0xDA: 1,
        0xDB: 1,
    }

    def __init__(self, about, board):
        super().__init__(about, board, board["width"] * board["height"] // 8)
        self._x = about.get("x", 0)
        self._command = 0
        self._wanted = 0
        self._parameters = []
        self._columns = (0, self.width - 1)
        self._pages = (0, self.height // 8 - 1)
        self._column = self._page = 0

    def transfer(self, data, answer, is_data, person):
        if is_data:
            self._pixels(bytes(data))
        else:
            for byte in bytes(data):
                self._byte(byte)

    def receive(self, data):
        if data[0] == 0x40:
            self._pixels(data[1:])
        else:
            for at in range(1, len(data), 1 if data[0] == 0x00 else 2):  # 0x80 stands before each byte
                self._byte(data[at])

    def _byte(self, byte):
        if self._wanted:
            self._parameters.append(byte)
            self._wanted -= 1
            if not self._wanted:
                self._window()
        elif byte in (0xAE, 0xAF):
            self.is_on = byte == 0xAF
        else:
            self._command = byte
            self._wanted = self.ARGUMENTS.get(byte, 0)
            self._parameters = []

    def _window(self):
        if self._command == 0x21:
            self._columns = (self._parameters[0] - self._x, self._parameters[1] - self._x)
            self._column = self._columns[0]
        elif self._command == 0x22:
            self._pages = tuple(self._parameters)
            self._page = self._pages[0]
        elif self._command == 0x20 and self._parameters[0] != 0:
            raise ValueError("ssd1306: only horizontal addressing is imitated")

    def _pixels(self, data):
        for byte in data:
            self.picture[self._page * self.width + self._column] = byte
            self._column += 1
            if self._column > self._columns[1]:
                self._column = self._columns[0]
                self._page += 1
                if self._page > self._pages[1]:
                    self._page = self._pages[0]
                    self.shown()


class Xpt2046(_Chip):
    """A touch controller: a command byte, then 12 bits of x, y or pressure. `raw`: what the edges of the glass give."""

    def __init__(self, about, board):
        super().__init__(about, board)
        self._raw = about["raw"]  # x at the left, at the right, y at the top, at the bottom

    def transfer(self, data, answer, is_data, person):
        person.step()
        command = data[0]
        value = 0
        if person.touch:
            left, right, top, bottom = self._raw
            x, y = person.touch
            if command == 0xD0:
                value = left + x * (right - left) // (self.width - 1)
            elif command == 0x90:
                value = top + y * (bottom - top) // (self.height - 1)
            elif command == 0xB0:
                value = 1200
        if answer is not None:
            for at in range(len(answer)):
                answer[at] = 0
            answer[1] = value >> 5
            answer[2] = (value & 31) << 3
