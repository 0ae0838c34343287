"""The golden frames of schema/vectors/frames_cx.json, from the encoder on both interpreters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.firmware.codec.make_vectors import PATH, text
from tests.support import ports


def test_the_encoder_writes_them() -> None:
    assert PATH.read_text() == text(), "the encoder's bytes changed: that is a change of the wire, or a fault"


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_the_encoder_under_micropython_writes_them(port: ports.Port) -> None:
    printed = port.run(Path(__file__).parent / "encode_vectors.py", PATH, heap="16m")
    assert int(printed) == len(json.loads(PATH.read_text())["valid"])
