"""How the 256 states of S-CX were found. They are kept in firmware/pixeltrail/codec/tables.py and in schema/vectors.

    python -m tests.firmware.codec.make_states

compares. It is no source of the table: rounding of exp and log may differ from host to host.

The first states are levels of 1, 2, 5, 9 and 13 probabilities, which adapt by .45, .33, .22, .16 and .12 of the way: a
context that is new learns fast. All others are one ladder, from which a step leads 1/20 of the way, 1/30 at its ends,
but always to another state. The next state is the one whose logit is nearest to where the step leads.
"""

from __future__ import annotations

from math import exp, log

from pixeltrail.codec.tables import STATES

# States, reach, rate
LEVELS = (
    (1, 0.0, 0.45),
    (2, 1.0, 0.33),
    (5, 2.0, 0.22),
    (9, 2.6, 0.16),
    (13, 3.2, 0.12),
)
LADDER = len(LEVELS)
COUNT = 256


def logit(p: float) -> float:
    return log(p / (1 - p))


def ladder(side: int) -> list[float]:
    lower = []
    p = 0.5 * (1 - 1 / 20)
    for _ in range(side):
        lower.append(p)
        p *= 1 - (1 / 30 if p < 0.1 else 1 / 20)
    return lower[::-1] + [1 - p for p in lower]


def places() -> list[tuple[float, int]]:
    """Each state's probability and level."""
    found = []
    for level, (count, reach, _) in enumerate(LEVELS):
        for i in range(count):
            t = 2 * i / (count - 1) - 1 if count > 1 else 0.0
            found.append((1 / (1 + exp(-t * reach)), level))
    side = (COUNT - len(found)) // 2
    return found + [(p, LADDER) for p in ladder(side)]


def rate(p: float, level: int) -> float:
    if level < LADDER:
        return LEVELS[level][2]
    return 1 / 30 if p < 0.1 or p > 0.9 else 1 / 20


def following(state: int, bit: int, all_places: list[tuple[float, int]]) -> int:
    p, level = all_places[state]
    aim = logit(p + (bit - p) * rate(p, level))
    wanted = min(level + 1, LADDER)
    candidates = [k for k, (_, there) in enumerate(all_places) if there == wanted]
    if level == LADDER:
        candidates = [k for k in candidates if (k > state if bit else k < state)]
    return min(candidates, key=lambda k: abs(logit(all_places[k][0]) - aim), default=state)


def entries() -> list[int]:
    all_places = places()
    result = []
    for state, (p, _) in enumerate(all_places):
        scaled = min(max(int(p * 4096 + 0.5), 3), 4093)
        result.append(scaled << 16 | following(state, 0, all_places) << 8 | following(state, 1, all_places))
    return result


if __name__ == "__main__":
    kept = [int.from_bytes(STATES[i : i + 4], "little") for i in range(0, len(STATES), 4)]
    print("the same" if entries() == kept else "not the same")
