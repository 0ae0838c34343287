"""The manifest names every file of the library once, and only the transports that were asked for."""

from __future__ import annotations

import pytest

from tests.support.micropython import FIRMWARE
from tests.support.packages import packager


def installed(**wanted: bool) -> list[str]:
    """The files that a build takes."""
    files: list[str] = packager().read_manifest(**wanted)[0]
    return files


def test_a_build_with_everything_takes_every_file_once() -> None:
    there = sorted(str(path.relative_to(FIRMWARE)) for path in FIRMWARE.glob("pixeltrail/**/*.py"))
    assert sorted(installed(mqtt=True, tls=True, serial=True, file=True, thumb=True, luma=True)) == there


@pytest.mark.parametrize("name", ["mqtt", "serial", "file"])
def test_a_transport_nobody_asked_for_stays_away(name: str) -> None:
    assert f"pixeltrail/transport/{name}.py" not in installed(**{name: False})


def test_signing_can_stay_away() -> None:
    name = "pixeltrail/signing.py"
    assert name in installed() and name not in installed(signing=False)


def test_tls_goes_with_mqtt_alone() -> None:
    secure = "pixeltrail/transport/secure.py"
    assert secure in installed() and secure not in installed(tls=False)
    assert not any("resolver" in name or name == secure for name in installed(mqtt=False))
