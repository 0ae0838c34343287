"""The letters of framebuf's own font, enlarged: each pixel a square of `scale`."""

import framebuf

_cell = framebuf.FrameBuffer(bytearray(8), 8, 8, framebuf.MONO_VLSB)


def text(target, words, x, y, scale, color):
    """Draw `words` with the upper left corner at x, y; returns where the next letter would begin."""
    for letter in words:
        _cell.fill(0)
        _cell.text(letter, 0, 0)
        for py in range(8):
            run = 0
            for px in range(9):
                if px < 8 and _cell.pixel(px, py):
                    run += 1
                elif run:
                    target.fill_rect(x + (px - run) * scale, y + py * scale, run * scale, scale, color)
                    run = 0
        x += 8 * scale
    return x


def center(target, words, x, y, scale, color):
    text(target, words, x - 4 * scale * len(words), y, scale, color)


def right(target, words, x, y, scale, color):
    text(target, words, x - 8 * scale * len(words), y, scale, color)
