"""Exports asked for on the page: jobs in a thread of their own, and their files for a while.

    POST /api/sessions/DEVICE/SESSION/exports {format, options}    202 {id}
    GET  /api/exports/ID                                           {state, progress, file, size, error}
    GET  /api/exports/ID/file                                      the file, to be saved
    DELETE /api/exports/ID                                         ends it, and removes what it wrote

One job runs at a time, since each takes the interpreter from ingest; a few may wait. Files lie in the data folder under
`exports`, are named by the job, and go after KEPT_S, or sooner where the newest ones take more than MOST_BYTES. A job's
ID is a random number that nobody guesses. Nothing of it survives a restart.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from ..errors import LocalError, PixeltrailError
from ..export import files, formats, options
from ..export.formats import Format
from ..export.options import Options
from ..store.database import SqlStore
from .answers import Json, Refused, answering, as_json, body_of, session_of
from .pool import Pool

KEPT_S: Final = 3_600.0
MOST_JOBS: Final = 8  # waiting or running
MOST_FINISHED: Final = 100
MOST_BYTES: Final = 2 << 30  # of files that are kept
LEAST_FREE_BYTES: Final = 256 << 20  # the database needs the disk more than an export does
MOST_DRAWN_PX: Final = 2 * 10**10  # some minutes of work; more belongs to the command line
_ID: Final = re.compile(r"[0-9a-f]{32}")

log = structlog.get_logger(__name__)


class _Wanted(msgspec.Struct):
    format: str = ""
    options: dict[str, Any] = {}


class _Ended(Exception):
    """Nobody wants it any more."""


@dataclass(slots=True)
class _Job:
    id: str
    device_id: str
    session_id: int
    format: Format
    options: Options
    path: Path
    made_s: float
    state: str = "queued"
    progress: float = 0.0
    size: int = 0
    error: str | None = None
    is_wanted: bool = True

    def describe(self) -> Json:
        file = f"{self.device_id}-{self.session_id}{self.format.suffix}"
        return {
            "id": self.id,
            "format": self.format.name,
            "state": self.state,
            "progress": round(self.progress, 3),
            "file": file if self.state == "done" else None,
            "size": self.size,
            "error": self.error,
        }


class Exports:
    """The routes; `close` when the server has stopped. `folder`: the data folder."""

    def __init__(self, store: SqlStore, folder: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._now_s = store, now_s
        self._pool = Pool("exports", 1)
        self._folder = folder / "exports"
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "export")
        shutil.rmtree(self._folder, ignore_errors=True)  # of an earlier run: nobody knows their jobs any more

    def routes(self) -> list[BaseRoute]:
        one = "/api/exports/{job_id}"
        return [
            Route("/api/sessions/{device_id}/{session_id}/exports", self.make, methods=["POST"]),
            Route(one, self.told, methods=["GET"]),
            Route(one, self.end, methods=["DELETE"]),
            Route(f"{one}/file", self.file, methods=["GET"]),
        ]

    def forget(self) -> None:
        """Something was forgotten: every file may hold it, and is made again when somebody asks."""
        with self._lock:
            jobs = list(self._jobs.values())
            for job in jobs:
                job.is_wanted = False
            ended = [job for job in jobs if job.state in ("done", "failed")]
        for job in ended:
            self._forget(job)

    def close(self) -> None:
        """Ends what runs; files go."""
        with self._lock:
            for job in self._jobs.values():
                job.is_wanted = False
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._pool.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @answering
    async def make(self, request: Request) -> Response:
        place = session_of(request)
        wanted: _Wanted = await body_of(request, _Wanted)
        job = await self._pool.run(self._make, *place, wanted)
        return as_json({"id": job.id}, 202)

    @answering
    async def told(self, request: Request) -> Response:
        return as_json(self._find(request).describe())

    @answering
    async def file(self, request: Request) -> Response:
        job = self._find(request)
        if job.state != "done":
            raise Refused(409, "This export is not done yet.")
        described = job.describe()
        headers = {"cache-control": "private, no-store"}
        return FileResponse(
            job.path, media_type=job.format.content_type, filename=described["file"], headers=headers
        )

    @answering
    async def end(self, request: Request) -> Response:
        job = self._find(request)
        with self._lock:
            job.is_wanted = False
        self._forget(job)
        return as_json({"ended": True})

    # ---- in threads ------------------------------------------------------------------

    def _make(self, device_id: str, session_id: int, wanted: _Wanted) -> _Job:
        try:
            format, chosen = formats.named(wanted.format), options.parse(wanted.options, MOST_DRAWN_PX)
            format.check(chosen)
        except LocalError as error:
            raise Refused(400, str(error)) from None
        files.open_session(self._store, device_id, session_id)  # LocalError when there is none
        self._tidy()
        with self._lock:
            busy = sum(job.state in ("queued", "running") for job in self._jobs.values())
            if busy >= MOST_JOBS:
                raise Refused(503, f"{busy} exports wait already; try again when one is done.")
            job_id = secrets.token_hex(16)
            path = self._folder / job_id
            job = self._jobs[job_id] = _Job(
                job_id, device_id, session_id, format, chosen, path, self._now_s()
            )
        self._worker.submit(self._run, job)
        return job

    def _run(self, job: _Job) -> None:
        try:
            self._check_disk()
            job.state = "running"
            session = files.open_session(self._store, job.device_id, job.session_id)
            job.size = files.write_file(
                session, job.format, job.options, job.path, lambda s: self._note(job, s)
            )
            self._end(job, "done")
        except _Ended:
            self._forget(job)
        except PixeltrailError as error:
            self._end(job, "failed", str(error))
        except Exception:  # noqa: BLE001 our own fault is told, and ends nothing else
            log.exception("an export failed", device=job.device_id, session=job.session_id)
            self._end(job, "failed", "The export failed; the bridge's log says why.")

    def _end(self, job: _Job, state: str, error: str | None = None) -> None:
        """Whoever ends its being wanted meanwhile finds it either ended, or leaves that to us."""
        with self._lock:
            if job.is_wanted:
                job.progress = 1.0 if error is None else job.progress
                job.error, job.made_s, job.state = error, self._now_s(), state
                return
        self._forget(job)

    def _note(self, job: _Job, share: float) -> None:
        if not job.is_wanted:
            raise _Ended
        job.progress = share

    def _check_disk(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < LEAST_FREE_BYTES:
            raise LocalError(
                f"the bridge's disk has {free >> 20} MB left, too little for exports; free some space, or use "
                "`pixeltrail export` with a file on another disk"
            )

    def _tidy(self) -> None:
        """Remove files that are old or too many."""
        with self._lock:
            ended = sorted(
                (job for job in self._jobs.values() if job.state in ("done", "failed")),
                key=lambda job: -job.made_s,
            )
        kept_bytes = 0
        for number, job in enumerate(ended):
            kept_bytes += job.size
            if self._now_s() - job.made_s > KEPT_S or kept_bytes > MOST_BYTES or number >= MOST_FINISHED:
                self._forget(job)

    def _forget(self, job: _Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)
        with suppress(OSError):
            job.path.unlink(missing_ok=True)

    def _find(self, request: Request) -> _Job:
        job_id: str = request.path_params["job_id"]
        job = self._jobs.get(job_id) if _ID.fullmatch(job_id) else None
        if job is None:
            raise Refused(404, "There is no such export: files are kept for an hour. Ask for it again.")
        return job
