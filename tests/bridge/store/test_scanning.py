"""An ID is found where it stands by itself, however it is encoded, and a sibling's is not taken for it."""

from __future__ import annotations

import base64

import pytest
from pixeltrail_bridge.store.scanning import Needle, cbor_text

SIBLINGS = ["sim-0001", "sim-0004", "sim-00031", "asim-0003"]


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("tail", range(3))
@pytest.mark.parametrize("name", ["sim-0003", "kitchen-1", "kitchen-01", "Jürgen-007"])
def test_base64_is_found_at_every_place(name: str, shift: int, tail: int) -> None:
    for form in (cbor_text(name), b"<" + name.encode() + b">"):
        text = base64.b64encode(b"\0" * shift + form + b"\0" * tail)
        assert Needle(name).is_in(b'{"data":"' + text + b'"}')
        assert Needle(name).is_in(b'{"data":"' + text.rstrip(b"=") + b'"}')
    assert Needle(name).is_in(base64.b64encode(name.encode()))


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("name", SIBLINGS)
def test_a_sibling_is_not_taken_for_it(name: str, shift: int) -> None:
    text = base64.b64encode(b"\0" * shift + cbor_text(name) + b"\0" * 9)
    assert not Needle("sim-0003").is_in(b'{"data":"' + text + b'"}')
