"""`./dev bench export [--minutes N] [--corpus FOLDER]`: how fast sessions become files.

`export.speed` is seconds of session exported to GIF per second: of one ten-minute session for each sequence, made of it
again and again at its own pace, all their seconds over all the time it took. From chunks in memory to a file on the
disk: decoding, composing, coding, with the usual options. The other formats are figures of their own, from sessions of
a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixeltrail_bridge.export import formats
from pixeltrail_bridge.export.files import write_file
from pixeltrail_bridge.export.formats import Session
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.replay.recording import Recording

from tests.support import corpus, sessions

FORMATS = ("gif", "mp4", "mp4 --lossless", "html", "rrweb", "ptr")
_MINUTES = 10.0
_OTHER_MINUTES = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    sequence: str
    format: str
    session_s: float
    pictures: int
    took_s: float
    cpu_s: float  # of this process: on a busy machine, what it would take on a quiet one
    size_bytes: int

    @property
    def speed(self) -> float:
        return self.session_s / self.took_s


def make(name: str, folder: Path, minutes: float) -> Session:
    """A session of at least so many minutes."""
    coded = sessions.coded(name, folder=str(folder))
    rounds = max(1, -(-round(minutes * 60_000) // coded.round_ms))
    chunks = list(sessions.session(coded, rounds))
    recording = Recording.of_chunks(sessions.DEVICE_ID, sessions.SESSION_ID, sessions.START_MS, chunks)
    return Session(recording, lambda: (), lambda: chunks)


def measure(name: str, session: Session, format: str, folder: Path) -> Run:
    recording = session.recording
    options = Options(lossless=format.endswith("--lossless"))
    chosen = formats.named(format.split()[0])
    path = folder / f"{name}{chosen.suffix}"
    began_s, cpu_s = time.perf_counter(), time.process_time()
    size_bytes = write_file(session, chosen, options, path, lambda share: None, replace=True)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    path.unlink()
    pictures = sum(1 for _ in recording.pictures())
    return Run(
        name, format, (recording.end_ms - recording.start_ms) / 1000, pictures, took_s, cpu_s, size_bytes
    )


def speed_of(runs: Sequence[Run]) -> float:
    return sum(run.session_s for run in runs) / sum(run.took_s for run in runs)


def figures(runs: Sequence[Run]) -> list[dict[str, Any]]:
    machine = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    }
    found = []
    for format in FORMATS:
        chosen = [run for run in runs if run.format == format]
        if not chosen:
            continue
        sequences = {
            run.sequence: {
                "speed": round(run.speed, 1),
                "session_s": round(run.session_s),
                "pictures": run.pictures,
                "took_s": round(run.took_s, 2),
                "cpu_s": round(run.cpu_s, 2),
                "size_bytes": run.size_bytes,
            }
            for run in chosen
        }
        found.append(
            {
                "name": "export.speed" if format == "gif" else f"export.speed, {format}",
                "value": round(speed_of(chosen), 1),
                "unit": "s of session/s",
                "against": None,
                "detail": {
                    **machine,
                    "slowest": round(min(run.speed for run in chosen), 1),
                    "per_cpu_second": round(
                        sum(r.session_s for r in chosen) / sum(r.cpu_s for r in chosen), 1
                    ),
                    "sequences": sequences,
                },
            }
        )
    return found


def main(arguments: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench export")
    parser.add_argument("--minutes", type=float, default=_MINUTES)
    parser.add_argument("--corpus", type=Path, default=corpus.DEFAULT_FOLDER)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=FORMATS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        warm = make(corpus.names(options.corpus)[0], options.corpus, 0)
        for format in options.formats:
            measure("warm", warm, format, Path(folder))  # compile the decoder, load libraries
        runs = []
        for name in corpus.names(options.corpus):
            whole = make(name, options.corpus, options.minutes)
            part = make(name, options.corpus, min(options.minutes, _OTHER_MINUTES))
            for format in options.formats:
                runs.append(measure(name, whole if format == "gif" else part, format, Path(folder)))
    return figures(runs)
