"""The manifest names every file of the library once, and only the transports that were asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support.micropython import FIRMWARE


def installed(**wanted: bool) -> list[str]:
    """The files that a build takes, by running the manifest as one does."""
    found: list[str] = []
    options = SimpleNamespace()
    options.defaults = lambda **defaults: options.__dict__.update({**defaults, **wanted})
    names = {
        "options": options,
        "metadata": lambda **_: None,
        "package": lambda name, files, opt: found.extend(f"{name}/{file}" for file in files),
    }
    exec(compile((FIRMWARE / "manifest.py").read_text(), "manifest.py", "exec"), names)
    return found


def test_a_build_with_everything_takes_every_file_once() -> None:
    there = sorted(str(path.relative_to(FIRMWARE)) for path in FIRMWARE.glob("pixeltrail/**/*.py"))
    assert sorted(installed(mqtt=True, tls=True, serial=True, file=True, thumb=True, luma=True)) == there


@pytest.mark.parametrize("name", ["mqtt", "serial", "file"])
def test_a_transport_nobody_asked_for_stays_away(name: str) -> None:
    assert f"pixeltrail/transport/{name}.py" not in installed(**{name: False})


def test_tls_goes_with_mqtt_alone() -> None:
    secure = "pixeltrail/transport/secure.py"
    assert secure in installed() and secure not in installed(tls=False)
    assert not any("resolver" in name or name == secure for name in installed(mqtt=False))
