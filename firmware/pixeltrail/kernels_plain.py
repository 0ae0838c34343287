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


def chunk_head(target, at, head_bytes, seq, time):
    target[at : at + 11] = head_bytes[:11]
    at = head(target, at + 11, len(target), 0, seq)
    return head(target, at, len(target), 0, time)


def write_slot(ring, at, seq, length, marks):
    ring[at : at + 4] = seq.to_bytes(4, "little")
    ring[at + 4 : at + 6] = length.to_bytes(2, "little")
    ring[at + 6 : at + 8] = marks.to_bytes(2, "little")


def read_seq(ring, at):
    return int.from_bytes(ring[at : at + 4], "little")


def purge(ring, q, runs):
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
            while at < end:
                ring[tail] = ring[at]
                tail += 1
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


def same(a, at, b, length):
    return 1 if a[at : at + length] == b[:length] else 0
