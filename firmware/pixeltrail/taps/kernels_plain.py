"""The kernels of kernels.py in plain Python: the same names, arguments and results."""


def blit(target, source, q):
    to, target_pitch, at, source_pitch, size, rows = q[:6]
    source = memoryview(source)
    for _ in range(rows):
        target[to : to + size] = source[at : at + size]
        to += target_pitch
        at += source_pitch


def fill(target, q):
    to, pitch, first, second, size, rows = q[:6]
    row = (bytes((first, second)) * ((size + 1) // 2))[:size]
    for _ in range(rows):
        target[to : to + size] = row
        to += pitch


def add(areas, q):
    n = areas[0]
    if n == 0xFFFF:
        return
    x0, y0, x1, y1 = q[0], q[1], q[2], q[3]
    for i in range(1, 1 + 4 * n, 4):
        if areas[i] <= x0 and areas[i + 1] <= y0 and areas[i + 2] >= x1 and areas[i + 3] >= y1:
            return
    last = 4 * n - 3
    if n and areas[last] == x0 and areas[last + 2] == x1 and areas[last + 3] + 1 == y0:
        areas[last + 3] = y1
        return
    if n == 8:
        areas[last] = min(areas[last], x0)
        areas[last + 1] = min(areas[last + 1], y0)
        areas[last + 2] = max(areas[last + 2], x1)
        areas[last + 3] = max(areas[last + 3], y1)
        return
    areas[last + 4] = x0
    areas[last + 5] = y0
    areas[last + 6] = x1
    areas[last + 7] = y1
    areas[0] = n + 1


def columns(target, source, area, width, pages):
    for x in range(area[0], area[0] + area[2]):
        for page in range(area[1], area[1] + area[3]):
            bits = source[x * pages + page]
            turned = 0
            for _ in range(8):
                turned = turned << 1 | bits & 1
                bits >>= 1
            target[page * width + x] = turned


def exchange(a, b, length):
    for i in range(length):
        a[i], b[i] = b[i], a[i]


def byte_at(text, at):
    data = text.encode()
    return data[at] if at < len(data) else 0


def glyph(target, bits, colours, q):
    to, pitch, bit, depth, size, rows = q[:6]
    for _ in range(rows):
        for i in range(0, size, 2):
            index = 0
            for _ in range(depth):
                index = index << 1 | bits[bit >> 3] >> (7 - (bit & 7)) & 1
                bit += 1
            target[to + i : to + i + 2] = colours[2 * index : 2 * index + 2]
        to += pitch
