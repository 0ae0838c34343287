"""A session as a `.ptr` file, and back: it plays in `pixeltrail play`, pixel for pixel as from the store."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO

from ..replay.recording import Placed, Recording
from ..wire.recording_file import Head, encode_chunk, encode_head, read_file


def write_ptr(head: Head, chunks: Iterable[Placed], file: BinaryIO) -> int:
    """`chunks` as Store.session_chunks gives them, with what comes before the session for the decoder; how many."""
    file.write(encode_head(head))
    count = 0
    for chunk in chunks:
        count += 1
        file.write(encode_chunk(chunk, head.session_id))
    return count


def open_ptr(file: io.BufferedReader, name: str) -> Recording:
    """LocalError: it is no such file, of a newer version, or damaged; says where. The file is read to its end."""
    head, chunks = read_file(file, name)
    recording = Recording.of_chunks(head.device_id, head.session_id, head.start_ms, chunks)
    recording.end_ms = max(recording.end_ms, head.end_ms)
    return recording
