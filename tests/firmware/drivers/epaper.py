"""For e-paper drivers: what they send their controllers, which have the panel's memory; 1 is white.

`Waveshare2in9`: python/Pico_ePaper-2.9.py of waveshareteam/Pico_ePaper_Code, a frame buffer MONO_HLSB. `Waveshare4in2`:
python/Pico-ePaper-4.2_V2.py, with a buffer of two bits a pixel besides. `Mcauser4in2` and `Mcauser2in9`: epaper4in2.py
and epaper2in9.py of mcauser/micropython-waveshare-epaper. Sides are smaller.
"""


def pixel(buffer, width, x, y, colour):
    """As framebuf.MONO_HLSB."""
    at, bit = y * (width // 8) + x // 8, 7 - (x & 7)
    buffer[at] = buffer[at] & ~(1 << bit) | (1 << bit if colour else 0)


class Waveshare2in9:
    def __init__(self, width=64, height=40):
        self.width = width
        self.height = height
        self.buffer = bytearray(height * width // 8)
        self._ram = bytearray(len(self.buffer))
        self.panel = bytearray(len(self.buffer))

    def _write(self, image):
        for j in range(self.height):
            for i in range(self.width // 8):
                self._ram[i + j * (self.width // 8)] = image[i + j * (self.width // 8)]

    def TurnOnDisplay(self):
        self.panel[:] = self._ram

    def display(self, image):
        if image is None:
            return
        self._write(image)
        self.TurnOnDisplay()

    def display_Base(self, image):
        self.display(image)

    def display_Partial(self, image):
        self.display(image)

    def Clear(self, color):
        self._ram[:] = bytes([color]) * len(self._ram)
        self.TurnOnDisplay()


class Waveshare4in2:
    """Grey: two bits a pixel, the left one in the lowest bits, as framebuf.GS2_HMSB; 2 is darker than 1."""

    def __init__(self, width=64, height=40):
        self.width = width
        self.height = height
        self.buffer_1Gray = bytearray(height * width // 8)
        self.buffer_4Gray = bytearray(height * width // 4)
        self.panel = bytes(len(self.buffer_1Gray))
        self.greys = (
            None  # what the panel shows in grey: a level from 0 to 3 for each pixel, from black to white
        )

    def TurnOnDisplay(self):
        pass

    def EPD_4IN2_V2_Display(self, Image):
        self.panel = bytes(Image)
        self.greys = None

    def EPD_4IN2_V2_Display_Fast(self, image):
        self.EPD_4IN2_V2_Display(image)

    def EPD_4IN2_V2_PartialDisplay(self, Image):
        self.EPD_4IN2_V2_Display(Image)

    def EPD_4IN2_V2_4GrayDisplay(self, Image):
        levels = (0, 2, 1, 3)
        self.greys = [levels[Image[i // 4] >> 2 * (i & 3) & 3] for i in range(self.width * self.height)]

    def EPD_4IN2_V2_Clear(self):
        self.EPD_4IN2_V2_Display(b"\xff" * len(self.buffer_1Gray))


class Waveshare2in13B:
    """Black and red, each in a buffer of its own."""

    def __init__(self, width=64, height=40):
        self.width = width
        self.height = height
        self.buffer_black = bytearray(height * width // 8)
        self.buffer_red = bytearray(height * width // 8)

    def TurnOnDisplay(self):
        pass

    def display(self):
        pass


class Mcauser4in2:
    def __init__(self, width=64, height=40):
        self.width = width
        self.height = height
        self.panel = bytearray(width * height // 8)

    def display_frame(self, frame_buffer):
        if frame_buffer is not None:
            for i in range(self.width * self.height // 8):
                self.panel[i] = frame_buffer[i]


class Mcauser2in9:
    """The controller has two memories: display_frame shows the one that was written, and writes go to the other."""

    def __init__(self, width=64, height=40):
        self.width = width
        self.height = height
        self._memory = bytearray(width * height // 8)
        self.panel = bytearray(width * height // 8)

    def set_frame_memory(self, image, x, y, w, h):
        x = x & 0xF8
        w = w & 0xF8
        x_end = self.width - 1 if x + w >= self.width else x + w - 1
        y_end = self.height - 1 if y + h >= self.height else y + h - 1
        at = 0
        for row in range(y, y_end + 1):
            for column in range(x >> 3, (x_end >> 3) + 1):
                self._memory[row * (self.width // 8) + column] = image[at]
                at += 1

    def clear_frame_memory(self, color):
        self._memory[:] = bytes([color]) * len(self._memory)

    def display_frame(self):
        self._memory, self.panel = self.panel, self._memory
