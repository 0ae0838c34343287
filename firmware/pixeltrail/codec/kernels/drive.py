"""The way from dirty strips to coded ones, a rectangle after another: a part of a frame, in viper.

plain/drive.py is the same text for ports without an emitter; tests/firmware/codec/make_kernels.py writes it.

A rectangle takes up to nine calls of other kernels. In bytecode they and what lies between took 150,000 to 300,000
instructions, more than the pixels of most rectangles and half of what a step may take; here it is a tenth of that.

st, beside what the cx kernels have there (cxhead.in): [10] first byte of the part, [38] pixels left of the budget,
[39] 1 while the part shows nothing, [40] pixels of a strip, [41] end of `out`, [42] 1 while noise is expected, [43]
bytes of pixels in this part, [44] pixels since the last reset, [45] 1 when the part has an operation, [46] 1 when bytes
of pixels are scarce, [47] 1 while a strip is torn, [48] 1 when anything is masked, [49] the largest part that there was
room for, [50] bytes of pixels that a part may have, [51] bytes of the part when it is over, [52] bytes of a strip, [53]
1 in a keyframe, [54] and [55] its row and column: everything above, and left of it, is coded; [56] columns, [57] 1 once
a row did not fit, [58] 1 when the last part had no room for anything, [59] 1 once a rectangle of this frame was torn,
[60] pitch.

Noise, [61] to [66]: pixels that took more bytes than raw ones. What goes on below them is sent raw; where time is short
also what is beside them, and only for a while: twice as long each time. [61] that while, [62] bytes left of it, [63]
row, [64] the row below, [65] column, [66] the column beside it.
"""

import micropython


@micropython.viper
def is_noise(st: ptr32, column: int, row: int) -> int:
    """1 when noise is expected there."""
    if not row ^ st[64]:
        return 0 if column ^ st[65] else 1
    return 0 if (row ^ st[63]) | (column ^ st[66]) else 1


@micropython.viper
def expect_noise(st: ptr32, rows: int, is_news: int):
    """So many rows of the last rectangle were noise. is_news: they were not known for it."""
    if is_news:
        st[61] <<= 1
        if st[61] > 16384:
            st[61] = 16384
        st[62] = st[61] if st[46] else 1 << 24  # for good
    if (st[6] ^ st[63]) | (st[4] ^ st[66]):
        st[65] = st[4]
    st[42] = 1
    st[63] = st[6]
    st[64] = st[6] + rows
    st[66] = st[4] + st[5] if st[46] else 4096


@micropython.viper
def run(st: ptr32, job) -> int:
    """Code a part: moves, then rectangles until none is left or budget or room is spent. Returns its bytes.

    Moves that do not fit are forgotten: their strips are still dirty, and follow as pixels. A rectangle is named if it
    was coded before. Where not a row fits, or noise may be over, only some of its columns are coded.

    job: what coder.py lists.
    """
    numbers = job[0]
    space = job[1]
    area = job[2]
    scratch = job[3]
    marks = ptr8(job[3])
    hashes = ptr32(job[12])
    window = job[4]
    dirty = job[5]
    rect = job[6]
    arrays = job[7]
    out = job[9]
    table = job[10]
    states = job[11]
    head = job[16]
    settle = job[20]
    shape = job[21]
    v = ptr16(job[22])
    o = ptr32(job[23])
    a = ptr32(area)
    w = ptr32(window)
    d = ptr8(dirty)
    r = ptr16(rect)
    q = ptr32(arrays[3])
    masked = ptr8(job[26])
    height = ptr16(shape)[1]
    column = 0
    columns = 0
    row = 0
    rows = 0
    px = 0
    n = 0
    i = 0
    j = 0
    y = 0
    above = 0
    fill = 0
    narrow = 0
    noisy = 0
    torn = 0
    begun = 0
    job[24](numbers, 0, 0)
    st[39] = 1
    large = 0  # more room is not to be expected
    if (st[41] - st[10]) * 4 >= st[49] * 3:
        large = 1
    if o[5] and st[38] and not st[53] | st[57]:
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
        if i:
            st[39] = 0
            st[45] = 1
            a[8] = 0
            a[11] = 0
            settle(dirty, 0, rect, shape, area)
        if i or large | st[58]:
            o[5] = 0
        else:
            st[38] = 0  # ask for more room
    while True:  # a condition here would be a jump too far for one port's compiler
        if not st[38]:
            break
        if st[53]:
            row = st[54]
            rows = st[35] - row
            if not rows:
                break
            column = st[55]
            columns = st[56] - column
            if column:
                rows = 1  # the rest of a row that was split
        else:
            if not r[4]:
                break
            column = r[0]
            columns = r[1]
            row = r[2]
            rows = r[3]
        fill = 0
        if st[48]:
            # leave what is all masked or all not; a keyframe's rows stay in raster order
            n = st[53]
            j = column
            while j < column + columns and not n:
                y = row
                while y < row + rows and not n:
                    n = masked[j * height + (y >> 3)] >> (y & 7) & 1
                    y += 1
                j += 1
            if n:
                j = column + columns
                if not st[53]:
                    while not d[column * height + (row >> 3)] >> (row & 7) & 1:
                        column += 1
                fill = masked[column * height + (row >> 3)] >> (row & 7) & 1
                columns = 0
                while column + columns < j:
                    if masked[(column + columns) * height + (row >> 3)] >> (row & 7) & 1 ^ fill:
                        break
                    columns += 1
                n = ptr16(job[27])[row]
                if rows > n:
                    rows = n
                if st[53] and columns < st[56]:
                    rows = 1
        a[9] = column
        a[10] = columns
        a[11] = row
        if q[8] and not st[53]:
            if columns * rows * st[40] >= 160:
                q[0] = column
                q[1] = columns
                q[2] = row
                q[3] = rows
                n = int(job[18](0, 0, arrays))
                if n:
                    if st[41] - st[2] < 92:
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
                    n = st[38] - columns * rows  # its hash took as long as one pixel a strip
                    if n < 0:
                        n = 0
                    st[38] = n
                    continue
        narrow = 0
        if st[42] and not st[62]:
            if int(job[33](numbers, column, row)):
                narrow = 2  # see if the noise is over, in one row
        if st[57] and not narrow:
            if not (st[39] and large | st[58]):
                break
            narrow = 1
        begun = st[2]
        while True:
            n = 0
            if narrow and not st[53]:
                # begin at a dirty strip, or what was coded before would come again, without end
                while not d[column * height + (row >> 3)] >> (row & 7) & 1:
                    column += 1
                    columns -= 1
            noisy = 0
            if st[42]:
                noisy = int(job[33](numbers, column, row))
            if narrow:
                # columns of which a row surely fits
                i = st[41] - st[2] - 222
                j = st[50]
                while n < columns:
                    i -= st[52]
                    j -= st[52]
                    if i < 0:
                        break
                    if noisy:
                        if not st[62] and n * st[52] >= 64:
                            break
                    elif n and j < 0:
                        break
                    n += 1
                if n < columns and st[53] or narrow > 1:
                    rows = 1
                columns = n
                if not n:
                    break
                n = 0
            if st[2] + 58 <= st[22]:
                px = columns * st[40]
                while rows > 1:
                    if rows * px <= st[38]:
                        break
                    rows -= 1
                above = st[34]
                if above > row:
                    above = row
                if st[47] | fill:
                    above = 0
                y = row - above
                while y < row:
                    i = column * height + (y >> 3)
                    j = columns
                    while j:
                        if d[i] >> (y & 7) & 1:
                            above = 0
                            break
                        if st[48] and masked[i] >> (y & 7) & 1:
                            above = 0
                            break
                        i += height
                        j -= 1
                    y += 1
                w[0] = column
                w[1] = column + columns
                w[2] = row - above
                w[3] = row + rows
                buffer = job[8]
                torn = 0
                st[12] = st[60]
                if fill:
                    buffer = job[28]
                    st[12] = 0
                else:
                    torn = int(job[13](buffer, job[14], job[15], job[12], scratch, window))
                    if torn and above:
                        w[3] = row
                        if int(job[13](buffer, job[14], job[15], job[12], scratch, window)):
                            above = 0
                st[3] = 3
                st[4] = column
                st[5] = columns
                st[6] = row
                st[7] = rows
                st[9] = 1 if above or not row else 0
                j = 0  # 1: raw
                if noisy and st[62] and not fill:
                    j = 1
                else:
                    y = st[2]
                    head(0, 0, out, table, states, numbers, space)
                    st[45] = 1
                    if not st[42] | st[53] | st[57]:
                        y = st[2]  # where noise is not expected, the head does not count
                    n = int(job[17](0, 0, buffer, out, table, states, numbers, space))
                    y = st[2] - y
                    st[43] += y
                    i = n * st[13]
                    # where time is short, pixels that take as much as their bytes are not worth fifty times the work
                    if st[3] == 2 or (st[46] and i >= 64 and y > i):
                        job[30](numbers, n, 1)
                        if not n:
                            j = 1
                    elif st[42]:
                        st[42] = 0
                        st[61] = 64
                        st[63] = 4096
                        st[64] = 4096
                if j:
                    n = rows
                    i = st[41] - st[2] - 66
                    while n:
                        if n * columns * st[52] <= i:
                            break
                        n -= 1
                    if n:
                        st[3] = 4
                        st[7] = n
                        head(0, 0, out, table, states, numbers, space)
                        st[45] = 1
                        job[29](0, 0, buffer, out, numbers)
                        y = st[62] - n * st[13]
                        st[62] = y if y > 0 else 0
                        job[30](numbers, n, 0)
                st[12] = st[60]
            if n or narrow or st[2] ^ begun:
                break
            if not (st[39] and large | st[58]):
                break
            narrow = 1
        if not n:
            break
        a[8] = n
        a[9] = column
        a[10] = columns
        settle(dirty, 0, rect, shape, area)
        if torn:
            w[2] = row
            w[3] = row + n
            job[34](scratch, height * st[56])
            torn = int(job[13](job[8], job[14], job[15], job[12], scratch, window))
            if torn:
                # a hash that nothing has: whatever the next refresh finds there is a change
                st[47] = 1
                st[59] = 1
                j = column
                while j < column + columns:
                    y = row
                    while y < row + n:
                        if marks[j * height + (y >> 3)] >> (y & 7) & 1:
                            hashes[j * q[6] + y] = 0x2C5E9D13
                        y += 1
                    j += 1
        i = n * px
        st[44] += i
        if i >= 160:
            st[29] += 1
            if q[7]:
                q[0] = column
                q[1] = columns
                q[2] = row
                q[3] = n
                y = q[9]
                job[19](0, 0, arrays)
                if torn:
                    ptr32(arrays[0])[y] = 0 - 1  # perhaps not what the refresh had: nothing is like it
        if st[53]:
            a[0] = row * st[60] + column * st[52]
            a[1] = st[60]
            a[2] = st[13]
            a[6] = st[15]
            a[7] = 255 if row + n < st[35] else st[37]
            if fill:
                a[0] = 0
                a[1] = 0
                job[31](job[28], 0, job[32], area)
            else:
                job[31](job[8], 0, job[32], area)
            st[55] = column + columns
            if st[55] == st[56]:
                st[55] = 0
                st[54] = row + n
                if st[54] >= st[35]:
                    a[8] = 0
                    a[11] = 0
                    settle(dirty, 0, rect, shape, area)  # a refresh may have marked what was coded
        st[39] = 0
        i = st[38] - i
        if i < 0:
            i = 0
        st[38] = i
    st[51] = 0
    if st[45]:
        job[25](0, 0, out, table, states, numbers)
    n = st[51]
    st[58] = 0
    if n:
        if st[39] and large:
            st[57] = 1
    else:
        y = r[4]
        if st[53]:
            y = st[35] - st[54]
        if y:
            st[58] = 1
    return n
