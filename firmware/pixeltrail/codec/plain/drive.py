"""kernels/drive.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def run(job, st, is_new):
    """Begin a part of a delta if it is new; code moves, then name or code rectangles until none is left or budget or
    room is spent; end the part. Returns 0, or what encoder.py must do before it calls again: 1 the next rectangle, 2
    notice that the last one was noise, 3 see what to do about moves that do not fit.

    Moves that do not fit are forgotten: their strips are still dirty, and follow as pixels.

    job: what coder.py lists there. st: the numbers of the cx kernels (cxhead.in), and of coder.py: [10] first byte of
    the part, [38] pixels left of the budget, [39] 1 while the part shows nothing, [40] pixels of a strip, [41] end of
    `out`, [42] 1 while noise is expected, [43] bytes of pixels in this part, [44] pixels since the last reset, [45] 1
    when the part has an operation, [46] 1 when bytes of pixels are scarce, [47] 1 when a strip was torn, [48] 1 when
    anything is masked: then only moves are coded here, [49] the largest part that there was room for, [50] bytes of
    pixels that a part may have, [51] bytes of the part when it is over.
    """
    numbers = job[0]
    space = job[1]
    area = job[2]
    scratch = job[3]
    window = job[4]
    dirty = job[5]
    rect = job[6]
    arrays = job[7]
    buffer = job[8]
    out = job[9]
    table = job[10]
    states = job[11]
    hashes = job[12]
    scan = job[13]
    factor = job[14]
    mask = job[15]
    head = job[16]
    pixels = job[17]
    find_reference = job[18]
    put_reference = job[19]
    settle = job[20]
    shape = job[21]
    v = job[22]
    o = job[23]
    close = job[25]
    a = area
    w = window
    d = dirty
    r = rect
    q = arrays[3]
    height = shape[1]
    column = 0
    columns = 0
    row = 0
    rows = 0
    px = 0
    n = 0
    i = 0
    y = 0
    above = 0
    if is_new:
        job[24](numbers, 0, 0)
    if o[5] and st[38]:
        n = o[5] * 5
        r[4] = 2
        while i < n:
            if st[41] - st[2] < 92:
                break
            st[3] = 1
            st[4] = v[i]
            st[5] = v[i + 1]
            st[6] = v[i + 2]
            st[7] = v[i + 3]
            y = v[i + 4] - v[i + 2]
            st[8] = y << 1
            if y < 0:
                st[8] = 1 - (y << 1)
            head(0, 0, out, table, states, numbers, space)
            a[8] = v[i + 3]
            a[9] = v[i]
            a[10] = v[i + 1]
            a[11] = v[i + 2]
            settle(dirty, 0, rect, shape, area)
            i += 5
        r[4] = 1
        if not i:
            return 3
        o[5] = 0
        st[39] = 0
        st[45] = 1
        a[8] = 0
        a[11] = 0
        settle(dirty, 0, rect, shape, area)
    while True:
        if not r[4]:
            break
        if not st[38]:
            break
        if st[42] | st[48]:
            return 1
        column = r[0]
        columns = r[1]
        row = r[2]
        rows = r[3]
        a[8] = rows
        a[9] = column
        a[10] = columns
        a[11] = row
        if q[8] and columns * rows * st[40] >= 160:
            q[0] = column
            q[1] = columns
            q[2] = row
            q[3] = rows
            n = int(find_reference(0, 0, arrays))
            if n:
                if st[41] - st[2] < 92:
                    if st[39]:
                        return 1
                    break
                rows = q[3]
                st[3] = 2
                st[4] = column
                st[6] = row
                st[8] = n >> 1
                st[9] = n & 1
                head(0, 0, out, table, states, numbers, space)
                a[8] = rows
                settle(dirty, 0, rect, shape, area)
                st[39] = 0
                st[45] = 1
                n = st[38] - columns * rows
                if n < 0:
                    n = 0
                st[38] = n
                continue
        if st[2] + 58 > st[22]:
            if st[39]:
                return 1
            break
        px = columns * st[40]
        while rows > 1:
            if rows * px <= st[38]:
                break
            rows -= 1
        above = st[34]
        if above > row:
            above = row
        if st[47]:
            above = 0
        y = row - above
        while y < row:
            i = column * height + (y >> 3)
            n = columns
            while n:
                if d[i] >> (y & 7) & 1:
                    above = 0
                    break
                i += height
                n -= 1
            y += 1
        w[0] = column
        w[1] = column + columns
        w[2] = row - above
        w[3] = row + rows
        if int(scan(buffer, factor, mask, hashes, scratch, window)):
            return 1
        st[3] = 3
        st[4] = column
        st[5] = columns
        st[6] = row
        st[7] = rows
        st[9] = 0
        if above:
            st[9] = 1
        if not row:
            st[9] = 1
        head(0, 0, out, table, states, numbers, space)
        st[45] = 1
        y = st[2]
        n = int(pixels(0, 0, buffer, out, table, states, numbers, space))
        st[43] = st[43] + st[2] - y
        if n:
            a[8] = n
            i = n * px
            st[44] += i
            settle(dirty, 0, rect, shape, area)
            if i >= 160:
                st[29] += 1
                if q[7]:
                    q[0] = column
                    q[1] = columns
                    q[2] = row
                    q[3] = n
                    put_reference(0, 0, arrays)
            st[39] = 0
            i = st[38] - i
            if i < 0:
                i = 0
            st[38] = i
        st[7] = n
        if st[3] == 2:
            return 2
        if not n:
            break
        if st[46]:
            i = n * st[13]
            if i >= 64:
                if st[2] - y > i:
                    return 2
    st[51] = 0
    if st[45]:
        close(0, 0, out, table, states, numbers)
    return 0
