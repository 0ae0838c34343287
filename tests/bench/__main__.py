"""`./dev bench NAME [--json FILE] [options of that bench]`: measure, print the figures, keep them as JSON.

A figure is a dict: `name`, `value`, `unit`, `against` (what the value is a ratio to, or None), `detail`
(machine, parts, repetitions). The file holds `{"figures": [...]}`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

NAMES = ("codec", "insn", "frames", "ingest", "cluster", "store", "view", "export")
FIELDS = ("name", "value", "unit", "against", "detail")

_NOT_BUILT = 2

Figure = dict[str, Any]


def check_figures(figures: list[Figure]) -> None:
    for figure in figures:
        if tuple(sorted(figure)) != tuple(sorted(FIELDS)):
            raise ValueError(f"a figure has the fields {', '.join(FIELDS)}, got {', '.join(sorted(figure))}")


def _number(value: float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def table_of(figures: list[Figure]) -> str:
    rows = [(figure["name"], _number(figure["value"])) for figure in figures]
    name_width = max((len(name) for name, _ in rows), default=0)
    value_width = max((len(value) for _, value in rows), default=0)
    return "\n".join(
        f"{name:<{name_width}}  {value:>{value_width}} {figure['unit']}"
        + (f"  against {figure['against']}" if figure["against"] else "")
        for (name, value), figure in zip(rows, figures, strict=True)
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", add_help=False, allow_abbrev=False)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    if not argv or argv[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    options, rest = parser.parse_known_args(argv)

    module_name = f"tests.bench.bench_{options.name}"
    if importlib.util.find_spec(module_name) is None:
        print(f"bench {options.name} is not built yet: there is no {module_name}", file=sys.stderr)
        return _NOT_BUILT
    figures = importlib.import_module(module_name).main(rest)
    check_figures(figures)
    print(table_of(figures))
    if options.json:
        options.json.write_text(json.dumps({"figures": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
