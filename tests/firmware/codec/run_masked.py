"""Two displays that differ in masked strips alone are coded alike, in a locked heap; prints each frame's checksum."""

import gc
from binascii import crc32

import micropython
from pixeltrail.codec.encoder import Encoder

WIDTH, HEIGHT = 168, 40
FORMATS = ((0, 8, 0), (1, 1, 0), (3, 2, 1), (4, 4, 0), (5, 8, 2), (6, 16, 0), (6, 16, 2), (7, 16, 1))
MASKS = (40, 10, 33, 20, 120, 0, 5, 40, 150, 33, 3, 3)
STRIP = 32
TURNS = 12


class Shown:
    def __init__(self, format, bits, gap):
        self.pitch = (WIDTH * bits >> 3) + gap
        self.rows = HEIGHT // 8 if format == 0 else HEIGHT
        self.strip_bytes = STRIP * bits >> 3
        self.high = HEIGHT // self.rows
        self.buffer = bytearray(self.pitch * self.rows)
        self.encoder = Encoder(self.buffer, WIDTH, HEIGHT, format, self.pitch, STRIP)
        self.encoder.set_masks(MASKS)
        self.out = bytearray(12000)
        self.size = 0
        self.changed = 0

    def draw(self, turn):
        """Something everywhere, also where it is masked."""
        for i in range(len(self.buffer)):
            if (i // self.pitch + turn) % 5 == 0:
                self.buffer[i] = i * turn & 255 if i % 3 else turn

    def hide(self, salt):
        for i in range(0, len(MASKS), 4):
            left = MASKS[i] // STRIP * self.strip_bytes
            end = (MASKS[i] + MASKS[i + 2] + STRIP - 1) // STRIP * self.strip_bytes
            for row in range(MASKS[i + 1] // self.high, (MASKS[i + 1] + MASKS[i + 3] - 1) // self.high + 1):
                at = row * self.pitch
                for j in range(at + left, at + min(end, self.pitch)):
                    self.buffer[j] = j * salt >> 3 & 255

    def frame(self, key):
        encoder = self.encoder
        self.changed = encoder.refresh()
        encoder.begin(key)
        self.size = 0
        while not encoder.finished:
            self.size += encoder.encode_into(self.out, self.size, self.size + 1400, 900)
        if key:
            encoder.checksum_into(self.out, self.size)
            self.size += 4


def turn(one, other, number):
    one.draw(number)
    other.draw(number)
    other.hide(number + 3)
    one.frame(number % 6 == 0)
    other.frame(number % 6 == 0)


def main():
    for format, bits, gap in FORMATS:
        one, other = Shown(format, bits, gap), Shown(format, bits, gap)
        for number in range(TURNS):
            if number:
                gc.collect()
                micropython.heap_lock()
            turn(one, other, number)
            if number:
                micropython.heap_unlock()
            if (
                one.changed != other.changed
                or one.size != other.size
                or one.out != other.out
                or not other.encoder.exact
            ):
                raise ValueError("format %d, turn %d: masked pixels can be told" % (format, number))
            print(format, crc32(bytes(one.out[: one.size])))
    print("done")


main()
