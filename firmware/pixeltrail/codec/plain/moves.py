"""kernels/moves.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def complete(t, d, q):
    """Put the hashes of unchanged strips of column q[0] beside those that the refresh kept of changed ones.

    Returns how many changed.
    """
    rows = q[1]
    b = q[0] * rows
    o = q[9]
    g = q[0] * ((rows + 7) >> 3)
    n = 0
    y = 0
    while y < rows:
        if d[g + (y >> 3)] >> (y & 7) & 1:
            n += 1
        else:
            t[o + y] = t[b + y]
        y += 1
    return n


def search(t, d, m, q):
    """Find the moves of one column and add them to a list; returns how many.

    t: hashes, `rows` to a column. d: dirty bits (bits.py). m: moves of five numbers: first column, columns, first row,
    rows, and the row that the first one came from. q: 0 column; 1 rows of a column; 2 rows that may move; 3 dy tried
    first, then that of the last move, plus 4,096, since 64-bit viper does not read negative numbers; 4 steps left; 5
    moves in m; 6 moves that m can hold; 7 changed rows that make a move; 8 the largest dy; 9 where in t the column's
    old hashes are.

    A changed row that differs from the one above it is looked for among the old rows, nearest first, and what is found
    grows up and down. After one that was not found ever more rows are left out, but never so many that a move could
    lie between. A step is a row looked at, about 40 instructions; when none are left, nothing more is found.
    """
    column = q[0]
    b = column * q[1]
    g = column * ((q[1] + 7) >> 3)
    o = q[9]
    stop = q[2]
    steps = q[4]
    far = 2 * q[8]
    floor = 0
    y = 0
    h = 0
    k = 0
    dy = 0
    s = 0
    n = 0
    lo = 0
    hi = 0
    found = 0
    gap = 1
    miss = 0
    while y < stop:
        k = far + 1
        miss = 0
        if d[g + (y >> 3)] >> (y & 7) & 1:
            h = t[b + y]
            k = 0
            miss = 1
            if y:
                if not t[b + y - 1] ^ h:
                    k = far + 1
                    miss = 0
        while k <= far:
            dy = (k + 1) >> 1
            if not k & 1:
                dy = 0 - dy
            if not k:
                dy = q[3] - 4096
            k += 1
            s = y + dy
            steps -= 1
            if s < 0:
                continue
            if s >= stop:
                continue
            if t[o + s] ^ h:
                continue
            if steps < 0:
                break
            lo = y
            hi = y + 1
            n = 1
            while lo > floor:
                if lo + dy <= 0:
                    break
                if t[b + lo - 1] ^ t[o + lo + dy - 1]:
                    break
                lo -= 1
                n += d[g + (lo >> 3)] >> (lo & 7) & 1
            while hi < stop:
                if hi + dy >= stop:
                    break
                if t[b + hi] ^ t[o + hi + dy]:
                    break
                n += d[g + (hi >> 3)] >> (hi & 7) & 1
                hi += 1
            steps -= hi - lo
            if n < q[7]:
                continue
            k = 0
            s = q[5] * 5
            while k < s:
                if (
                    (m[k] + m[k + 1] ^ column)
                    | (m[k + 2] ^ lo)
                    | (m[k + 3] ^ (hi - lo))
                    | (m[k + 4] ^ (lo + dy))
                ):
                    k += 5
                else:
                    m[k + 1] += 1
                    s = 0 - 1
            if k == s:
                if q[5] < q[6]:
                    m[k] = column
                    m[k + 1] = 1
                    m[k + 2] = lo
                    m[k + 3] = hi - lo
                    m[k + 4] = lo + dy
                    q[5] += 1
            q[3] = dy + 4096
            floor = hi
            y = hi - 1
            k = far + 1
            found += 1
            gap = 1
            miss = 0
        if steps < 0:
            break
        y += 1
        if miss:
            y += gap - 1
            if gap < q[7]:
                gap += gap
    q[4] = steps
    return found
