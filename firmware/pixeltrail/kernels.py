"""Kernels of the device core: one call for one buffer, no allocation, no bounds but the arguments.

kernels_plain.py holds the same functions in plain Python, for CPython and for ports without a native code emitter.
"""

import micropython


@micropython.viper
def copy(target: ptr8, at: int, source: ptr8, start: int, length: int):
    """target[at : at + length] = source[start : start + length], from the lowest byte up.

    The two may overlap when the bytes move down. `source` may be a str. Checked on x64 with MicroPython 1.28.
    """
    target = ptr8(int(target) + at)
    source = ptr8(int(source) + start)
    while length > 7:
        target[0] = source[0]
        target[1] = source[1]
        target[2] = source[2]
        target[3] = source[3]
        target[4] = source[4]
        target[5] = source[5]
        target[6] = source[6]
        target[7] = source[7]
        target = ptr8(int(target) + 8)
        source = ptr8(int(source) + 8)
        length -= 8
    while length > 0:
        target[0] = source[0]
        target = ptr8(int(target) + 1)
        source = ptr8(int(source) + 1)
        length -= 1


@micropython.viper
def text_bytes(text: ptr8, characters: int) -> int:
    """Bytes that `characters` characters of UTF-8 take. Reads the zero that MicroPython keeps behind every str."""
    at = 0
    while True:
        if text[at] & 0xC0 != 0x80:
            if characters == 0:
                return at
            characters -= 1
        at += 1
    return at


@micropython.viper
def head(target: ptr8, at: int, end: int, major: int, value: int) -> int:
    """The head of a CBOR item in its shortest form, from target[at] on and below `end`.

    Returns where it ends; 0 when there is no room, -1 for a value that is not 0 to 2^30 - 1.
    """
    if value >> 30:  # below 0, too
        return -1
    if value < 24:
        if at >= end:
            return 0
        target[at] = major | value
        return at + 1
    if value < 0x100:
        if at + 2 > end:
            return 0
        target[at] = major | 24
        target[at + 1] = value
        return at + 2
    if value < 0x10000:
        if at + 3 > end:
            return 0
        target[at] = major | 25
        target[at + 1] = value >> 8
        target[at + 2] = value
        return at + 3
    if at + 5 > end:
        return 0
    target[at] = major | 26
    target[at + 1] = value >> 24
    target[at + 2] = value >> 16
    target[at + 3] = value >> 8
    target[at + 4] = value
    return at + 5


@micropython.viper
def text(target: ptr8, at: int, end: int, source: ptr8, characters: int, limit: int) -> int:
    """A str as a CBOR item, from target[at] on and below `end`; returns as `head` does, -1 beyond `limit` bytes."""
    size = 0
    while True:
        if source[size] & 0xC0 != 0x80:
            if characters == 0:
                break
            characters -= 1
        size += 1
    if size > limit:
        return -1
    at += 1
    if size > 23:
        at += 1
    if size > 255:
        at += 1
    if at + size > end:
        return 0
    if size < 24:
        target[at - 1] = 0x60 | size
    else:
        target[at - 1] = size
        if size < 256:
            target[at - 2] = 0x78
        else:
            target[at - 2] = size >> 8
            target[at - 3] = 0x79
    start = 0
    while start < size:
        target[at] = source[start]
        at += 1
        start += 1
    return at


@micropython.viper
def chunk_head(target: ptr8, at: int, head: ptr8, seq: int, time: int) -> int:
    """The first bytes of a chunk, 23 at most: eleven that never change, its number, its time. Returns their end."""
    i = 0
    while i < 11:
        target[at] = head[i]
        at += 1
        i += 1
    value = seq
    i = 0
    while i < 2:
        if value < 24:
            target[at] = value
        elif value < 0x100:
            target[at] = 24
            at += 1
            target[at] = value
        elif value < 0x10000:
            target[at] = 25
            target[at + 1] = value >> 8
            at += 2
            target[at] = value
        else:
            target[at] = 26
            target[at + 1] = value >> 24
            target[at + 2] = value >> 16
            target[at + 3] = value >> 8
            at += 4
            target[at] = value
        at += 1
        value = time
        i += 1
    return at


@micropython.viper
def write_slot(ring: ptr8, at: int, seq: int, length: int, marks: int):
    """The head of a slot of the outbox."""
    ring[at] = seq
    ring[at + 1] = seq >> 8
    ring[at + 2] = seq >> 16
    ring[at + 3] = seq >> 24
    ring[at + 4] = length
    ring[at + 5] = length >> 8
    ring[at + 6] = marks
    ring[at + 7] = marks >> 8


@micropython.viper
def read_seq(ring: ptr8, at: int) -> int:
    """The number of the chunk whose slot is at ring[at]."""
    return ring[at] | ring[at + 1] << 8 | ring[at + 2] << 16 | ring[at + 3] << 24


@micropython.viper
def purge(ring: ptr8, q: ptr32, runs: ptr32) -> int:
    """Drop slots of the outbox that are marked as replay data; the others move together, from the oldest on. A piece.

    q: 0 head, 1 slots, 2 slots before the cursor, 3 where the ring turns, 4 its size; then what Outbox keeps when all
    is done: 5 tail, 6 cursor, 7 bytes used, 8 bytes unsent, 9 bytes of chunks, 10 slots, 11 those before the cursor,
    12 where the ring turns; 13 the next slot, 14 slots done, 15 numbers in runs, 16 bytes of a piece. runs: tag, first
    seq and end of each run of what was dropped, three numbers for every slot or 64 runs. Returns 1 when all is done.
    """
    head = q[0]
    size = q[4]
    turn = q[3]
    at = q[13]
    tail = q[5]
    cursor = q[6]
    wrap = q[12]
    kept = q[10]
    runs_end = 0
    i = q[14]
    left = q[16]
    while i < q[1]:
        if left < 0:
            break
        if runs_end > 189:
            break
        if at >= turn:
            at = 0
        length = ring[at + 4] | ring[at + 5] << 8
        end = at + length + 8
        if ring[at + 7]:
            seq = ring[at] | ring[at + 1] << 8 | ring[at + 2] << 16 | ring[at + 3] << 24
            again = 0
            if runs_end:
                if runs[runs_end - 3] == ring[at + 6]:
                    if runs[runs_end - 1] == seq:
                        again = 1
            if not again:
                runs[runs_end] = ring[at + 6]
                runs[runs_end + 1] = seq
                runs_end += 3
            runs[runs_end - 1] = seq + 1
        else:
            if tail >= head:
                if size - tail < length + 8:
                    if kept:
                        wrap = tail
                        q[7] += size - tail
                        if cursor == tail:
                            cursor = 0
                    else:
                        head = 0
                        cursor = 0
                    tail = 0
            q[7] += length + 8
            q[9] += length
            kept += 1
            source = ptr8(int(ring) + at)  # as copy does: a call for each slot would take longer
            target = ptr8(int(ring) + tail)
            tail += length + 8
            while at + 7 < end:
                target[0] = source[0]
                target[1] = source[1]
                target[2] = source[2]
                target[3] = source[3]
                target[4] = source[4]
                target[5] = source[5]
                target[6] = source[6]
                target[7] = source[7]
                target = ptr8(int(target) + 8)
                source = ptr8(int(source) + 8)
                at += 8
            while at < end:
                target[0] = source[0]
                target = ptr8(int(target) + 1)
                source = ptr8(int(source) + 1)
                at += 1
            if i < q[2]:
                q[11] += 1
                cursor = tail
            else:
                q[8] += length
        at = end
        left -= length + 64
        i += 1
    q[0] = head
    q[5] = tail
    q[6] = cursor
    q[10] = kept
    q[12] = wrap
    q[13] = at
    q[14] = i
    q[15] = runs_end
    return 0 if i < q[1] else 1


@micropython.viper
def same(a: ptr8, at: int, b: ptr8, length: int) -> int:
    """1 when a[at : at + length] is b[:length]."""
    i = 0
    while i < length:
        if a[at + i] ^ b[i]:
            return 0
        i += 1
    return 1
