"""What we stand on, as far as it can be judged without a network.

Whether a package has a known weakness, and how old it is, only an index and an advisory service can tell: `./dev audit`
asks them. Here: nothing missing or in conflict, bounds on everything, licences that allow use, and files that are those
which were installed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata as metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import lock
from tests.support.requirements import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
# Licences under which a program that is given away may not stand on a package as we use it.
_FORBIDDEN = re.compile(
    r"\bAGPL|Affero|\bSSPL|Commons Clause|Business Source|\bBUSL|NonCommercial|Proprietary|(?<!L)\bGPL", re.I
)


def required() -> list[str]:
    """Requirements of the bridge itself, as pyproject.toml has them."""
    return list(PROJECT["dependencies"])


def closure() -> Iterator[metadata.Distribution]:
    """Everything that is installed because the bridge needs it."""
    waiting, seen = [_NAME.match(one)[0] for one in required()], set[str]()  # type: ignore[index]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system
        yield found
        waiting += [
            _NAME.match(one)[0]  # type: ignore[index]
            for one in found.requires or ()
            if "extra ==" not in one
        ]


def test_nothing_is_missing_or_in_conflict() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "requirement", [*required(), *(one for some in PROJECT["optional-dependencies"].values() for one in some)]
)
def test_every_requirement_has_bounds(requirement: str) -> None:
    """So that a new major version comes in when somebody has looked at it."""
    wanted = requirement.partition(";")[0]
    assert (
        wanted.startswith("pixeltrail[")
        or "==" in wanted
        or (">=" in wanted and ("<" in wanted or wanted.startswith("types-")))
    )


def licence(found: metadata.Distribution) -> str:
    about = found.metadata
    classified = [one for one in about.get_all("Classifier") or () if one.startswith("License ::")]
    return about.get("License-Expression") or "; ".join(classified) or (about.get("License") or "")[:200]


def test_every_licence_allows_use() -> None:
    found = {one.metadata["Name"]: licence(one) for one in closure()}
    assert len(found) > 30
    assert {name: text for name, text in found.items() if not text or _FORBIDDEN.search(text)} == {}


def test_files_are_those_that_were_installed() -> None:
    """By the hashes that came with each package: whoever changed one afterwards shows."""
    changed, looked_at = [], 0
    for found in closure():
        for file in found.files or ():
            path = Path(str(file.locate()))
            if file.hash is None or path.suffix not in (".py", ".so") or not path.exists():
                continue
            looked_at += 1
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                changed.append(str(path))
    assert looked_at > 1_000 and changed == []


def test_the_container_installs_known_versions_with_their_hashes() -> None:
    """deploy/requirements.lock: whole, within the ranges, no address in it; `./dev lock` makes it anew."""
    lines = [line for line in lock.LOCK.read_text().splitlines() if not line.startswith("#")]
    pins = dict(
        re.fullmatch(r"([a-z0-9-]+)==([\w.+!-]+) --hash=sha256:[0-9a-f]{64}", one).groups() for one in lines
    )  # type: ignore[union-attr]
    assert len(pins) == len(lines)
    for wanted in map(Requirement, lock.wanted()):
        assert pins[canonicalize_name(wanted.name)] in wanted.specifier, f"{wanted}: run ./dev lock"
    assert {canonicalize_name(one.metadata["Name"]) for one in closure()} - pins.keys() == set()
    text = (ROOT / "deploy" / "Containerfile").read_text()
    assert "--require-hashes -r /src/requirements.lock" in text


def test_npm_packages_are_pinned_with_their_hashes() -> None:
    """Those of the tests: the page itself uses none."""
    lock = json.loads((ROOT / "tests" / "node" / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name and not one.get("link")}
    assert len(packages) > 20
    for name, one in packages.items():
        assert one.get("inBundle") or one["integrity"].startswith("sha512-"), name


def test_the_page_loads_nothing_from_elsewhere() -> None:
    static = ROOT / "bridge" / "pixeltrail_bridge" / "web" / "static"
    for path in static.rglob("*"):
        if path.suffix in (".js", ".html", ".css"):
            foreign = re.findall(r"(?:from|import|src=|href=|url\()\s*[\"'(]?(https?:)?//", path.read_text())
            assert foreign == [], path
