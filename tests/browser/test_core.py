"""The page's core modules under node: their tests are in core.test.mjs, beside this file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import node

TESTS = Path(__file__).with_name("core.test.mjs")


def test_the_core_modules() -> None:
    done = subprocess.run(
        [str(node.path()), "--test", str(TESTS)],
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "fail 0" in done.stdout and "skipped 0" in done.stdout, done.stdout
