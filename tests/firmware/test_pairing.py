"""Link tokens against the contract, here and on MicroPython."""

import json
from pathlib import Path

import pytest
from pixeltrail.pairing import link_token, token_of

from tests.support import micropython

VECTORS = json.loads((Path(__file__).parents[2] / "schema/vectors/link_tokens.json").read_text())


class Recorder:
    """What the token is made of."""

    class _settings:
        device_id = "thermostat-1"

    def __init__(self, session_id):
        self._session_id = session_id

    def session_id(self):
        return self._session_id


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["replay_id"][:20])
def test_tokens_are_those_of_the_contract(vector):
    assert token_of(vector["replay_id"]) == vector["token"]


def test_a_session_nobody_knows_has_none():
    assert link_token(Recorder(-1)) is None
    assert link_token(Recorder(1767323045000)) == VECTORS[0]["token"]


def test_the_same_on_micropython(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "from pixeltrail.pairing import token_of\n"
        + "".join(f"print(token_of({vector['replay_id']!r}))\n" for vector in VECTORS)
    )
    printed = micropython.run(script, search=(tmp_path, micropython.FIRMWARE)).split()
    assert printed == [vector["token"] for vector in VECTORS]
