"""The search for rows of a column that moved up or down; in viper.

plain/moves.py is the same text for ports without an emitter; tests/firmware/codec/make_kernels.py writes it.
"""

import micropython


@micropython.viper
def look(n: int, runs: int, dirty, moves, job, seen) -> int:
    """Hash a window of the display (anysize.py), or `runs` of rows; return how many strips changed.

    Where moves are wanted, the kernel stops behind each column in which enough has changed, while its old hashes are
    there. n: 0. moves: numbers, list of moves and search(), or nothing. job: the kernel that hashes, the buffer, factor
    and mask, table of hashes, window. seen: column, first row and end of each run (codec/masked.py).
    """
    scan = job[0]
    buffer = job[1]
    factor = job[2]
    mask = job[3]
    table = job[4]
    window = job[5]
    find = job
    found = job
    numbers = window
    w = ptr32(window)
    s = ptr16(seen)
    i = 0
    changed = 0
    spared = 0
    is_wanted = 0
    w[10] = 1
    if moves:
        numbers = moves[0]
        found = moves[1]
        find = moves[2]
        is_wanted = 1
    q = ptr32(numbers)
    if is_wanted:
        q[5] = 0  # what was found before has been sent
        q[4] = q[10]
        if not runs:
            w[10] = 3 | q[7] << 2
    while True:
        if runs:
            if s[i] > w[9]:
                break
            w[0] = s[i]
            w[1] = s[i] + 1
            w[2] = s[i + 1]
            w[3] = s[i + 2]
            i += 3
        changed = int(scan(buffer, factor, mask, table, dirty, window))
        n += changed
        if runs:
            runs += changed
            if not s[i] ^ w[1] - 1:
                continue  # there is more of this column
            w[0] = w[1]
            changed = runs - 1
            runs = 1
        elif not w[10] & 2:
            break
        elif w[0] > w[1]:
            break
        elif not changed:
            break
        if changed and is_wanted:
            q[0] = w[0] - 1
            # a strip that is as it was took less, by more than this
            q[4] += (w[0] * q[1] - n) * 30 - spared
            spared = (w[0] * q[1] - n) * 30
            find(table, 0, 0, dirty, found, numbers)
            if not q[4]:
                is_wanted = 0
                w[10] = 1
    return n


@micropython.viper
def search(t: ptr32, i: int, h: int, d: ptr8, m: ptr16, q: ptr32) -> int:
    """Find the moves of one column, whose changed strips have just been marked; add them to a list; return how many.

    The hashes of changed strips as they were are in place; those of unchanged ones are put beside them first. The
    distance of the last move is tried first of all.

    t: hashes, `rows` to a column. i, h: any. d: dirty bits (bits.py). m: moves of five numbers: first column, columns,
    first row, rows, and the row that the first one came from. q: 0 column; 1 rows of a column; 2 rows that may move; 3
    dy tried first, then that of the last move, plus 4,096, since 64-bit viper does not read negative numbers; 4
    instructions left; 5 moves in m; 6 moves that m can hold; 7 changed rows that make a move; 8 the largest dy; 9 where
    in t the column's old hashes are; 10 instructions of a refresh.

    A changed row that differs from the one above it is looked for among the old rows, nearest first, and what is found
    grows up and down. After one that was not found ever more rows are left out, but never so many that a move could
    lie between. When no instructions are left, as they are counted here, nothing more is found.
    """
    column = q[0]
    base = column * q[1]
    g = column * ((q[1] + 7) >> 3)
    stop = q[2]
    least = q[7]
    shift = q[9] - base  # from a row of the table to the old one
    work = q[4] - 1000
    reach = q[8]
    floor = 0
    y = 0
    dy = 0
    old = 0
    first = 0
    last = 0
    up = 0
    down = 0
    waits = 0
    s = 0
    n = 0
    lo = 0
    hi = 0
    found = 0
    gap = 1
    miss = 0
    while y < q[1]:
        if not d[g + (y >> 3)] ^ 255:
            n += 8
            y += 8
            continue
        if d[g + (y >> 3)] >> (y & 7) & 1:
            n += 1
        else:
            t[base + y + shift] = t[base + y]
        y += 1
    if n < least:
        return 0
    if q[5]:
        reach = 0
    y = 0
    while True:
        if y >= stop:
            if found or reach:
                break
            reach = q[8]
            y = 0
            gap = 1
        work -= 25
        miss = 0
        if d[g + (y >> 3)] >> (y & 7) & 1:
            h = t[base + y]
            miss = 1
            if y:
                if not t[base + y - 1] ^ h:
                    miss = 0
        if miss:
            old = q[9] + y
            first = old - (y if y < reach else reach)
            last = old + (stop - 1 - y if stop - 1 - y < reach else reach)
            up = old
            down = old
            waits = 0  # the nearest one below has not had its turn
            dy = q[3] - 4096
            s = y + dy
            if s < 0:
                s = 0
            elif s >= stop:
                s = 0
            else:
                s += q[9]
                if t[s] ^ h:
                    s = 0
            while True:
                if not s:
                    if not waits:
                        i = down + 1
                        while i <= last:
                            if not t[i] ^ h:
                                waits = 1
                                break
                            i += 1
                        down = i
                    lo = first
                    if waits:
                        if old + old - down >= lo:
                            lo = old + old - down + 1
                    i = up - 1
                    while i >= lo:
                        if not t[i] ^ h:
                            break
                        i -= 1
                    up = i
                    if up >= lo:
                        s = up
                    elif waits:
                        s = down
                        waits = 0
                        up += 1
                    else:
                        break
                # it comes from s: grow
                dy = s - old
                s = shift + dy
                hi = base + stop
                if dy > 0:
                    hi -= dy
                i = base + y + 1
                while i < hi:
                    if t[i] ^ t[i + s]:
                        break
                    i += 1
                hi = i - base
                lo = base + floor
                if floor + dy < 0:
                    lo = base - dy
                i = base + y - 1
                while i >= lo:
                    if t[i] ^ t[i + s]:
                        break
                    i -= 1
                lo = i + 1 - base
                i = lo
                n = 0
                while i < hi:
                    n += d[g + (i >> 3)] >> (i & 7) & 1
                    i += 1
                    if not n ^ least:
                        break
                work -= (hi - lo) * 13 + (i - lo) * 16 + 100
                s = 0
                if work < 0:
                    break
                if n < least:
                    continue
                i = 0
                n = q[5] * 5
                while i < n:
                    if (
                        (m[i] + m[i + 1] ^ column)
                        | (m[i + 2] ^ lo)
                        | (m[i + 3] ^ (hi - lo))
                        | (m[i + 4] ^ (lo + dy))
                    ):
                        i += 5
                    else:
                        m[i + 1] += 1
                        n = 0 - 1
                if not i ^ n:
                    if q[5] < q[6]:
                        m[i] = column
                        m[i + 1] = 1
                        m[i + 2] = lo
                        m[i + 3] = hi - lo
                        m[i + 4] = lo + dy
                        q[5] += 1
                q[3] = dy + 4096
                floor = hi
                y = hi - 1
                found += 1
                gap = 1
                miss = 0
                break
            work -= (down - up) * 9 + 70
        if work < 0:
            break
        y += 1
        if miss:
            y += gap - 1
            if gap < least:
                gap += gap
    q[4] = work if work > 0 else 0
    return found
