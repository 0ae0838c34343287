"""The process that fuzzes one target: `python -m tests.fuzz.worker [--blind] TARGET [options of libFuzzer] FOLDER...`.

libFuzzer ends a process when it is done, or when it found something: hence one of its own. `--blind` leaves the code
without instruments, and the fuzzer without eyes.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    arguments = sys.argv[1:]
    is_blind = arguments[0] == "--blind"
    name = arguments[is_blind]
    from . import targets

    module = f"{targets.__name__}.{name}"
    if is_blind:
        target = targets.load(name)
    else:
        # what a target says is not known before it is imported, and then it is too late: all of ours
        with atheris.instrument_imports(include=["pixeltrail", "pixeltrail_bridge", module]):
            target = targets.load(name)
    atheris.Setup([sys.argv[0], *arguments[1 + is_blind :]], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
