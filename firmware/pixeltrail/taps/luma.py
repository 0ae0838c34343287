"""Devices of luma.core on boards with Linux: luma.oled, luma.lcd, luma.emulator, and what else has `display(image)`.

A device is given a whole picture of Pillow at each refresh, upright, and turns it for the panel itself. The recorder
gets it as the panel has it otherwise, one byte after another converted in C where Pillow can:

| device | format |
|---|---|
| mode "1" | MONO_HLSB |
| greys: ssd1322, ssd1327 and other children of `greyscale_device` | GS4_HMSB, by the device's own sum |
| mode "RGB", "RGBA" | RGB565S: what panels of 16 bits are sent; more bits are cut to that |

The picture is converted when the recorder looks at it, and not at all while it does not. For CPython alone.
"""

_MONO_HLSB = 1
_GS4_HMSB = 4
_RGB565S = 7
_GREYS = bytes(17 * (i // 3) for i in range(48))


class Tap:
    def __init__(self, device):
        self._device = device
        self.width, self.height = device.size
        self.pitch = 0
        self.palette = None
        self.rotation = 0  # pictures are as the app gives them
        self.version = 0
        self._image = None
        self._original = None
        if device.mode == "1":
            self.format = _MONO_HLSB
            self._convert = _mono
        elif hasattr(device, "_render_greyscale"):
            self.format = _GS4_HMSB
            self.palette = _GREYS
            self._convert = _greys
        else:
            self.format = _RGB565S
            self._convert = _colours(device.mode)
        bits = {_MONO_HLSB: 1, _GS4_HMSB: 4}.get(self.format, 16)
        self.buffer = bytearray((self.width * bits + 7) // 8 * self.height)

    def attach(self, refreshed):
        original = self._original = self._device.display

        def display(image):
            original(image)
            self._image = image
            refreshed()
            self._image = None

        self._device.display = display

    def detach(self):
        del self._device.display

    def look(self):
        """Take the picture that is being shown."""
        if self._image is not None:
            self.buffer[:] = self._convert(self._image)


def _mono(image):
    return image.tobytes()


def _greys(image):
    """As greyscale_device has it: 4 bits of a weighted sum, the left pixel in the high ones."""
    width = image.size[0]
    out = bytearray()
    row = bytearray(width + (width & 1))
    pixels = image.convert("RGB").tobytes()
    for start in range(0, len(pixels), 3 * width):
        end = start + 3 * width
        reds, greens, blues = pixels[start:end:3], pixels[start + 1 : end : 3], pixels[start + 2 : end : 3]
        row[:width] = bytes((r * 306 + g * 601 + b * 117) >> 14 for r, g, b in zip(reds, greens, blues))
        out += bytes(left << 4 | right for left, right in zip(row[::2], row[1::2]))
    return out


def _colours(mode):
    """Five bits of red, six of green and five of blue, the high byte first, put together from tables of Pillow's."""
    from PIL import Image, ImageChops

    red = [v & 0xF8 for v in range(256)]
    green_above = [v >> 5 for v in range(256)]
    green_below = [v << 3 & 0xE0 for v in range(256)]
    blue = [v >> 3 for v in range(256)]

    def convert(image):
        r, g, b = image.convert("RGB").split() if mode != "RGB" else image.split()
        high = ImageChops.add(r.point(red), g.point(green_above))
        low = ImageChops.add(g.point(green_below), b.point(blue))
        return Image.merge("LA", (high, low)).tobytes()

    return convert
