"""Shorter machine code for viper functions on Arm: what `mpy-cross` writes, with the detours left out.

The compiler goes over each expression once. Every operand is loaded into one register and moved to another, every
constant gets a register, every comparison becomes a 0 or 1 that is compared again, and a local that is not among the
first two lives on the stack. Here a function is decoded, rewritten until nothing changes, and encoded again: about half
of its bytes and two thirds of its instructions are left. What it computes, its calls and its frame stay as they were.

    files.shorten(compiled, model, is_armv6m)    a .mpy, and the same module compiled for armv7m

Functions are decoded from the code for armv7m, which says plainly what the one for armv6m needs detours for: far jumps
and large numbers. A function with anything that is not known here is left as it was; so is bytecode.

instructions.py decodes, flow.py says what is needed where, passes.py rewrites, machine.py encodes.
"""
