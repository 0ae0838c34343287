"""The hashes of the kernels on 32 bits are those that the tests and trials judge."""

from __future__ import annotations

import struct

import pytest

from tests.firmware.armhf.measures import SCRIPTS
from tests.firmware.codec.make_kernels import SHAPES
from tests.firmware.codec.trials import evaluate
from tests.support import ports

PIXELS = bytes(range(256)) + bytes((i * 37 + 11) & 0xFF for i in range(256))
PITCH = 128


@pytest.mark.parametrize("port", (ports.ARMHF, ports.ARMHF_V6M, ports.ARMHF_V7M), ids=str)
def test_kernels_compute_their_expression(port: ports.Port) -> None:
    lines = port.run(SCRIPTS / "print_hashes.py", *SHAPES).split("\n")
    printed = dict(line.split() for line in lines if line)
    assert set(printed) == set(SHAPES)
    for name, table in printed.items():
        rows = [PIXELS[start : start + PITCH] for start in range(0, len(PIXELS), PITCH)]
        assert struct.unpack("<4I", bytes.fromhex(table)) == tuple(evaluate(name, row) for row in rows), name
