"""Where the processor is, asked every half millisecond, which leaves the shares as they are; cProfile does not."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

_EVERY_S = 0.0005
_PACKAGE = "pixeltrail_bridge"


class Sampler:
    """`with Sampler() as sampler:` on the main thread. Counts the function at work, C included, that is ours."""

    def __init__(self) -> None:
        self._seen: Counter[CodeType] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None and _PACKAGE not in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None:
            self._seen[frame.f_code] += 1

    def functions(self, count: int) -> dict[str, float]:
        """Shares of the `count` largest."""
        return {
            f"{_module(code)}.{code.co_qualname}": round(seen / self._seen.total(), 3)
            for code, seen in self._seen.most_common(count)
        }

    def parts(self) -> dict[str, float]:
        """Shares of the packages: wire, mapping, store ..."""
        found: Counter[str] = Counter()
        for code, seen in self._seen.items():
            found[_module(code).partition(".")[0]] += seen
        return {part: round(seen / self._seen.total(), 3) for part, seen in found.most_common()}


def _module(code: CodeType) -> str:
    words = Path(code.co_filename).with_suffix("").parts
    return ".".join(words[words.index(_PACKAGE) + 1 :])
