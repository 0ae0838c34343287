"""What a backup says of itself. It stands last in the tar file, since it names the digest of everything before it."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Final

import msgspec

from ..errors import LocalError

NAME: Final = "manifest.json"
FORMAT: Final = 1
DATABASE: Final = "pixeltrail.db"
DUMP: Final = "postgres.dump"  # pg_dump's custom format
OBJECTS: Final = "objects/"
KEYS: Final = "keys/"
USERS: Final = "users.json"
_MOST_BYTES: Final = 64 << 20  # of the manifest: a line for each object


class Manifest(msgspec.Struct, frozen=True):
    """`files`: size and SHA-256 in hex by name. `objects_url`: where packed sessions lie that are not in it."""

    format: int
    version: str
    schema: int
    bridge_id: str
    made_ms: int
    files: dict[str, tuple[int, str]]
    objects_url: str = ""


def read_manifest(path: Path) -> Manifest:
    """Raises LocalError for what is no backup, or not a whole one."""
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.getmember(NAME)
            file = tar.extractfile(member)
            if file is None or member.size > _MOST_BYTES:
                raise KeyError(NAME)
            manifest = msgspec.json.decode(file.read(), type=Manifest)
    except FileNotFoundError:
        raise LocalError(f"{path} does not exist; name a file that `pixeltrail backup` wrote") from None
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tarfile.TarError, KeyError, msgspec.DecodeError, msgspec.ValidationError):
        raise LocalError(
            f"{path} is no whole backup: its manifest is missing or damaged; take an earlier one"
        ) from None
    if manifest.format != FORMAT:
        raise LocalError(
            f"{path} has format {manifest.format}, and this version reads {FORMAT}; update pixeltrail"
        )
    return manifest
