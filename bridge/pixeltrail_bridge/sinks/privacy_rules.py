"""What the vendors' interfaces for deletion take and answer, without a network.

- Segment, Public API, "Deletion and Suppression": `POST /regulations/sources/{id}` (of the workspace: `/regulations`)
  with `{regulationType, subjectType: "USER_ID", subjectIds}` and a bearer token; the answer is
  `{data: {regulateId}}`. `GET /regulations/{id}` answers `{data: {regulation: {overallStatus, ...}}}`. Anonymous IDs
  are taken of few workspaces and for their archive alone, so only users are asked for.
- Amplitude, User Privacy API: `POST /api/2/deletions/users` with `{user_ids, requester, ignore_invalid_id,
  delete_from_org}`, whose flags are texts, and the keys as basic authentication; the answer names the day of the job
  and Amplitude's own IDs. `GET ...?start_day=&end_day=` lists jobs with their status: staging, submitted, done.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

SEGMENT: Final = "segment"
AMPLITUDE: Final = "amplitude"
SEGMENT_HOSTS: Final = {"us": "https://api.segmentapis.com", "eu": "https://eu1.api.segmentapis.com"}
AMPLITUDE_HOSTS: Final = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
_SEGMENT_ENDS: Final = ("FINISHED",)
_SEGMENT_FAULTS: Final = ("FAILED", "INVALID", "NOT_SUPPORTED", "PARTIAL_SUCCESS")
_JOB_DAYS: Final = 35  # a job runs within 30 days of its request
_MAX_ANSWER: Final = 200
State = Literal["waiting", "accepted", "done", "refused", "unsupported"]


@dataclass(frozen=True, slots=True)
class SegmentPrivacy:
    token: str
    source: str = ""
    regulation: str = "SUPPRESS_WITH_DELETE"
    host: str = SEGMENT_HOSTS["us"]


@dataclass(frozen=True, slots=True)
class AmplitudePrivacy:
    api_key: str
    secret_key: str
    requester: str = ""
    host: str = AMPLITUDE_HOSTS["us"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to be made. `body` is None for a GET."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer means. `reference`: under which the vendor keeps the request. None: as it was, try again."""

    state: State | None
    status: int | None
    answer: str
    reference: str = ""


def segment_ask(settings: SegmentPrivacy, user_id: str) -> Ask:
    path = f"/regulations/sources/{settings.source}" if settings.source else "/regulations"
    body = {"regulationType": settings.regulation, "subjectType": "USER_ID", "subjectIds": [user_id]}
    return Ask(settings.host.rstrip("/") + path, _segment_headers(settings), json.dumps(body).encode())


def segment_look(settings: SegmentPrivacy, reference: str) -> Ask:
    return Ask(f"{settings.host.rstrip('/')}/regulations/{reference}", _segment_headers(settings))


def amplitude_ask(settings: AmplitudePrivacy, user_id: str) -> Ask:
    body: dict[str, Any] = {
        "user_ids": [user_id],
        "ignore_invalid_id": "true",
        "delete_from_org": "false",
    }
    if settings.requester:
        body["requester"] = settings.requester
    url = settings.host.rstrip("/") + "/api/2/deletions/users"
    return Ask(url, _amplitude_headers(settings), json.dumps(body).encode())


def amplitude_look(settings: AmplitudePrivacy, asked_ms: int) -> Ask:
    first = datetime.fromtimestamp(asked_ms / 1000, UTC)
    last = first + timedelta(days=_JOB_DAYS)
    days = f"start_day={first:%Y-%m-%d}&end_day={last:%Y-%m-%d}"
    return Ask(f"{settings.host.rstrip('/')}/api/2/deletions/users?{days}", _amplitude_headers(settings))


def judge_segment(status: int, text: str) -> Said:
    """Of both requests to Segment."""
    if not 200 <= status < 300:
        return _refusal(status, text)
    data = _table(_parse(text).get("data"))
    if "regulateId" in data:
        return Said("accepted", status, "accepted", str(data["regulateId"]))
    overall = str(_table(data.get("regulation")).get("overallStatus", ""))
    if overall in _SEGMENT_ENDS:
        return Said("done", status, overall)
    if overall in _SEGMENT_FAULTS:
        return Said("refused", status, overall)
    return Said(None, status, overall or "an answer that Segment does not give")


def judge_amplitude_ask(status: int, text: str) -> Said:
    if not 200 <= status < 300:
        return _refusal(status, text)
    jobs = [job for job in _jobs(text) if job.get("day")]
    if not jobs:
        return Said("done", status, "Amplitude knows no such user")
    ids = [str(one.get("amplitude_id")) for job in jobs for one in _list(job.get("amplitude_ids"))]
    if not any(ids):
        return Said("done", status, "Amplitude knows no such user")
    reference = json.dumps({"days": sorted({str(job["day"]) for job in jobs}), "ids": ids})
    return Said("accepted", status, str(jobs[0].get("status", "staging")), reference)


def judge_amplitude_look(status: int, text: str, reference: str) -> Said:
    if not 200 <= status < 300:
        return _refusal(status, text)
    wanted = set(json.loads(reference)["ids"])
    found = [
        str(job.get("status"))
        for job in _jobs(text)
        if any(str(_table(one).get("amplitude_id")) in wanted for one in _list(job.get("amplitude_ids")))
    ]
    if found and all(one == "done" for one in found):
        return Said("done", status, "done", reference)
    return Said(None, status, ", ".join(sorted(set(found))) or "no job is listed yet", reference)


def _refusal(status: int, text: str) -> Said:
    """A wrong key or a busy server is tried again for ever; what the vendor cannot read is for a person."""
    words = " ".join(text.split())[:_MAX_ANSWER]
    if status in (401, 403, 408, 429) or status >= 500:
        return Said(None, status, words)
    return Said("refused", status, words)


def _segment_headers(settings: SegmentPrivacy) -> dict[str, str]:
    kind = "application/vnd.segment.v1+json"
    return {"Authorization": f"Bearer {settings.token}", "Content-Type": kind, "Accept": kind}


def _amplitude_headers(settings: AmplitudePrivacy) -> dict[str, str]:
    token = base64.b64encode(f"{settings.api_key}:{settings.secret_key}".encode()).decode()
    return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}


def _jobs(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def _parse(text: str) -> dict[str, Any]:
    try:
        return _table(json.loads(text))
    except ValueError:
        return {}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
