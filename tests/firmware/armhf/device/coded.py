# FRAMES WIDTH HEIGHT FORMAT WHAT: plays the whole pictures in a file and prints how many pixels it coded.
#   hash  refreshes alone, with something always left to send, so that no moves are searched
#   find  refreshes with their search for moves, and forgets what they found
#   code  codes every frame after its refresh; the first is a keyframe in all three
import sys
from array import array

from pixeltrail.codec import moves, rects
from pixeltrail.codec.coder import HAS_TORN, PIXELS
from pixeltrail.codec.encoder import Encoder

ROOM = 992  # of a chunk of 1,024 bytes


def code(encoder, out, is_key):
    encoder.begin(is_key)
    while not encoder.finished:
        if not encoder.encode_into(out, 0, ROOM, 1 << 24):
            raise ValueError("stuck")


def forget(encoder, everything):
    moves.drop(encoder._moves)
    job = encoder._job
    rects.bits.settle(job[5], 0, job[6], job[21], everything)
    encoder._numbers[HAS_TORN] = 0


def main(path, width, height, format, what):
    bits = (1, 1, 1, 2, 4, 8, 16, 16, 8)[format]
    size = (height + 7) // 8 * width if format == 0 else (width * bits + 7) // 8 * height
    buffer = bytearray(size)
    encoder = Encoder(buffer, width, height, format)
    out = bytearray(1024)
    everything = array("i", bytes(48))  # an area (encoder.py)
    everything[8], everything[10] = encoder._strips.rows, encoder._strips.cols
    is_first = True
    key = 0
    with open(path, "rb") as pictures:
        while pictures.readinto(buffer) == size:
            encoder.refresh()
            if is_first:
                code(encoder, out, True)
                is_first = False
                key = encoder._numbers[PIXELS]
            elif what == "code":
                code(encoder, out, False)
            elif what == "find":
                forget(encoder, everything)
    print(encoder._numbers[PIXELS] - key)


main(sys.argv[1], *[int(word) for word in sys.argv[2:5]], sys.argv[5])
