"""What it costs to send recordings as events: bytes and events for each sequence of the corpus, counted exactly.

    python -m tests.bench.inline_cost [--corpus FOLDER]

Each sequence is coded by the device library at its recorded times, goes through ingest and projector, and is counted
as it would be sent: JSON before gzip, with the usual window of 10 s.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support import corpus, every_kind, film, sessions


def recorded(name: str, folder: Path) -> Iterator[film.Timed]:
    """A sequence at its recorded times, a chunk for each part of a frame."""
    made = list(sessions.session(sessions.coded(name, folder=str(folder))))
    yield from ((one.received_ms, one.data) for one in made)


def measure(name: str, folder: Path) -> tuple[float, int, int, int, int]:
    """Seconds, bytes of chunks, events, their bytes, and those bytes in gzip."""
    with tempfile.TemporaryDirectory() as place:
        store = SqliteStore(Path(place) / "store.db", ("segment",))
        studio = film.Studio(store, every_kind.INLINE, sample_rate=1.0)
        messages = list(recorded(name, folder))
        for message in messages:
            studio.feed(message, device_id=sessions.DEVICE_ID, is_projected=False)
        every_kind.rest(studio)
        sent = [bytes(row.payload) for row in store.events(limit=1_000_000) if row.event == REPLAY_CHUNKS]
        store.close()
    seconds = (messages[-1][0] - messages[0][0]) / 1000
    return (
        seconds,
        sum(len(d) for _, d in messages),
        len(sent),
        sum(map(len, sent)),
        len(gzip.compress(b"".join(sent))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=corpus.DEFAULT_FOLDER)
    options = parser.parse_args()
    print(f"{'sequence':<24}{'s':>7}{'chunks B':>10}{'events':>8}{'JSON B':>10}{'gzip B':>10}{'B/s':>8}")
    for sequence in corpus.load_all(options.corpus):
        seconds, raw, events, size, packed = measure(sequence.name, options.corpus)
        line = f"{sequence.name:<24}{seconds:>7.1f}{raw:>10,}{events:>8}{size:>10,}{packed:>10,}"
        print(line + f"{size / max(seconds, 1):>8,.0f}")


if __name__ == "__main__":
    main()
