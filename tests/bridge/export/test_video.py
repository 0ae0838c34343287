"""An MP4, decoded by PyAV, is what the display showed, when it showed it."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export import video
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.export.stage import Source, Stage, enlarge_small
from pixeltrail_bridge.export.video import write_video

from tests.bridge.export.films import Film
from tests.bridge.export.test_gif import changes, film_source, recording_of
from tests.support import corpus

RGB = NDArray[np.uint8]


def video_of(source: Source, *, lossless: bool = False, **options: object) -> bytes:
    chosen = Options(lossless=lossless, **options)  # type: ignore[arg-type]
    usual = enlarge_small if lossless else video.usual_scale
    with tempfile.NamedTemporaryFile() as file:
        write_video(Stage(source, chosen, usual), cast(BinaryIO, file), None, lossless)
        return Path(file.name).read_bytes()


def decoded(data: bytes) -> Iterator[tuple[float, RGB]]:
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            yield float(frame.pts * frame.time_base * 1000), frame.to_ndarray(format="rgb24")


def lasts_ms(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        return float(stream.duration * stream.time_base * 1000)


@pytest.mark.parametrize("name", ["rgb_thermostat", "lv_benchmark", "mono_invaders", "gs4_aclock"])
def test_lossless_is_the_very_pixels(name: str) -> None:
    recording = recording_of(name, most=12)
    expected = changes(recording.pictures())
    frames = list(decoded(video_of(recording, lossless=True, scale=1)))
    assert [at for at, _ in frames] == pytest.approx([at - expected[0][0] for at, _ in expected], abs=0.5)
    for (_, wanted), (_, got) in zip(expected, frames, strict=True):
        assert np.array_equal(got[: wanted.shape[0], : wanted.shape[1]], wanted)


@pytest.mark.parametrize("name", corpus.names())
def test_the_usual_file_keeps_time_and_looks_the_same(name: str) -> None:
    recording = recording_of(name, most=12)
    expected = changes(recording.pictures())
    scale = video.usual_scale(expected[0][1].shape[1])
    data = video_of(recording)
    frames = list(decoded(data))
    assert [at for at, _ in frames] == pytest.approx([at - expected[0][0] for at, _ in expected], abs=0.5)
    assert lasts_ms(data) == pytest.approx(
        max(1, recording.end_ms - recording.start_ms - expected[0][0]), abs=1
    )
    for (_, wanted), (_, got) in zip(expected, frames, strict=True):
        height, width = wanted.shape[:2]
        small = got[: height * scale, : width * scale].reshape(height, scale, width, scale, 3).mean((1, 3))
        assert psnr(small, wanted) >= 35


def psnr(got: NDArray[np.floating], wanted: RGB) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((got - wanted) ** 2))))


def test_odd_sides_become_even_and_the_index_comes_first() -> None:
    film = Film(width=33, height=17)
    film.show(0)
    film.paint(500, 0, 0, 33, 17, 200)
    data = video_of(film_source(film), scale=3)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt) == (100, 52, "yuv420p")
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_long_rest_is_kept_and_the_last_picture_stands_to_the_end() -> None:
    film = Film(width=32, height=16)
    for number, at_ms in enumerate((0, 1, 40_000, 40_007)):
        film.paint(at_ms, 0, 0, 32, 16, 50 * number + 50)
    data = video_of(film_source(film, 100_000))
    assert [at for at, _ in decoded(data)] == pytest.approx([0, 1, 40_000, 40_007], abs=0.5)
    assert lasts_ms(data) == pytest.approx(100_000, abs=1)


def test_a_scale_that_blurs_colours_is_refused() -> None:
    with pytest.raises(LocalError, match="--scale 2 or more, or --lossless"):
        video.check(1, lossless=False)
    video.check(1, lossless=True)
    video.check(0, lossless=False)


def test_without_pyav_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(LocalError, match=r"pip install 'pixeltrail\[video\]'"):
        video.check(0, lossless=False)
