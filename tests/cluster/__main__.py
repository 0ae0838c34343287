"""`python -m tests.cluster [--devices 1000] [--boards 20] [--minutes 10] [--seed K] [--report FILE]`"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from .report import report
from .run import run


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", allow_abbrev=False)
    parser.add_argument("--devices", type=int, default=1_000, help="that send recorded chunks")
    parser.add_argument("--boards", type=int, default=20, help="with the real encoder")
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults")
    parser.add_argument("--idle", type=float, default=0.985, help="share of the time nobody uses a device")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="pixeltrail-cluster-") as folder:
        verdict = run(
            Path(folder),
            devices=options.devices,
            boards=options.boards,
            seconds=options.minutes * 60,
            idle=options.idle,
            seed=options.seed,
        )
    text = report(verdict, options, os.getloadavg())
    print(text)
    if options.report:
        options.report.write_text(text)
    if not verdict.is_good:
        print(verdict, file=sys.stderr)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
