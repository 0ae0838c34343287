"""Kernels: generated files are current, every target compiles them, and viper does what plain Python does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.firmware.codec.coding import CORPUS_FORMATS
from tests.firmware.codec.make_kernels import CODEC, generated
from tests.support import corpus, ports
from tests.support.requirements import require

FOLDER = Path(__file__).parent
ARCHITECTURES = ("armv6m", "armv7m", "xtensawin", "rv32imc", "x64")
FRAMES = 5


def test_generated_files_are_current() -> None:
    for path, text in generated().items():
        assert path.read_text() == text, f"{path.name}: run tests/firmware/codec/make_kernels.py"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_target_compiles(architecture: str, tmp_path: Path) -> None:
    for source in sorted([*CODEC.glob("*.py"), *CODEC.glob("kernels/*.py")]):
        command = [require("mpy-cross"), f"-march={architecture}", source, "-o", tmp_path / "out.mpy"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{source.name}: {done.stderr}"


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_strip_kernels_find_every_changed_byte(port: ports.Port) -> None:
    assert port.run(FOLDER / "check_strips.py").split() == ["shapes", "12", "ok"]


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF_V6M), ids=str)
def test_same_bytes_under_micropython(port: ports.Port, sequence: corpus.Sequence, tmp_path: Path) -> None:
    arguments = _arguments(sequence, tmp_path)
    ours = _run_here(arguments)
    assert len(ours.splitlines()) == min(FRAMES, len(sequence))
    assert port.run(FOLDER / "run_sequence.py", *arguments, heap="8m") == ours


@pytest.mark.parametrize("port", ports.SOURCE, ids=str)
def test_steady_state_allocates_nothing(port: ports.Port, sequence: corpus.Sequence, tmp_path: Path) -> None:
    port.run(FOLDER / "run_sequence.py", *_arguments(sequence, tmp_path), "lock", heap="8m")


def _arguments(sequence: corpus.Sequence, folder: Path) -> list[str]:
    path = folder / "frames"
    path.write_bytes(b"".join(frame for frame, _ in zip(sequence.frames, range(FRAMES), strict=False)))
    format = CORPUS_FORMATS[sequence.format]
    return [str(path), str(sequence.width), str(sequence.height), str(int(format)), "1000"]


def _run_here(arguments: list[str]) -> str:
    import sys

    command = [sys.executable, str(FOLDER / "run_sequence.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
