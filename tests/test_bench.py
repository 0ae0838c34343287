"""The dispatcher of measurements: what it accepts, and what it prints."""

from __future__ import annotations

import pytest

from tests.bench import __main__ as bench

_RATIO = {"name": "codec.ratio", "value": 0.28125, "unit": "ratio", "against": "ZRLE", "detail": {"parts": 3}}
_COUNT = {"name": "heap.steady_bytes", "value": 12_345, "unit": "B", "against": None, "detail": None}


def test_a_figure_has_exactly_the_agreed_fields():
    bench.check_figures([_RATIO, _COUNT])
    with pytest.raises(ValueError, match="detail"):
        bench.check_figures([{"name": "x", "value": 1, "unit": "B", "against": None}])


def test_the_table_aligns_values():
    assert bench.table_of([_RATIO, _COUNT]).splitlines() == [
        "codec.ratio        0.2812 ratio  against ZRLE",
        "heap.steady_bytes  12,345 B",
    ]


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        bench.main(["nonsense"])
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["codec", "insn", "frames", "ingest", "view", "export"])
def test_each_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        bench.main([name, "--help"])
    assert ended.value.code == 0
    assert name in capsys.readouterr().out
