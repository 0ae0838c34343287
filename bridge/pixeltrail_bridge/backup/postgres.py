"""PostgreSQL's own programs for a copy and the way back: they know every version's ways better than we do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..errors import LocalError, StoreError


def dump(url: str, password: str, target: Path) -> None:
    """A copy as of one moment, in pg_dump's custom format. Raises LocalError or StoreError."""
    _run(["pg_dump", "--format=custom", "--no-owner", f"--file={target}", url], password, "a backup")


def restore(url: str, password: str, dump: Path) -> None:
    """Into an empty database, all of it or nothing."""
    words = ["--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={url}", str(dump)]
    _run(["pg_restore", *words], password, "a restore")


def _run(command: list[str], password: str, what: str) -> None:
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise LocalError(
            f"{command[0]} is not installed, and {what} of PostgreSQL needs it: apt install postgresql-client"
        ) from None
    if done.returncode:
        words = " ".join(done.stderr.decode(errors="replace").split())[-300:]
        raise StoreError(f"{command[0]} failed: {words}")
