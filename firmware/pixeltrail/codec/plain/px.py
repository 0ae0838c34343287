"""kernels/px.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def code(p, k, out, cache, q):
    """Code the rows of an area into out[k:]; return the new k, and in q[8] how many rows went in whole.

    Needs 24 bytes of room, else none. A row that does not fit is taken back: a part ends between rows, never in one.
    """
    at = q[0]
    pitch = q[1]
    size = q[2]
    rows = q[3]
    unit = q[4]
    edge = q[6]
    foot = q[7]
    limit = q[5] - 24  # one step writes at most 8 bytes, the last operation 5
    i = 0
    while i < 64:
        cache[i] = 0
        i += 1
    last = 0
    n = 0  # pixels of the operation under way; kind: what still explains all of them, 1 run, 2 above
    kind = 3
    lit = 0  # literals under way, their operation at out[head]
    head = 0
    v = 0
    e = 0
    j = 0
    stop = 0
    mask = 255
    y = 0
    k0 = 0
    n0 = 0
    kind0 = 0
    lit0 = 0
    head0 = 0
    full = 0
    if k > limit:
        rows = 0
    while y < rows:
        k0 = k
        n0 = n
        kind0 = kind
        lit0 = lit
        head0 = head
        i = at
        stop = at + size
        mask = 255
        if y == rows - 1:
            mask = foot
        while i < stop:
            v = p[i]
            e = 0
            if unit == 2:
                v |= p[i + 1] << 8
                if y:
                    if v == p[i - pitch] | p[i - pitch + 1] << 8:
                        e = 2
                i += 2
            else:
                if i == stop - 1:
                    mask &= edge
                v &= mask
                if y:
                    if i == stop - 1:
                        if v == p[i - pitch] & edge:
                            e = 2
                    elif v == p[i - pitch]:
                        e = 2
                i += 1
            if v == last:
                e |= 1
            if kind & e:
                kind &= e
                n += 1
                last = v
                continue
            if k > limit:
                full = 1
                break
            if n:
                if n == 1 and lit and lit < 64 and unit == 1:
                    out[k] = last  # cheaper than an operation that would end the literals
                    k += 1
                    lit += 1
                    cache[(last ^ last >> 5) & 63] = last
                else:
                    if lit:
                        out[head] = 0x80 | (lit - 1)
                        lit = 0
                    j = 0
                    if not kind & 1:
                        j = 0x40
                    n -= 1
                    if n < 63:
                        out[k] = j | n
                        k += 1
                    else:
                        out[k] = j | 63
                        k += 1
                        n -= 63
                        while n > 127:
                            out[k] = 128 | (n & 127)
                            k += 1
                            n >>= 7
                        out[k] = n
                        k += 1
                n = 0
                kind = 3
            if e:
                n = 1
                kind = e
            else:
                j = (v ^ v >> 5 ^ v >> 9) & 63
                if cache[j] == v and (unit == 2 or not lit):
                    if lit:
                        out[head] = 0x80 | (lit - 1)
                        lit = 0
                    out[k] = 0xC0 | j
                    k += 1
                else:
                    if lit == 64:
                        out[head] = 0xBF
                        lit = 0
                    if not lit:
                        head = k
                        k += 1
                    cache[j] = v
                    lit += 1
                    out[k] = v & 255
                    k += 1
                    if unit == 2:
                        out[k] = v >> 8
                        k += 1
            last = v
        if full:
            k = k0
            n = n0
            kind = kind0
            lit = lit0
            head = head0
            break
        at += pitch
        y += 1
    if lit:
        out[head] = 0x80 | (lit - 1)
    if n:
        j = 0
        if not kind & 1:
            j = 0x40
        n -= 1
        if n < 63:
            out[k] = j | n
            k += 1
        else:
            out[k] = j | 63
            k += 1
            n -= 63
            while n > 127:
                out[k] = 128 | (n & 127)
                k += 1
                n >>= 7
            out[k] = n
            k += 1
    q[8] = y
    return k


def raw(p, k, out, q):
    """Copy the first q[8] rows of an area to out[k]; return the new k. The caller has checked the room."""
    at = q[0]
    pitch = q[1]
    size = q[2]
    rows = q[8]
    edge = q[6]
    foot = q[7]
    i = 0
    stop = 0
    while rows:
        i = at
        stop = at + size
        while i < stop:
            out[k] = p[i]
            if rows == 1:
                out[k] &= foot
            k += 1
            i += 1
        out[k - 1] &= edge
        at += pitch
        rows -= 1
    return k
