"""Segments in flash: what is written is read again, whatever the power did in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pixeltrail.segments import SLOT, pack_head
from pixeltrail.spool import Spool

from tests.support import ports

from .flash import Flash, until_cut

SCRIPTS = Path(__file__).parent

ONE, TWO = b"stream-1", b"stream-2"


def slot(seq: int, size: int = 30, is_replay: bool = False) -> bytes:
    body = random.Random(seq).randbytes(size)
    return seq.to_bytes(4, "little") + size.to_bytes(2, "little") + bytes((7, is_replay)) + body


def spool_of(flash: Flash, limit: int = 65_536, max_chunk: int = 512) -> Spool:
    return Spool("spool", limit, max_chunk, flash)


def write(spool: Spool, seqs: range, stream: bytes = ONE, replay: tuple[int, ...] = ()) -> None:
    spool.begin(pack_head(stream, None, 3, 1000 + seqs[0]))
    for seq in seqs:
        data = b"abc" + slot(seq, is_replay=seq in replay)
        spool.put(bytearray(data), 3, len(data) - 3)
    spool.finish()


def read(spool: Spool, stream: bytes = ONE, acked: int = 0) -> list[int]:
    """The seqs that come, each with the bytes that went in."""
    seqs = []
    while True:
        length = spool.load(stream, acked)
        if length == 0:
            return seqs
        if length < 0:
            continue
        seq = spool.loaded_seq()
        kind = spool.buffer[7]
        assert bytes(spool.buffer[: SLOT + length]) == slot(seq, length, bool(kind))
        seqs.append(seq)
        spool.mark_sent()
        spool.sent = 0


def test_what_was_written_is_read_in_order() -> None:
    spool = spool_of(Flash())
    write(spool, range(5, 9))
    write(spool, range(9, 30))
    assert read(spool) == list(range(5, 30))
    assert read(spool) == []
    spool.go_back()
    assert read(spool, acked=20) == list(range(20, 30))


def test_a_chunk_stays_loaded_until_it_was_sent() -> None:
    spool = spool_of(Flash())
    write(spool, range(3))
    assert spool.load(ONE, 0) == spool.load(ONE, 0) == 30
    assert spool.loaded_seq() == 0
    assert spool.load(ONE, 1) == 30 and spool.loaded_seq() == 1, "acked meanwhile"


def test_a_segment_goes_when_the_bridge_has_all_of_it() -> None:
    flash = Flash()
    spool = spool_of(flash)
    write(spool, range(4))
    write(spool, range(4, 8))
    assert spool.used == 2 * 4096
    for _ in range(6):
        assert spool.load(ONE, 0) > 0
        spool.mark_sent()
    spool.free(ONE, 3)
    assert (len(flash.files), spool.sent, spool.oldest_in_flight()) == (2, 3, 3)
    spool.free(ONE, 5)
    assert (len(flash.files), spool.sent, spool.used) == (1, 1, 4096)
    assert spool.load(ONE, 5) and spool.loaded_seq() == 6
    spool.free(ONE, 8)
    assert flash.files == {} and not spool.segments and flash.open_count == 0


def test_streams_come_one_after_the_other() -> None:
    spool = spool_of(Flash())
    write(spool, range(3))
    write(spool, range(2), TWO)
    assert read(spool, TWO) == []
    assert read(spool) == [0, 1, 2]
    spool.free(ONE, 3)
    assert read(spool, TWO) == [0, 1]


def test_room_is_whole_blocks_within_the_limit() -> None:
    spool = spool_of(Flash(), limit=3 * 4096 + 1000)
    assert 12_000 < spool.room() < 3 * 4096
    write(spool, range(4))
    assert 8_000 < spool.room() < 2 * 4096
    write(spool, range(4, 8))
    write(spool, range(8, 12))
    assert spool.room() == 0


def test_an_earlier_start_left_its_head_and_chunks() -> None:
    flash = Flash()
    spool = spool_of(flash)
    spool.begin(pack_head(ONE, TWO, 9, 123_456))
    spool.put(bytearray(slot(17)), 0, 38)
    spool.finish()
    (segment,) = spool_of(flash).segments
    assert segment.describe() == (TWO, 9, 123_456)
    assert (segment.stream, segment.first, segment.end) == (ONE, 17, 18)
    later = spool_of(flash)
    write(later, range(3), TWO)
    assert read(later) == [17]


@pytest.mark.parametrize("keeps", ["nothing", "part", "noise"])
def test_the_power_fails_after_any_byte(keeps: str) -> None:
    """What was closed before is whole, what was open is a beginning of what was to come."""
    cut = 0
    while True:
        flash = Flash(keeps)
        spool = spool_of(flash)
        write(spool, range(3))
        failed = until_cut(flash, cut, lambda spool=spool: write(spool, range(3, 7)))
        after = spool_of(flash)
        got = read(after)
        assert got == list(range(len(got))) and len(got) >= 3
        assert after.used == 4096 * len(after.segments)
        assert set(flash.files) == {f"spool/{s.number:08d}.seg" for s in after.segments}
        write(after, range(7, 9), TWO)
        if not failed:
            assert got == list(range(7))
            break
        cut += 1
    assert cut > 4 * 40


@pytest.mark.parametrize("seed", range(3))
def test_real_files_cut_anywhere(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "spool"
    spool = Spool(str(folder), 65_536, 512)
    write(spool, range(4))
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    dice = random.Random(seed)
    reached = set()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size] + dice.randbytes(dice.choice([0, 0, 40])))
        again = Spool(str(folder), 65_536, 512)
        got = read(again)
        assert got == list(range(len(got)))
        assert path.exists() == bool(got)
        reached.add(len(got))
        again.close()
    assert reached == {0, 1, 2, 3, 4}
    assert got == [0, 1, 2, 3]


def test_bits_that_rot_cost_their_chunk_alone() -> None:
    flash = Flash()
    spool = spool_of(flash)
    write(spool, range(6))
    (path,) = flash.files
    data = bytearray(flash.files[path])
    data[len(data) // 2] ^= 0x10
    flash.files[path] = bytes(data)
    spool = spool_of(flash)
    got = read(spool)
    assert len(got) == 5 and spool.damaged >= 1


def test_foreign_files_are_left_alone_or_removed() -> None:
    flash = Flash()
    flash.files = {"spool/notes.txt": b"mine", "spool/00000007.seg": b"\0junk\0", "spool/00000008.seg": b""}
    spool = spool_of(flash)
    assert not spool.segments and list(flash.files) == ["spool/notes.txt"]


def test_a_full_storage_is_counted_and_leaves_nothing() -> None:
    flash = Flash()
    spool = spool_of(flash)
    write(spool, range(3))
    flash.room = 90
    with pytest.raises(OSError, match="no space"):
        write(spool, range(3, 9))
    spool.abort()
    assert len(flash.files) == 1 and not spool.is_writing() and flash.open_count == 0
    assert read(spool) == [0, 1, 2]


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF), ids=str)
def test_flash_is_read_and_resent_with_the_heap_locked(port: ports.Port, tmp_path: Path) -> None:
    """On MicroPython with files of its own; then another start delivers what is left."""
    folder = SCRIPTS / "device"
    printed = port.run(folder / "spool_steady.py", tmp_path / "spool", search=[folder])
    assert printed.splitlines() == [
        "kept True resent True",
        "earlier True drained True",
        "faults 0 files 0",
    ]


# --- opt-out ---


def purged(spool: Spool) -> list[tuple[bytes, int]]:
    dropped: list[tuple[bytes, int]] = []
    spool.begin_purge()
    while spool.purge(lambda stream, first, end: dropped.extend((stream, seq) for seq in range(first, end))):
        pass
    return dropped


def test_a_purge_leaves_calls_alone() -> None:
    flash = Flash()
    spool = spool_of(flash)
    write(spool, range(4), replay=(0, 2))
    write(spool, range(4, 6), replay=(4, 5))
    write(spool, range(6, 8), TWO, replay=(7,))
    assert purged(spool) == [(ONE, 0), (ONE, 2), (ONE, 4), (ONE, 5), (TWO, 7)]
    assert read(spool) == [1, 3]
    assert len(flash.files) == 2 and spool.used == 2 * 4096
    left = b"".join(flash.files.values())
    assert slot(0)[8:38] not in left and slot(1)[9:38].split(b"\0")[0] in left
    assert purged(spool) == []


def test_nothing_of_the_replay_leaves_once_a_purge_has_begun() -> None:
    spool = spool_of(Flash())
    write(spool, range(4), replay=(0, 1))
    spool.load(ONE, 0)
    spool.begin_purge()
    assert read(spool) == [2, 3]


@pytest.mark.parametrize("keeps", ["nothing", "part", "noise"])
def test_a_purge_that_is_cut_anywhere_loses_no_call(keeps: str) -> None:
    cut = 0
    while True:
        flash = Flash(keeps)
        spool = spool_of(flash)
        write(spool, range(5), replay=(1, 3))
        failed = until_cut(flash, cut, lambda spool=spool: purged(spool))
        after = spool_of(flash)
        assert read(after) in ([0, 1, 2, 3, 4], [0, 2, 4])
        assert all(name.endswith(".seg") for name in flash.files)
        purged(after)
        assert read(after) == [0, 2, 4]
        if not failed:
            break
        cut += 1
    assert cut > 150
