"""Stand-ins for esptool and mpremote: programs of that name that answer from a script and note what was asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.requirements import ROOT

RECORDED = ROOT / "tests" / "data" / "flash"
_PROGRAM = """#!{python}
import json, sys
from pathlib import Path

here = Path({folder!r})
words = sys.argv[1:]
with (here / "asked.jsonl").open("a") as file:
    file.write(json.dumps([{name!r}, *words]) + "\\n")
for key, (answer, status) in json.loads((here / "answers.json").read_text()).items():
    if key in [{name!r}, *words]:
        sys.stdout.write(answer)
        sys.exit(status)
sys.exit("no answer to " + repr(words))
"""
RUNNING = "is 1 26 {mpy} {machine}\n"


class Tools:
    """`answers`: what is printed, and the exit status, by a word of the command line; the first that matches."""

    def __init__(self, folder: Path, answers: Mapping[str, tuple[str, int]]) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "answers.json").write_text(json.dumps(answers))
        for name in ("esptool", "mpremote"):
            path = folder / name
            path.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), name=name))
            path.chmod(0o755)

    @property
    def asked(self) -> list[list[str]]:
        path = self.folder / "asked.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()
