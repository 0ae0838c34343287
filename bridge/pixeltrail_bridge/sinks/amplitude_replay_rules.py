"""What Amplitude's replay upload looks like, and what its answers mean.

Read from the open SDK (@amplitude/session-replay-browser 1.51.6), since Amplitude documents only the two addresses. The
SDK's own reactions are kept, with these exceptions, all of them because a piece here is kept on disk until it is taken:
what the SDK gives up on after two tries is tried again for as long as it takes, a request that did not get through is
too, and a key that is refused (401, 403) or an answer that no Amplitude gives makes the sink wait instead of dropping.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from ..errors import ConfigError

HOSTS: Final = {"US": "https://api-sr.amplitude.com", "EU": "https://api-sr.eu.amplitude.com"}
PATH: Final = "/sessions/v2/track"
MAX_EVENT_BYTES: Final = 9_000_000  # the server drops what is above 10 MB
MAX_REQUEST_BYTES: Final = 6_000_000  # uncompressed; the server splits what is above 10 MB
MERGED_BYTES: Final = 4_000_000  # of a request after a pause, when much waits
THROTTLE_MS: Final = 60_000
TIMEOUT_S: Final = 10.0
SKIP_HEADER: Final = "X-Session-Replay-Event-Skipped"
OLDEST_SESSION_ID: Final = 1_500_000_000_000  # 2017: an earlier one is of a clock that was not set
_THROTTLED, _INVALID_RANGE, _CAPTURE_DISABLED = "429", "4004", "4005"
_TOO_LARGE = re.compile("payload.*exceed", re.IGNORECASE)
_MAX_URL: Final = 1_000

Verdict = Literal["sent", "throttled", "stop", "retry", "split", "drop", "pause"]


def base_url(zone: str, host: str | None) -> str:
    """Where uploads go. ConfigError: there is no such zone, or the host belongs to the other one."""
    zone = zone.upper()
    if zone not in HOSTS:
        raise ConfigError(f"amplitude_replay.zone is {zone.lower()!r}; set it to us or eu")
    address = host or HOSTS[zone]
    if "://" not in address:
        address = f"https://{address}"
    name = urlsplit(address).hostname or ""
    theirs = next((one for one, known in HOSTS.items() if urlsplit(known).hostname == name), zone)
    if theirs != zone:
        raise ConfigError(
            f"amplitude_replay.host is {name}, which is in zone {theirs.lower()}, and the zone is {zone.lower()}; "
            "leave amplitude_replay.host out, or change the zone"
        )
    return address.rstrip("/").removesuffix(PATH) + PATH


def upload_url(base: str, device_id: str, session_id: int) -> str:
    return f"{base}?{urlencode({'device_id': device_id, 'session_id': session_id, 'type': 'replay'})}"


def upload_headers(api_key: str, version: str, library: str, page: str, sample_rate: float) -> dict[str, str]:
    """Those that the SDK sets. `library` is name/version, `page` what was recorded."""
    return {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Authorization": f"Bearer {api_key}",
        "X-Client-Version": version,
        "X-Client-Library": library,
        "X-Client-Url": page[:_MAX_URL],
        "X-Client-Sample-Rate": f"{sample_rate:g}",
        "X-Sampling-Hash-Alg": "xxhash32",
        "Content-Encoding": "gzip",
    }


def judge(status: int, skipped: str | None, text: str) -> Verdict:
    """What to do with a request that was answered so; `skipped` is the value of SKIP_HEADER."""
    if 200 <= status < 300:
        if text.lstrip().startswith("<"):
            return "pause"  # a web page: something between us and Amplitude answered
        if skipped == _THROTTLED:
            return "throttled"
        return "stop" if skipped in (_INVALID_RANGE, _CAPTURE_DISABLED) else "sent"
    if status in (408, 429, 499) or status >= 500:
        return "retry"
    if status == 413:
        return "split" if _TOO_LARGE.search(text) else "drop"
    return "pause" if status in (401, 403) or not 400 <= status < 500 else "drop"


def explain_skip(skipped: str | None) -> str:
    """A skip code in words."""
    reasons = {
        _THROTTLED: "Amplitude throttled the upload and dropped this part of the replay",
        _INVALID_RANGE: "Amplitude takes no replay of a session of this time",
        _CAPTURE_DISABLED: "replay capture is disabled in the Amplitude project",
    }
    return f"{skipped}: {reasons.get(skipped or '', 'unknown')}"
