"""`python -m tests.fuzz.lines TARGET FOLDER...`: how many lines of a decoder the inputs in the folders reach, as JSON.

Lines inside functions alone: those of a module or a class run with the import, whatever comes.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from . import targets

Line = tuple[str, int]


def of_code(code: types.CodeType, only: str = "") -> Iterator[Line]:
    """Lines of the functions in it; with `only` of that function, or of that class's."""
    for constant in code.co_consts:
        if not isinstance(constant, types.CodeType):
            continue
        name = constant.co_qualname + "."
        if name.startswith(only) or only.startswith(name):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                first = constant.co_firstlineno
                yield from ((constant.co_filename, n) for _, _, n in constant.co_lines() if n and n != first)
            yield from of_code(constant, only)


def of_module(name: str) -> set[Line]:
    module, _, only = name.partition(":")
    path = str(import_module(module).__file__)
    return set(of_code(compile(Path(path).read_text(), path, "exec"), only and only + "."))


def reached(name: str, inputs: list[bytes]) -> tuple[set[Line], set[Line]]:
    """Lines that were run, of those there are."""
    target = targets.load(name)
    wanted = set[Line]().union(*map(of_module, target.MODULES))
    files, seen = {file for file, _ in wanted}, set[Line]()

    def note(frame: types.FrameType, event: str, _argument: Any) -> Any:
        if event == "call" and frame.f_code.co_filename not in files:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return note

    sys.settrace(note)
    try:
        for data in inputs:
            target.one(data)
    finally:
        sys.settrace(None)
    return seen & wanted, wanted


def main() -> None:
    name, *folders = sys.argv[1:]
    inputs = [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
    seen, wanted = reached(name, inputs)
    missed: dict[str, list[int]] = {}
    for file, line in sorted(wanted - seen):
        missed.setdefault(Path(file).name, []).append(line)
    print(json.dumps({"lines": len(seen), "of": len(wanted), "missed": missed}))


if __name__ == "__main__":
    main()
