"""What bad lines do to bytes, as functions for simulate.PtyPair. Each is driven by a seed, not by chance."""

from __future__ import annotations

import random
from collections.abc import Callable

Fault = Callable[[bytes], bytes]


def flips(seed: int, one_in: int) -> Fault:
    """One bit in about `one_in` bytes arrives turned over."""
    dice = random.Random(seed)

    def fault(data: bytes) -> bytes:
        out = bytearray(data)
        for at in range(len(out)):
            if dice.randrange(one_in) == 0:
                out[at] ^= 1 << dice.randrange(8)
        return bytes(out)

    return fault


def drops(seed: int, one_in: int, longest: int = 40) -> Fault:
    """About one in `one_in` bytes begins a run that never arrives."""
    dice = random.Random(seed)

    def fault(data: bytes) -> bytes:
        out = bytearray()
        skip = 0
        for byte in data:
            if not skip and dice.randrange(one_in) == 0:
                skip = dice.randint(1, longest)
            if skip:
                skip -= 1
            else:
                out.append(byte)
        return bytes(out)

    return fault


def repeats(seed: int, one_in: int) -> Fault:
    """About one piece in `one_in` arrives twice."""
    dice = random.Random(seed)
    return lambda data: data * 2 if dice.randrange(one_in) == 0 else data


class Cut:
    """A wire that is pulled out and put back: while `cut` is True nothing arrives."""

    def __init__(self) -> None:
        self.cut = False

    def __call__(self, data: bytes) -> bytes:
        return b"" if self.cut else data


def chain(*faults: Fault) -> Fault:
    """All of them, in this order."""

    def fault(data: bytes) -> bytes:
        for each in faults:
            data = each(data)
        return data

    return fault
