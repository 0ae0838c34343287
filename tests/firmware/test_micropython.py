"""The same source under MicroPython: it imports, runs, and allocates nothing once it has started."""

from __future__ import annotations

import pytest

from tests.support import micropython, ports

SCRIPTS = micropython.ROOT / "tests" / "firmware" / "device"


@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_every_module_imports(port):
    """Every kernel too, whatever this port's displays would choose."""
    paths = sorted((micropython.FIRMWARE / "pixeltrail").rglob("*.py"))
    paths = [path for path in paths if path.parent.name != "thumb"]  # armhf/test_thumb.py
    modules = [".".join(path.relative_to(micropython.FIRMWARE).with_suffix("").parts) for path in paths]
    lines = "; ".join(f"import {name.removesuffix('.__init__')}" for name in modules)
    assert port.run(f"{lines}; print('imported')").split() == ["imported"]


def test_transports_load_on_first_use_alone():
    script = """
import sys, pixeltrail
print([name for name in sys.modules if "transport" in name])
from pixeltrail import MQTT
print("pixeltrail.transport.mqtt" in sys.modules, "pixeltrail.transport.serial" in sys.modules)
"""
    assert micropython.run(script, search=(micropython.FIRMWARE, SCRIPTS)).splitlines() == [
        "[]",
        "True False",
    ]


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF, ports.ARMHF_V6M), ids=str)
def test_nothing_is_allocated_in_steady_state(port):
    """Frames, calls, chunks, acks, refusals and resends with the heap locked; an allocation would be an error."""
    lines = [line.split() for line in port.run(SCRIPTS / "steady.py", search=[SCRIPTS]).splitlines()]
    assert lines[-1] == ["done"]
    for name, value in lines[:-1]:
        if name == "errors":
            assert int(value) == 0
        elif name in ("frames", "resent", "refused", "acks", "chunks"):
            assert int(value) > 20, f"{name} was not exercised"


LONG = pytest.mark.timeout(3_600)


@pytest.mark.parametrize(
    ("port", "calls", "frames"),
    [
        pytest.param(ports.X64_MPY, 100_000, 10_000, marks=LONG),
        pytest.param(ports.X64_MPY, 1_000_000, 100_000, marks=(LONG, pytest.mark.slow)),
        pytest.param(ports.ARMHF_V7M, 100_000, 10_000, marks=(LONG, pytest.mark.slow)),
    ],
    ids=str,
)
def test_very_many_calls_and_frames_leave_the_heap_as_it_was(port, calls, frames):
    """On 32 bits, emulated, the shorter run takes some minutes."""
    counted = (str(calls), str(frames))
    printed = port.run(SCRIPTS / "endurance.py", *counted, search=[SCRIPTS], heap="2m", timeout_s=3_600)
    counts = {name: int(value) for name, value in (line.split() for line in printed.splitlines())}
    assert counts["left"] == counts["errors"] == 0
    assert counts["frames"] > frames // 10 and counts["resent"] > frames // 100


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF), ids=str)
def test_nothing_is_allocated_by_taps_masks_and_settings_of_the_bridge(port):
    search = [SCRIPTS, SCRIPTS.parent]
    lines = [line.split() for line in port.run(SCRIPTS / "features.py", search=search).splitlines()]
    assert lines[-1] == ["done"]
    for name, value in lines[:-1]:
        assert int(value) == 0 if name == "errors" else int(value) > 20, name


@pytest.mark.parametrize("port", (ports.X64, ports.ARMHF), ids=str)
def test_a_heap_that_the_app_has_used_up_is_contained(port):
    printed = port.run(SCRIPTS / "exhausted.py", search=[SCRIPTS], heap="288k" if port.is_32_bit else "800k")
    assert printed.splitlines()[-2:] == ["contained True", "off [] goes on True"]


def test_what_outlives_a_reboot(tmp_path):
    printed = micropython.run(
        SCRIPTS / "reboot.py", tmp_path, search=(micropython.FIRMWARE, SCRIPTS, SCRIPTS.parent)
    )
    assert printed.splitlines() == [
        "0 0",
        "True True",
        "2 7.5 (1, 2, 3, 4) True 0",
        "None 2",  # the bridge has the crash
        "1 15 False 0",
    ]


@pytest.mark.parametrize("text", ["", "plain", "gr\u00fc\u00df", "\u20ac\U0001f600", "x" * 300])
@pytest.mark.parametrize("port", ports.ALL, ids=str)
def test_kernels_agree_with_their_twins(port, text):
    script = f"""
import pixeltrail.kernels as kernels
import pixeltrail.kernels_plain as kernels_plain
text = {text!a}
size = kernels.text_bytes(text, len(text))
assert size == kernels_plain.text_bytes(text, len(text)) == len(text.encode())
a, b = bytearray(400), bytearray(400)
kernels.copy(a, 3, text, 0, size)
kernels_plain.copy(b, 3, text, 0, size)
assert a == b
kernels.copy(a, 1, a, 3, size)
kernels_plain.copy(b, 1, b, 3, size)
assert a == b
for seq, time in ((0, 23), (24, 255), (256, 65535), (65536, (1 << 30) - 1)):
    ends = [k.chunk_head(x, 5, b"0123456789A", seq, time) for k, x in ((kernels, a), (kernels_plain, b))]
    assert ends[0] == ends[1] and a == b
print("same")
"""
    assert port.run(script).split() == ["same"]
