"""Backups: one file with all that a bridge needs to go on elsewhere, made while it runs; and the way back."""

from __future__ import annotations

from .make import Place, make_backup
from .manifest import Manifest, read_manifest
from .restore import restore_backup

__all__ = ["Manifest", "Place", "make_backup", "read_manifest", "restore_backup"]
