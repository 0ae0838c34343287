"""Frames on a line: any split gives the same messages, text comes through, damage costs one frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.wire.framing import MAX_FRAME_BYTES, Deframer, frame

messages = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5)


@given(messages, st.data())
def test_any_split(sent: list[bytes], data: st.DataObject) -> None:
    line = b"".join(map(frame, sent))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(line)), max_size=10)))
    deframer, found = Deframer(), []
    for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True):
        found += deframer.feed(line[start:end])
    assert found == sent and deframer.damaged == 0


@given(st.binary(max_size=2000))
def test_any_bytes(noise: bytes) -> None:
    deframer = Deframer()
    found = deframer.feed(noise + b"\0" + frame(b"after"))
    assert found[-1] == b"after"


def test_the_longest_frame() -> None:
    for filling in (bytes(4096), b"\x01" * 4096):
        data = frame(filling)
        assert len(data) <= MAX_FRAME_BYTES + 2
        assert Deframer().feed(data) == [filling]


def test_text_between_frames() -> None:
    deframer = Deframer()
    found = deframer.feed(
        b"boot: ok\r\n\r\nh\xc3\xa9llo\x07\n" + frame(b"one") + b"Traceback\n" + frame(b"two")
    )
    assert found == ["boot: ok", "h\u00e9llo", b"one", "Traceback", b"two"]


def test_text_that_no_frame_follows_shows_in_a_pause() -> None:
    deframer = Deframer()
    assert deframer.feed(b"unfinished") == [] and deframer.idle() == []
    assert deframer.feed(b" line\n") == [] and deframer.idle() == ["unfinished line"]
    assert deframer.feed(b">>> ") == [] and deframer.idle() == [">>>"]


def test_a_pause_inside_a_frame_costs_nothing() -> None:
    data = frame(bytes(range(256)))
    deframer = Deframer()
    assert (
        deframer.feed(data[:100]) == []
        and deframer.idle() == []
        and deframer.feed(data[100:]) == [bytes(range(256))]
    )


def test_a_broken_frame_is_counted() -> None:
    data = bytearray(frame(bytes(range(200))))
    data[10] ^= 0x40
    deframer = Deframer()
    assert deframer.feed(bytes(data) + frame(b"next")) == [b"next"] and deframer.damaged == 1


def test_a_program_that_prints_without_end_is_bounded() -> None:
    deframer = Deframer()
    found = deframer.feed(b"all work and no play\n" * 1000)
    assert len(found) == 1000 and deframer.feed(frame(b"x")) == [b"x"]


def test_the_end_of_what_is_too_long_is_no_frame_in_pieces_either() -> None:
    line = bytes([0xC3]) * (MAX_FRAME_BYTES + 1) + frame(b"inside")[1:] + frame(b"after")
    whole, pieces = Deframer(), Deframer()
    assert whole.feed(line) == [b"after"]
    assert pieces.feed(line[: MAX_FRAME_BYTES + 1]) + pieces.feed(line[MAX_FRAME_BYTES + 1 :]) == [b"after"]
