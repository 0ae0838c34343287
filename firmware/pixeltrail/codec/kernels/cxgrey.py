"""Pixels of one rectangle in S-CX, of 2 to 8 bits (schema/wire.md, "Pixels"); in viper.

ws holds the two rows above the one that is coded, as they were coded, one number a pixel, with the last one repeated
twice after its end. They are brought up to date pixel by pixel, so that a chunk like the row above costs nothing more,
and whoever draws meanwhile cannot make the two sides differ. Where pixels are not words of two, each row is read into a
third one before. Rules and arguments: cxhead.py.
"""
# ruff: noqa: E501 - generated

import micropython


@micropython.viper
def code(rng: int, c: int, p: ptr8, out: ptr8, T: ptr32, pr: ptr8, st: ptr32, ws: ptr16) -> int:
    """Code the rows of a rectangle; return how many went in whole. Stops early, inside a row, where told to below.

    st: [11] byte of the first row to read, [12] pitch, [14] rows to code; [17] pixels of a row, [18] rows above to read
    first, [19] bits of a pixel, [20] 1: 16-bit pixels come high byte first, [21] how to read 16-bit pixels: 2 in words
    of two, 1 in half words, 0 in bytes, [22] stop when `out` is filled to here, [23] context of "stop". Sets [3], why
    it stopped: 0 it did not, 1 for want of room, 2 it takes more than its raw bytes.
    ws: from 80 the colours (2 x 64), from 208 a mode for each chunk, from st[67] two rows, or three.
    """
    low = st[0]
    rng = st[1]
    k = st[2]
    at = st[11]
    w = st[17]
    bits = st[19]
    above = st[18]
    left = st[14] + above
    done = 0
    mark = k + 31
    stop = 0
    size = (w + 5) & 0x7FE
    up = st[67]
    up2 = up + size
    cur = up2 + size
    first = above  # 2 in a row for which the two rows above may differ
    x = 0
    i = 0
    e = 0
    j = 0
    a = 0
    b = 0
    t = 0
    m = 0
    n = 0
    v = 0
    N = 0
    W = 0
    NE = 0
    NEE = 0
    NW = 0
    cc = 0
    es = 0
    ci = 0
    lc = 0
    hs = 0
    g = 0
    sg = 0
    hf = 0
    x = 208
    e = 208 + (w + 15 >> 4)
    while x < e:
        ws[x] = 0
        x += 1
    if not above:
        # nothing is known above: zeros
        x = up
        while x < cur:
            ws[x] = 0
            x += 1
    Q = ptr16(int(ws) + (up << 1))
    R = ptr16(int(ws) + (up2 << 1))
    while True:
        if not left:
            break
        left -= 1
        # read a row
        i = at
        at += st[12]
        x = cur
        if above:
            x = up
            if above > 1:
                x = up2
        e = x + w
        P = ptr16(int(ws) + (cur << 1))
        if bits > 4:
            while x < e:
                ws[x] = p[i]
                x += 1
                i += 1
        elif bits > 2:
            while x < e:
                ws[x] = p[i] >> 4
                ws[x + 1] = p[i] & 15
                x += 2
                i += 1
        else:
            while x < e:
                b = p[i]
                ws[x] = b & 3
                ws[x + 1] = b >> 2 & 3
                ws[x + 2] = b >> 4 & 3
                ws[x + 3] = b >> 6
                x += 4
                i += 1
        if above:
            above -= 1
            if not above:
                Q[w] = Q[w - 1]
                Q[w + 1] = Q[w - 1]
                if first < 2:
                    x = 0
                    while x < w:
                        R[x] = Q[x]
                        x += 1
            continue
        x = 0
        ci = 208
        lc = 0
        while True:
            if not (x ^ w):
                break
            if k > mark:
                mark = k + 31
                stop = 0
                if k > st[22]:
                    stop = 1
                elif k - st[2] > 8 + (((done * w + x) * bits) >> 3):
                    stop = 2
                i = st[23]
                while not rng >> 22:
                    if low >> 30:
                        low &= 0x3FFFFFFF
                        j = k - 1
                        while out[j] == 255:
                            out[j] = 0
                            j -= 1
                        out[j] += 1
                    out[k] = low >> 22
                    k += 1
                    low = (low & 0x3FFFFF) << 8
                    rng <<= 8
                t = T[pr[i]]
                m = (rng >> 12) * (t >> 16)
                if stop:
                    rng = m
                    pr[i] = t
                else:
                    low += m
                    rng -= m
                    pr[i] = t >> 8
                if stop:
                    break
            n = w - x
            b = 0
            if n > 15:
                n = 16
                i32 = ptr32(int(P) + (x << 1))
                j32 = ptr32(int(Q) + (x << 1))
                b = (i32[0] ^ j32[0]) | (i32[1] ^ j32[1]) | (i32[2] ^ j32[2]) | (i32[3] ^ j32[3])
                if not b:
                    b = (i32[4] ^ j32[4]) | (i32[5] ^ j32[5]) | (i32[6] ^ j32[6]) | (i32[7] ^ j32[7])
            else:
                j = x
                while j < w:
                    b |= P[j] ^ Q[j]
                    j += 1
            m = ws[ci]
            c = 552 + lc + (m << 2)
            if not b:
                if m | first:
                    # what was above is now two above
                    if n > 15:
                        i32 = ptr32(int(R) + (x << 1))
                        j32 = ptr32(int(Q) + (x << 1))
                        i32[0] = j32[0]
                        i32[1] = j32[1]
                        i32[2] = j32[2]
                        i32[3] = j32[3]
                        i32[4] = j32[4]
                        i32[5] = j32[5]
                        i32[6] = j32[6]
                        i32[7] = j32[7]
                        x += 16
                    else:
                        while x < w:
                            R[x] = Q[x]
                            x += 1
                else:
                    x += n
            while not rng >> 22:
                if low >> 30:
                    low &= 0x3FFFFFFF
                    j = k - 1
                    while out[j] == 255:
                        out[j] = 0
                        j -= 1
                    out[j] += 1
                out[k] = low >> 22
                k += 1
                low = (low & 0x3FFFFF) << 8
                rng <<= 8
            t = T[pr[c]]
            m = (rng >> 12) * (t >> 16)
            if b:
                low += m
                rng -= m
                pr[c] = t >> 8
            else:
                rng = m
                pr[c] = t
                ws[ci] = 0
                lc = 0
                ci += 1
                continue
            e = x + n
            W = Q[x]
            if x:
                W = Q[x - 1]
            c += 16
            S = ptr16(int(P) + (x << 1))
            U = ptr16(int(Q) + (x << 1))
            V = ptr16(int(R) + (x << 1))
            N = U[0]
            NE = U[1]
            NW = N
            if x:
                NW = R[x - 1]
            x = e
            b = S[0] ^ W
            j = n
            while not b:
                j -= 1
                b = S[j] ^ W
                if not j:
                    break
            while not rng >> 22:
                if low >> 30:
                    low &= 0x3FFFFFFF
                    j = k - 1
                    while out[j] == 255:
                        out[j] = 0
                        j -= 1
                    out[j] += 1
                out[k] = low >> 22
                k += 1
                low = (low & 0x3FFFFF) << 8
                rng <<= 8
            t = T[pr[c]]
            m = (rng >> 12) * (t >> 16)
            if b:
                low += m
                rng -= m
                pr[c] = t >> 8
            else:
                rng = m
                pr[c] = t
                ws[ci] = 1
                lc = 1
                ci += 1
                while n:
                    n -= 1
                    V[n] = U[n]
                    U[n] = W
                continue
            ws[ci] = 2
            lc = 2
            ci += 1
            # a mixed chunk
            e = int(S) + (n << 1)
            es = 0
            c = 0
            if not (N ^ NW):
                c = 2
            if not (N ^ NE):
                c |= 1
            c <<= 1
            if not (W ^ NW):
                c |= 16
            while True:
                if not (int(S) ^ e):
                    break
                v = S[0]
                NEE = U[2]
                if not (NE ^ NEE):
                    c |= 1
                if not (W ^ N):
                    c |= 8
                if not (N ^ V[0]):
                    c |= 128
                if es:
                    # the last pixel was in no table: is this one?
                    es = 0
                    if v ^ W and v ^ N and v ^ NE:
                        a = 80 + ((v ^ v >> 5 ^ v >> 9) & 63)
                        b = 144 + ((W ^ W >> 5 ^ W >> 9) & 63)
                        if v ^ ws[a] and v ^ ws[b]:
                            es = 1
                    a = 580 + (c >> 5 & 3)
                    while not rng >> 22:
                        if low >> 30:
                            low &= 0x3FFFFFFF
                            j = k - 1
                            while out[j] == 255:
                                out[j] = 0
                                j -= 1
                            out[j] += 1
                        out[k] = low >> 22
                        k += 1
                        low = (low & 0x3FFFFF) << 8
                        rng <<= 8
                    t = T[pr[a]]
                    m = (rng >> 12) * (t >> 16)
                    if es:
                        rng = m
                        pr[a] = t
                    else:
                        low += m
                        rng -= m
                        pr[a] = t >> 8
                if not es:
                    while not rng >> 22:
                        if low >> 30:
                            low &= 0x3FFFFFFF
                            j = k - 1
                            while out[j] == 255:
                                out[j] = 0
                                j -= 1
                            out[j] += 1
                        out[k] = low >> 22
                        k += 1
                        low = (low & 0x3FFFFF) << 8
                        rng <<= 8
                    t = T[pr[c]]
                    m = (rng >> 12) * (t >> 16)
                    if v ^ W:
                        low += m
                        rng -= m
                        pr[c] = t >> 8
                    else:
                        rng = m
                        pr[c] = t
                        c = (c << 1) & 0x56
                        U[0] = W
                        V[0] = N
                        N = NE
                        NE = NEE
                        S = ptr16(int(S) + 2)
                        U = ptr16(int(U) + 2)
                        V = ptr16(int(V) + 2)
                        continue
                if k > mark:
                    mark = k + 31
                    stop = 0
                    if k > st[22]:
                        stop = 1
                    elif k - st[2] > 8 + (((done * w + x - (e - int(S) >> 1)) * bits) >> 3):
                        stop = 2
                    i = st[23]
                    while not rng >> 22:
                        if low >> 30:
                            low &= 0x3FFFFFFF
                            j = k - 1
                            while out[j] == 255:
                                out[j] = 0
                                j -= 1
                            out[j] += 1
                        out[k] = low >> 22
                        k += 1
                        low = (low & 0x3FFFFF) << 8
                        rng <<= 8
                    t = T[pr[i]]
                    m = (rng >> 12) * (t >> 16)
                    if stop:
                        rng = m
                        pr[i] = t
                    else:
                        low += m
                        rng -= m
                        pr[i] = t >> 8
                    if stop:
                        break
                cc = (c << 1) & 0x46 | 32
                n = 0
                hs = 0
                while True:
                    if not es:
                        if W ^ N:
                            a = 256 + c
                            while not rng >> 22:
                                if low >> 30:
                                    low &= 0x3FFFFFFF
                                    j = k - 1
                                    while out[j] == 255:
                                        out[j] = 0
                                        j -= 1
                                    out[j] += 1
                                out[k] = low >> 22
                                k += 1
                                low = (low & 0x3FFFFF) << 8
                                rng <<= 8
                            t = T[pr[a]]
                            m = (rng >> 12) * (t >> 16)
                            if v ^ N:
                                low += m
                                rng -= m
                                pr[a] = t >> 8
                            else:
                                rng = m
                                pr[a] = t
                                cc |= 16
                                break
                        if NE ^ W and NE ^ N:
                            a = (512 + (c & 31)) << 1
                            if not (v ^ NE):
                                a |= 1
                            ws[n] = a
                            n += 1
                            if a & 1:
                                break
                        if bits < 5:
                            g = v
                            hs = bits
                            sg = 648 + (W << bits)
                            break
                        hf = c >> 4 & 2 | 1
                        a = 144 + ((W ^ W >> 5 ^ W >> 9) & 63)
                        g = ws[a]
                        if g ^ W and g ^ N:
                            b = (548 + hf) << 1
                            if not (g ^ v):
                                b |= 1
                            ws[n] = b
                            n += 1
                            if b & 1:
                                break
                        ws[a] = v
                        a = (v ^ v >> 5 ^ v >> 9) & 63
                        b = (544 + hf) << 1
                        if v ^ ws[80 + a]:
                            ws[n] = b
                            n += 1
                        else:
                            ws[n] = b | 1
                            n += 1
                            g = a
                            hs = 6
                            sg = 584
                            break
                    es = 1
                    ws[80 + ((v ^ v >> 5 ^ v >> 9) & 63)] = v
                    ws[144 + ((W ^ W >> 5 ^ W >> 9) & 63)] = v
                    g = v
                    hs = 8
                    sg = 648
                    break
                i = 0
                while i < n:
                    a = ws[i]
                    i += 1
                    while not rng >> 22:
                        if low >> 30:
                            low &= 0x3FFFFFFF
                            j = k - 1
                            while out[j] == 255:
                                out[j] = 0
                                j -= 1
                            out[j] += 1
                        out[k] = low >> 22
                        k += 1
                        low = (low & 0x3FFFFF) << 8
                        rng <<= 8
                    if a >> 15:
                        b = a >> 8 & 15
                        rng >>= b
                        low += rng * (a & 255)
                    else:
                        b = a & 1
                        a >>= 1
                        t = T[pr[a]]
                        m = (rng >> 12) * (t >> 16)
                        if b:
                            rng = m
                            pr[a] = t
                        else:
                            low += m
                            rng -= m
                            pr[a] = t >> 8
                if hs:
                    # a tree of hs bits: the number g, in contexts from sg on
                    c = 1
                    while hs:
                        hs -= 1
                        while not rng >> 22:
                            if low >> 30:
                                low &= 0x3FFFFFFF
                                j = k - 1
                                while out[j] == 255:
                                    out[j] = 0
                                    j -= 1
                                out[j] += 1
                            out[k] = low >> 22
                            k += 1
                            low = (low & 0x3FFFFF) << 8
                            rng <<= 8
                        a = sg + c
                        t = T[pr[a]]
                        m = (rng >> 12) * (t >> 16)
                        if g >> hs & 1:
                            rng = m
                            pr[a] = t
                            c += c + 1
                        else:
                            low += m
                            rng -= m
                            pr[a] = t >> 8
                            c += c
                V[0] = N
                U[0] = v
                W = v
                c = cc
                N = NE
                NE = NEE
                S = ptr16(int(S) + 2)
                U = ptr16(int(U) + 2)
                V = ptr16(int(V) + 2)
            if stop:
                break
        if stop:
            break
        done += 1
        Q[w] = Q[w - 1]
        Q[w + 1] = Q[w - 1]
        if not first:
            # the second row of a rectangle whose rows above are not known has its first in place of both
            if done < 2:
                x = 0
                while x < w:
                    R[x] = Q[x]
                    x += 1
        first = 0
    st[0] = low
    st[1] = rng
    st[2] = k
    st[3] = stop
    return done
