"""Messages judged by schema/wire.cddl itself."""

from __future__ import annotations

from functools import cache

from cddl_verifier import Validator

from .requirements import ROOT

_MOST = 300  # characters of a verdict; the verifier explains every alternative it tried


@cache
def _validator() -> Validator:
    return Validator((ROOT / "schema" / "wire.cddl").read_text(encoding="utf-8"))


@cache
def _verdict(message: bytes, rule: str) -> str:
    result = _validator().validate(message, rule)
    return "" if result.valid else str(result.diagnostics[0])[:_MOST]


def check(message: bytes, rule: str = "message") -> None:
    """Raise AssertionError unless `message` is what `rule` of the CDDL allows."""
    verdict = _verdict(bytes(message), rule)
    assert not verdict, f"{message.hex()} is no {rule}: {verdict}"
