# FRAMES WIDTH HEIGHT FORMAT WHAT: plays the whole pictures in a file and prints how many pixels it coded.
#   hash  refreshes alone
#   code  codes every frame after its refresh; the first is a keyframe in both
#   area  as code, and counts the pixels of the rectangles that were coded, the keyframe's apart
import sys

from pixeltrail.codec.encoder import Encoder

ROOM = 992  # of a chunk of 1,024 bytes


class Surveyor(Encoder):
    area = 0

    def _code(self):
        before = self._budget_px
        is_coded = super()._code()
        self.area += before - self._budget_px
        return is_coded


def code(encoder, out, is_key):
    encoder.begin(is_key)
    while not encoder.finished:
        if not encoder.encode_into(out, 0, ROOM, 1 << 24):
            raise ValueError("stuck")


def main(path, width, height, format, what):
    bits = (1, 1, 1, 2, 4, 8, 16, 16, 8)[format]
    size = (height + 7) // 8 * width if format == 0 else (width * bits + 7) // 8 * height
    buffer = bytearray(size)
    encoder = (Surveyor if what == "area" else Encoder)(buffer, width, height, format)
    out = bytearray(1024)
    is_first = True
    with open(path, "rb") as pictures:
        while pictures.readinto(buffer) == size:
            encoder.refresh()
            if is_first:
                code(encoder, out, True)
                is_first = False
                encoder.area = 0  # of deltas alone
            elif what != "hash":
                code(encoder, out, False)
    print(getattr(encoder, "area", 0))


main(sys.argv[1], *[int(word) for word in sys.argv[2:5]], sys.argv[5])
