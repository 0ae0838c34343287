"""`python -m tests.fuzz TARGET [--minutes N | --runs N] [--corpus FOLDER] [--report FILE] [--seed K]`.

Ends with 1 when an input was found that breaks the target, and names the file that holds it, in the folder `found` of
the corpus. A corpus may be used again: the next run goes on from there. `--report` adds a line of JSON to a file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from . import targets
from .runs import Limit, fuzz


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", allow_abbrev=False)
    parser.add_argument("target", choices=targets.NAMES)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=5.0)
    length.add_argument("--runs", type=int)
    parser.add_argument("--corpus", type=Path, help="keeps what reaches further; one of its own without it")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix=f"pixeltrail-fuzz-{options.target}-"))
    limit = Limit(runs=options.runs) if options.runs else Limit(seconds=round(options.minutes * 60))
    outcome = fuzz(options.target, limit, corpus, options.seed)
    line = json.dumps(dataclasses.asdict(outcome))
    print(line)
    if options.report:
        with options.report.open("a") as report:
            report.write(line + "\n")
    if outcome.found:
        print(outcome.log, file=sys.stderr)
        print(
            f"found: {', '.join(outcome.found)}; mend it and keep the bytes in tests/data/fuzz",
            file=sys.stderr,
        )
    return 1 if outcome.found else 0


if __name__ == "__main__":
    sys.exit(main())
