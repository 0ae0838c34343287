"""The machine under a bridge: its folder, its disk, and files that keep secrets."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ...config import Config
from ...errors import LocalError
from ...ingest import IngestSettings
from .. import exposure
from .finding import Finding, duration

_RENEW_S = 30 * 86_400


def is_running(folder: Path) -> bool:
    """Whether a bridge holds the folder."""
    try:
        with (folder / "bridge.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_secrets(config: Config) -> Iterator[Finding]:
    """Files that others may read, and certificates that are about to be over."""
    for path in exposure.open_secrets(config):
        yield Finding("FAULT", "secrets", f"{path} can be read by others; run: chmod 600 {path}")
    found = [
        exposure.broker_certificate(config),
        exposure.page_certificate(config),
        exposure.apps_certificate(config),
    ]
    for cert in sorted({one.cert for one in found if one is not None}):
        yield check_certificate(cert, time.time())


def check_certificate(cert: Path, now_s: float) -> Finding:
    from ...keys.authority import ends_at

    try:
        left_s = ends_at(cert).timestamp() - now_s
    except LocalError as error:
        return Finding("FAULT", "certificate", str(error))
    if left_s <= 0:
        return Finding(
            "FAULT", "certificate", f"{cert} is over: nobody can connect; run: pixeltrail keys renew"
        )
    if left_s < _RENEW_S:
        return Finding(
            "note",
            "certificate",
            f"{cert} ends in {duration(int(left_s * 1000))}; run: pixeltrail keys renew",
        )
    return Finding("ok", "certificate", f"{cert} is good for {duration(int(left_s * 1000))}")


def check_disk(folder: Path) -> Finding:
    free, least = shutil.disk_usage(folder).free, IngestSettings().min_free_bytes
    text = f"{free >> 20:,} MB free"
    if free < least:
        return Finding(
            "FAULT", "disk", f"{text}; below {least >> 20} MB nothing is accepted: free some space"
        )
    if free < 4 * least:
        return Finding("note", "disk", f"{text}; below {least >> 20} MB nothing is accepted")
    return Finding("ok", "disk", text)


def check_integrity(database: Path) -> Finding:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        remedy = "stop the bridge, keep a copy, and restore a backup or recover it with sqlite3 .recover"
        return Finding("FAULT", "store", f"{database} is damaged ({answer}); {remedy}")
    return Finding("ok", "store", f"{database} is sound, {database.stat().st_size >> 10:,} KB")
