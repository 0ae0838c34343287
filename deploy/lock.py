"""Write deploy/requirements.lock: what the container installs, each package with its version and the hash of its file.

    ./dev lock

pip resolves and says which files it would take; nothing is installed. They are those for the machine this runs on, so
it is run where the container is built: Linux on x86-64 with the container's Python. No address stands in the file:
where packages come from is the installer's affair, and what comes must have these hashes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "deploy" / "requirements.lock"
EXTRAS = ("postgres", "s3")  # as the Containerfile installs them
PYTHON = (3, 11)
_HEAD = """# Made by `./dev lock`, for Linux on x86-64 with CPython 3.11:
#     pip install --require-hashes -r deploy/requirements.lock
#     pip install --no-deps --no-build-isolation .
"""


def wanted() -> list[str]:
    """What pyproject.toml asks for at run time, and to build the package itself."""
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = file["project"]
    extras = [one for name in EXTRAS for one in project["optional-dependencies"][name]]
    return [*project["dependencies"], *extras, *file["build-system"]["requires"]]


def report(requirements: list[str]) -> list[dict[str, Any]]:
    """What pip would install."""
    words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", *requirements]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    return found


def line(one: dict[str, Any]) -> str:
    name = re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower()
    digest = one["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={one['metadata']['version']} --hash=sha256:{digest}"


def main() -> None:
    if sys.version_info[:2] != PYTHON:
        raise SystemExit(f"the container has Python {PYTHON[0]}.{PYTHON[1]}; run this with the same")
    LOCK.write_text(_HEAD + "\n".join(sorted(map(line, report(wanted())))) + "\n")


if __name__ == "__main__":
    main()
