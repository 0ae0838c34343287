"""A GIF, decoded by Pillow, is what the display showed, when it showed it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export.gif import APART_MS, write_gif
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.export.stage import Source, Stage, enlarge_small
from pixeltrail_bridge.replay.recording import Picture, Recording
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.bridge.export.films import Film
from tests.support import corpus, sessions
from tests.support.film import Camera, Device, Studio

RGB = NDArray[np.uint8]


def gif_of(source: Source, **options: object) -> bytes:
    file = io.BytesIO()
    write_gif(Stage(source, Options(**options), enlarge_small), file)  # type: ignore[arg-type]
    return file.getvalue()


def decoded(data: bytes) -> Iterator[tuple[int, int, RGB]]:
    """Start, duration and picture of each frame."""
    image = Image.open(io.BytesIO(data))
    at_ms = 0
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        lasts_ms = int(image.info["duration"])
        yield at_ms, lasts_ms, np.asarray(image.convert("RGB"))
        at_ms += lasts_ms


def recording_of(name: str, rounds: int = 1, most: int = 40) -> Recording:
    return recording_of_coded(sessions.coded(name, most), rounds)


def recording_of_coded(coded: sessions.Coded, rounds: int = 1) -> Recording:
    chunks = sessions.session(coded, rounds)
    return Recording.of_chunks(sessions.DEVICE_ID, sessions.SESSION_ID, sessions.START_MS, chunks)


def changes(pictures: Iterator[Picture]) -> list[tuple[int, RGB]]:
    """Each picture that differs from the one before it, with its time."""
    found: list[tuple[int, RGB]] = []
    for picture in pictures:
        rgb = picture.rgb()
        if not found or not np.array_equal(found[-1][1], rgb):
            found.append((picture.at_ms, rgb))
    return found


def judge(data: bytes, expected: list[tuple[int, RGB]], zoom: int = 1) -> None:
    """Every frame is a recorded picture, exactly and within 5 ms of its time; none that lasted was left out."""
    frames = list(decoded(data))
    zero_ms = expected[0][0]
    at = -1
    for at_ms, lasts_ms, picture in frames:
        small = picture[::zoom, ::zoom]
        assert np.array_equal(np.repeat(np.repeat(small, zoom, 0), zoom, 1), picture)
        came = [n for n in range(at + 1, len(expected)) if np.array_equal(expected[n][1], small)]
        assert came, f"the frame at {at_ms} ms shows no picture of the recording"
        at = came[0]
        assert abs(expected[at][0] - zero_ms - at_ms) <= 5 or at_ms == 0
        assert lasts_ms >= APART_MS
    assert at == len(expected) - 1
    last_ms = expected[0][0]
    close = sum(b[0] - a[0] < APART_MS for a, b in zip(expected, expected[1:], strict=False))
    assert len(frames) >= len(expected) - close, (
        f"{len(frames)} frames of {len(expected)} pictures from {last_ms}"
    )


@pytest.mark.parametrize("name", corpus.names())
def test_every_sequence_of_the_corpus_is_exact(name: str) -> None:
    recording = recording_of(name)
    zoom = enlarge_small(next(recording.pictures()).display.width)
    judge(gif_of(recording), changes(recording.pictures()), zoom)


def test_only_what_changed_is_written() -> None:
    film = Film(width=200, height=100)
    film.show(0)
    for number in range(50):
        film.paint(100 + 50 * number, number * 3, 10, 4, 4, 10 + number)
    data = gif_of(film_source(film), scale=1)
    image = Image.open(io.BytesIO(data))
    boxes = []
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(number)
        boxes.append(image.tile[0].extents if image.tile else None)
    assert boxes[0] == (0, 0, 200, 100)
    assert all(box and (box[2] - box[0], box[3] - box[1]) == (4, 4) for box in boxes[1:])
    assert len(data) < 5_000


class film_source:
    """A Film with what an export reads of a recording."""

    def __init__(self, film: Film, end_ms: int | None = None) -> None:
        self._film = film
        self.device_id, self.session_id, self.start_ms = film.device_id, 1, film.start_ms
        self.is_open = False
        last_ms = max((one.at_ms for one in film.made), default=0)
        self.end_ms = film.start_ms + (last_ms + 1_000 if end_ms is None else end_ms)

    def pictures(self, from_ms: int = 0, to_ms: int | None = None) -> Iterator[Picture]:
        shown = list(self._film.pictures())
        first = max((n for n, one in enumerate(shown) if one.at_ms <= from_ms), default=0)
        return iter([one for one in shown[first:] if to_ms is None or one.at_ms <= to_ms])

    def marks(self):  # type: ignore[no-untyped-def]
        return self._film.marks()

    def shown_displays(self):  # type: ignore[no-untyped-def]
        return ((one.at_ms, one.display) for one in self._film.pictures())


def colourful(count: int, seed: int = 0) -> tuple[int, int, bytes]:
    """A picture of RGB565 with this many colours."""
    numbers = np.random.default_rng(seed).permutation(65_536)[:count].astype("<u2")
    return 64, 32, np.resize(numbers, 64 * 32).tobytes()


@pytest.mark.parametrize(
    ("colours", "is_exact"), [(2, True), (255, True), (256, True), (257, False), (2_000, False)]
)
def test_up_to_256_colours_are_exact(colours: int, is_exact: bool) -> None:
    width, height, picture = colourful(colours)
    other = picture[2:] + picture[:2]
    coded = sessions.code(width, height, sessions.m.PixelFormat.RGB565, [picture, other], [0, 100])
    recording = recording_of_coded(coded)
    expected = changes(recording.pictures())
    frames = list(decoded(gif_of(recording, scale=1)))
    assert len(frames) == 2
    for (_, wanted), (_, _, got) in zip(expected, frames, strict=True):
        if is_exact:
            assert np.array_equal(got, wanted)
        else:
            assert np.mean((got.astype(float) - wanted) ** 2) < 300, "colours far from any of those chosen"


def test_a_smooth_picture_of_many_colours_looks_the_same() -> None:
    """The worst case: a gradient of thousands of colours, moving."""
    y, x = np.mgrid[0:120, 0:160]

    def gradient(step: int) -> bytes:
        red, green, blue = (x * 31 // 160, y * 63 // 120, (x + y + 4 * step) % 280 * 31 // 280)
        return (red << 11 | green << 5 | blue).astype("<u2").tobytes()

    pictures = [gradient(step) for step in range(4)]
    coded = sessions.code(160, 120, sessions.m.PixelFormat.RGB565, pictures, [n * 100 for n in range(4)])
    recording = recording_of_coded(coded)
    frames = list(decoded(gif_of(recording, scale=1)))
    assert len(frames) == 4
    for (_, wanted), (_, _, got) in zip(changes(recording.pictures()), frames, strict=True):
        assert len(np.unique(wanted.reshape(-1, 3), axis=0)) > 1_000
        assert 10 * np.log10(255**2 / np.mean((got.astype(float) - wanted) ** 2)) >= 30


def test_later_colours_get_tables_of_their_own_and_stay_exact() -> None:
    """500 colours in all, 100 new ones in each picture."""
    pictures = [colourful(100, seed)[2] for seed in range(5)]
    coded = sessions.code(64, 32, sessions.m.PixelFormat.RGB565, pictures, [n * 100 for n in range(5)])
    recording = recording_of_coded(coded)
    judge(gif_of(recording, scale=1), changes(recording.pictures()))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 70), min_size=1, max_size=25), st.integers(0, 3_000))
def test_times_never_drift(steps: list[int], rest_ms: int) -> None:
    film = Film(width=16, height=8)
    at_ms = 0
    for number, step in enumerate(steps):
        at_ms += step
        film.paint(at_ms, 0, 0, 16, 8, number + 1)
    source = film_source(film, at_ms + rest_ms)
    frames = list(decoded(gif_of(source, scale=1)))
    shown = {int(picture[0, 0, 0]) - 1: start_ms for start_ms, _, picture in frames}
    came = np.cumsum(steps) - steps[0]
    for number, start_ms in shown.items():
        assert abs(start_ms - came[number]) <= 5 or (start_ms == 0 and came[number] < APART_MS)
    assert max(shown) == len(steps) - 1
    total_ms = frames[-1][0] + frames[-1][1]
    assert abs(total_ms - (came[-1] + rest_ms)) <= 5 or frames[-1][1] == APART_MS


def test_a_pause_longer_than_a_gif_can_say_is_as_long() -> None:
    film = Film(width=16, height=8)
    film.paint(0, 0, 0, 16, 8, 1)
    film.paint(1_500_000, 0, 0, 16, 8, 2)
    frames = list(decoded(gif_of(film_source(film), scale=1)))
    assert [int(picture[0, 0, 0]) for _, _, picture in frames] == [1, 1, 1, 2]
    assert frames[-1][0] == 1_500_000


def test_part_speed_and_idle() -> None:
    film = Film(width=16, height=8)
    for number in range(10):
        film.paint(number * 10_000, 0, 0, 16, 8, number + 1)
    source = film_source(film)
    part = list(decoded(gif_of(source, scale=1, from_ms=15_000, to_ms=45_000)))
    assert [int(picture[0, 0, 0]) for _, _, picture in part] == [2, 3, 4, 5]
    assert [start for start, _, _ in part] == [0, 5_000, 15_000, 25_000]
    assert part[-1][1] == 5_000
    fast = list(decoded(gif_of(source, scale=1, speed=10.0)))
    assert [start for start, _, _ in fast] == [n * 1_000 for n in range(10)]
    quick = list(decoded(gif_of(source, scale=1, skip_idle=True)))
    assert [start for start, _, _ in quick] == [n * 2_000 for n in range(10)]


def test_a_display_that_was_turned_fits() -> None:
    film = Film(width=40, height=20)
    film.paint(0, 0, 0, 40, 20, 100)
    film.mark(400, "display", width=20, height=40, format="GS8", rotation=1)
    film.turn()
    film.paint(500, 0, 0, 20, 40, 200)
    frames = [picture for _, _, picture in decoded(gif_of(film_source(film), scale=1))]
    assert frames[0].shape == (40, 40, 3)
    assert frames[0][20, 20, 0] == 100 and frames[0][2, 20, 0] == 0
    assert frames[1][20, 20, 0] == 200 and frames[1][20, 2, 0] == 0


def test_a_session_that_goes_on_with_a_larger_display_fits(tmp_path: Path) -> None:
    """In a second stream, whose display stands before it says that the session goes on."""
    first = Camera(Device(32, 16, m.PixelFormat.GS8))
    said = [*first.begin(0), *first.key(10)]
    second = Camera(Device(64, 48, m.PixelFormat.GS8), b"stream-2", boot_ms=first.boot_ms + 5_000)
    said += [*second.begin(0, index=0, previous=first.stream), *second.key(10)]
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        studio = Studio(store, sample_rate=1.0)
        for one in said:
            studio.feed(one)
        studio.project()
        (session,) = store.sessions()
        recording = Recording.open(store, session.device_id, session.session_id)
        frames = [picture for _, _, picture in decoded(gif_of(recording, scale=1))]
    assert {frame.shape for frame in frames} == {(48, 64, 3)}


def test_nothing_there_says_so() -> None:
    with pytest.raises(LocalError, match="no picture"):
        gif_of(film_source(Film(), 5_000))


def test_too_much_is_refused_with_a_remedy() -> None:
    film = Film(width=100, height=100)
    for number in range(20):
        film.paint(number * 100, 0, 0, 100, 100, number + 1)
    with pytest.raises(LocalError, match="--from and --to"):
        gif_of(film_source(film), scale=1, max_drawn_px=100_000)
    big = Film(width=1_024, height=1_024)
    big.show(0)
    with pytest.raises(LocalError, match="--scale"):
        gif_of(film_source(big), scale=16)
