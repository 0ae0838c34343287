# type: ignore - assembler, to the eye of a compiler
"""Strip hashes in inline assembler, for Cortex-M3 and up. Written by tests/firmware/codec/make_thumb.py."""
# fmt: off
# ruff: noqa: F821

import micropython


@micropython.asm_thumb
def scan16(r0, r1, r2):
    """r0: the frame, r1: the hashes, both aligned to 4; r2: the context of assembly.py. Returns 0 when all columns are
    clean, else which row is the first changed one of the column that the context has got to, counted from 1."""
    mov(r3, r8)
    mov(r4, r9)
    mov(r5, r10)
    mov(r6, r11)
    push({r3, r4, r5, r6})
    mov(r11, r2)
    ldr(r3, [r2, 24])
    mov(r10, r3)
    ldr(r3, [r2, 4])
    add(r0, r0, r3)
    ldr(r3, [r2, 16])
    add(r1, r1, r3)
    mov(r8, r1)
    push({r0})
    label(COLUMN)
    mov(r2, r11)
    ldr(r3, [r2, 20])
    mov(r4, r8)
    add(r3, r3, r4)
    mov(r9, r3)
    ldr(r2, [r2, 0])
    label(STRIP)
    mov(r1, r2)
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    mov(r4, r8)
    ldr(r5, [r4, 0])
    add(r4, 4)
    mov(r8, r4)
    cmp(r1, r5)
    bne(CHANGED)
    mov(r5, r10)
    add(r0, r0, r5)
    mov(r5, r9)
    cmp(r4, r5)
    bne(STRIP)
    mov(r6, r11)
    ldr(r5, [r6, 32])
    add(r4, r4, r5)
    mov(r8, r4)
    ldr(r4, [r6, 28])
    sub(r4, 1)
    str(r4, [r6, 28])
    cmp(r4, 0)
    beq(CLEAN)
    pop({r0})
    ldr(r5, [r6, 8])
    cmp(r4, 1)
    bne(INNER)
    ldr(r5, [r6, 12])
    label(INNER)
    add(r0, r0, r5)
    push({r0})
    b(COLUMN)
    label(CLEAN)
    mov(r0, 0)
    b(DONE)
    label(CHANGED)
    mov(r5, r9)
    sub(r5, r5, r4)
    lsr(r5, r5, 2)
    mov(r6, r11)
    ldr(r0, [r6, 20])
    lsr(r0, r0, 2)
    sub(r0, r0, r5)
    label(DONE)
    pop({r1})
    pop({r3, r4, r5, r6})
    mov(r8, r3)
    mov(r9, r4)
    mov(r10, r5)
    mov(r11, r6)


@micropython.asm_thumb
def scan8(r0, r1, r2):
    """r0: the frame, r1: the hashes, both aligned to 4; r2: the context of assembly.py. Returns 0 when all columns are
    clean, else which row is the first changed one of the column that the context has got to, counted from 1."""
    mov(r3, r8)
    mov(r4, r9)
    mov(r5, r10)
    mov(r6, r11)
    push({r3, r4, r5, r6})
    mov(r11, r2)
    ldr(r3, [r2, 24])
    mov(r10, r3)
    ldr(r3, [r2, 4])
    add(r0, r0, r3)
    ldr(r3, [r2, 16])
    add(r1, r1, r3)
    mov(r8, r1)
    push({r0})
    label(COLUMN)
    mov(r2, r11)
    ldr(r3, [r2, 20])
    mov(r4, r8)
    add(r3, r3, r4)
    mov(r9, r3)
    ldr(r2, [r2, 0])
    label(STRIP)
    mov(r1, r2)
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}
    data(2, 0xFB01, 0x4102)  # mla r1, r1, r2, r4
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x5102)  # mla r1, r1, r2, r5
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x6102)  # mla r1, r1, r2, r6
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    data(2, 0xFB01, 0x7102)  # mla r1, r1, r2, r7
    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13
    mov(r4, r8)
    ldr(r5, [r4, 0])
    add(r4, 4)
    mov(r8, r4)
    cmp(r1, r5)
    bne(CHANGED)
    mov(r5, r10)
    add(r0, r0, r5)
    mov(r5, r9)
    cmp(r4, r5)
    bne(STRIP)
    mov(r6, r11)
    ldr(r5, [r6, 32])
    add(r4, r4, r5)
    mov(r8, r4)
    ldr(r4, [r6, 28])
    sub(r4, 1)
    str(r4, [r6, 28])
    cmp(r4, 0)
    beq(CLEAN)
    pop({r0})
    ldr(r5, [r6, 8])
    cmp(r4, 1)
    bne(INNER)
    ldr(r5, [r6, 12])
    label(INNER)
    add(r0, r0, r5)
    push({r0})
    b(COLUMN)
    label(CLEAN)
    mov(r0, 0)
    b(DONE)
    label(CHANGED)
    mov(r5, r9)
    sub(r5, r5, r4)
    lsr(r5, r5, 2)
    mov(r6, r11)
    ldr(r0, [r6, 20])
    lsr(r0, r0, 2)
    sub(r0, r0, r5)
    label(DONE)
    pop({r1})
    pop({r3, r4, r5, r6})
    mov(r8, r3)
    mov(r9, r4)
    mov(r10, r5)
    mov(r11, r6)
