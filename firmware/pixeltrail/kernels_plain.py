"""The kernels of kernels.py in plain Python: the same names, arguments and results."""


def copy(target, at, source, start, length):
    if isinstance(source, str):
        source = source.encode()
    for offset in range(length):
        target[at + offset] = source[start + offset]


def text_bytes(text, characters):
    return len(text.encode())
