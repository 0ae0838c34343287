"""Packages of the device library for mip: which files, and where they lie.

    python firmware/package.py                 writes package.json and package-serial.json beside this file
    python firmware/package.py FOLDER          makes an index of FOLDER/ARCHITECTURE/pixeltrail, as build_mpy.py left it

What is in a package is manifest.py's to say, for a frozen build as for mip. There are two: `pixeltrail`, and
`pixeltrail-serial` without MQTT, TLS and the flash spool. package.json lists the sources, beside itself, so a folder or
repository that holds `firmware` can be installed from as it is. For compiled files an index is made, in the form of
micropython-lib's: FOLDER/ARCHITECTURE/package/6/NAME/latest.json lists files by their hashes, which mip looks at to
leave alone what a board has already. FOLDER/package-ARCHITECTURE.json lists the same by place, for mpremote.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FIRMWARE = Path(__file__).resolve().parent
PACKAGES: dict[str, dict[str, bool]] = {
    "pixeltrail": {},
    "pixeltrail-serial": {"mqtt": False, "spool": False},
}
# The part of `sys.implementation._mpy` that mip asks with: the format's version, which sources do not depend on.
_MPY_VERSION = "6"
_HASH_LENGTH = 8


def read_manifest(**wanted: bool) -> tuple[list[str], dict[str, Any]]:
    """The files that a package takes, as pixeltrail/..., and its metadata, by running the manifest as a build does."""
    files: list[str] = []
    about: dict[str, Any] = {}
    options = SimpleNamespace()
    options.defaults = lambda **defaults: options.__dict__.update({**defaults, **wanted})
    names = {
        "options": options,
        "metadata": lambda **told: about.update(told),
        "package": lambda name, listed, opt: files.extend(f"{name}/{file}" for file in listed),
    }
    with contextlib.chdir(FIRMWARE):
        exec(compile((FIRMWARE / "manifest.py").read_text(), "manifest.py", "exec"), names)
    return files, about


def source_package(name: str) -> dict[str, Any]:
    """package.json of a package in source, with addresses that begin where it lies itself."""
    files, about = read_manifest(**PACKAGES[name])
    return {"urls": [[file, file] for file in files], "version": about["version"]}


def source_packages() -> dict[str, str]:
    """The text of each file beside this one."""
    named = {name.replace("pixeltrail", "package") + ".json": source_package(name) for name in PACKAGES}
    return {file: json.dumps(package, indent=1) + "\n" for file, package in named.items()}


def compiled_files(name: str, tree: Path) -> list[str]:
    """The files of a package in a tree of .mpy. Hashes in assembler go where the tree has them."""
    has_thumb = (tree / "pixeltrail/codec/thumb").is_dir()
    files, _ = read_manifest(**PACKAGES[name], thumb=has_thumb)
    return [file.removesuffix(".py") + ".mpy" for file in files]


def make_index(root: Path, trees: dict[str, Path]) -> None:
    """Write root/ARCHITECTURE, an index of each tree, and root/package-ARCHITECTURE.json beside it."""
    for architecture, tree in trees.items():
        index = root / architecture
        for old in ("file", "package"):
            shutil.rmtree(index / old, ignore_errors=True)
        for name in PACKAGES:
            files = compiled_files(name, tree)
            _, about = read_manifest()
            listed = {"hashes": [[file, _keep(index, tree / file)] for file in files], **_told(about)}
            for mpy in (_MPY_VERSION, "py"):
                for version in ("latest", about["version"]):
                    _write(index / "package" / mpy / name / f"{version}.json", listed)
            urls = [[file, f"{architecture}/{file}"] for file in files]
            kind = name.replace("pixeltrail", f"package-{architecture}")
            _write(root / f"{kind}.json", {"urls": urls, **_told(about)})


def _told(about: dict[str, Any]) -> dict[str, Any]:
    return {"version": about["version"], "v": 1}


def _keep(index: Path, file: Path) -> str:
    """Put a file where an index has it; returns the hash that it is asked for by."""
    short = hashlib.sha256(file.read_bytes()).hexdigest()[:_HASH_LENGTH]
    place = index / "file" / short[:2] / short
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    return short


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="package.py")
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args(argv).folder
    if folder is None:
        for file, text in source_packages().items():
            (FIRMWARE / file).write_text(text)
        return
    trees = {path.name: path for path in sorted(folder.iterdir()) if (path / "pixeltrail").is_dir()}
    if not trees:
        raise SystemExit(f"{folder} has no ARCHITECTURE/pixeltrail; run firmware/build_mpy.py {folder} first")
    make_index(folder, trees)
    print(f"{folder}: packages {', '.join(PACKAGES)} for {', '.join(trees)}")


if __name__ == "__main__":
    main()
