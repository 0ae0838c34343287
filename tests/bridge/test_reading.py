"""What a setting names may be anything that has a name: nothing is waited for, nor taken whole where it is huge."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pixeltrail_bridge.reading import MOST_BYTES, check_file, read_file


@pytest.mark.parametrize("size", [0, 1, 70_000, MOST_BYTES])
def test_a_file_is_read_whole_up_to_the_bound(tmp_path: Path, size: int) -> None:
    (tmp_path / "one").write_bytes(b"x" * size)
    assert read_file(tmp_path / "one") == b"x" * size
    check_file(tmp_path / "one")


def test_a_pipe_is_read_as_long_as_somebody_writes(tmp_path: Path) -> None:
    """As in `-c <(sops -d settings)`."""
    source, sink = os.pipe()

    def write() -> None:
        for piece in (b"one ", b"two"):
            os.write(sink, piece)
        os.close(sink)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_file(Path(f"/dev/fd/{source}")) == b"one two"
    writer.join()
    os.close(source)


def test_what_cannot_be_meant_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(100 << 20)
    for path, words in (
        (tmp_path / "pipe", "nobody writes"),
        (tmp_path / "huge", "some other file"),
        (Path("/dev/zero"), "some other file"),
        (tmp_path, "directory"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(OSError, match=words):
            read_file(path)
    for path in (tmp_path / "pipe", tmp_path / "huge", Path("/dev/zero"), tmp_path, tmp_path / "none"):
        with pytest.raises(OSError):
            check_file(path)
    assert read_file(Path("/dev/null")) == b""
