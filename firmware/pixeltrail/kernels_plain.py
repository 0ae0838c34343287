"""The kernels of kernels.py in plain Python: the same names, arguments and results."""


def copy(target, at, source, start, length):
    if isinstance(source, str):
        source = source.encode()
    for offset in range(length):
        target[at + offset] = source[start + offset]


def text_bytes(text, characters):
    return len(text.encode())


def head(target, at, end, major, value):
    if value >> 30:
        return -1
    size = 0 if value < 24 else 1 if value < 0x100 else 2 if value < 0x10000 else 4
    if at + 1 + size > end:
        return 0
    target[at] = major | (value if size == 0 else 24 + (size >> 1))
    for i in range(size):
        target[at + 1 + i] = value >> 8 * (size - 1 - i) & 0xFF
    return at + 1 + size


def text(target, at, end, source, characters, limit):
    data = source.encode()
    if len(data) > limit:
        return -1
    behind = head(target, at, end - len(data), 0x60, len(data))
    if behind > 0:
        copy(target, behind, data, 0, len(data))
        behind += len(data)
    return behind


def write_slot(ring, at, seq, length, marks):
    ring[at : at + 4] = seq.to_bytes(4, "little")
    ring[at + 4 : at + 6] = length.to_bytes(2, "little")
    ring[at + 6 : at + 8] = marks.to_bytes(2, "little")


def read_seq(ring, at):
    return int.from_bytes(ring[at : at + 4], "little")
