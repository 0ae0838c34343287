"""The rules of Amplitude's HTTP APIs for those who send to them: hosts, limits, and what an answer means.

- 2xx: taken, unless a web page came instead of an answer.
- 400 that names events or devices: those are given up on, the others go out again at once. 400 that names none: the
  request is halved until the culprit is alone. 400 about the API key: nothing goes out until the key is right.
- 413: halved; an event that is too large alone is given up on.
- 429 that names devices or users: they wait (30 s; an hour when their daily quota is used up), the others go out
  again at once. 429 that names none: everything waits.
- 408 and 5xx: tried again later, without an end. Anything else is about the host: the sink pauses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ...errors import ConfigError, shorten
from ..segment_rules import parse_retry_after
from .actions import Endpoint

HOSTS: Final = {"US": "https://api2.amplitude.com", "EU": "https://api.eu.amplitude.com"}
PATHS: Final[dict[Endpoint, str]] = {
    "httpapi": "/2/httpapi",
    "batch": "/batch",
    "identify": "/identify",
    "groupidentify": "/groupidentify",
    "usermap": "/usermap",
}
USERMAP_HOST_US: Final = "https://api.amplitude.com"  # the one that api2 does not serve
DASHBOARDS: Final = {"US": "https://amplitude.com", "EU": "https://analytics.eu.amplitude.com"}
ZONE_OF_HOST: Final = {
    "api.amplitude.com": "US",
    "api2.amplitude.com": "US",
    "amplitude.com": "US",
    "api.eu.amplitude.com": "EU",
    "analytics.eu.amplitude.com": "EU",
}
MAX_EVENTS: Final = 2_000
MAX_IDENTIFICATIONS: Final = 100  # Amplitude takes 1,024; an error then costs fewer requests
_MARGIN: Final = 2_000  # key, names and options around the events
MAX_BYTES: Final[dict[Endpoint, int]] = {  # of a request's body, with room left
    "httpapi": 1_000_000 - _MARGIN,
    "batch": 20_000_000 - _MARGIN,
    "identify": 1_000_000 - _MARGIN,
    "groupidentify": 1_000_000 - _MARGIN,
    "usermap": 1_000_000 - _MARGIN,
}
DEVICE_RATE: Final = {
    "httpapi": 30,
    "batch": 1_000,
}  # events a second of one device before Amplitude answers 429
THROTTLED_MS: Final = 30_000
QUOTA_MS: Final = 3_600_000
_MAX_TEXT: Final = 300

Kind = Literal["sent", "retry", "split", "pause", "key", "culprits", "throttled"]


def make_urls(zone: str, host: str | None) -> dict[Endpoint, str]:
    """Where each request goes; `host` is a proxy or a compatible server. ConfigError: zone and host contradict."""
    name = zone.upper()
    if name not in HOSTS:
        raise ConfigError(f"amplitude.zone = {zone!r}: expected one of us, eu")
    base = host or HOSTS[name]
    if "://" not in base:
        base = f"https://{base}"
    theirs = ZONE_OF_HOST.get(urlsplit(base).hostname or "", name)
    if theirs != name:
        raise ConfigError(
            f"amplitude.host is {base}, which is in zone {theirs.lower()}, and amplitude.zone is {name.lower()}; "
            f'set amplitude.zone = "{theirs.lower()}", or leave amplitude.host out'
        )
    base = base.rstrip("/")
    urls = {endpoint: base + path for endpoint, path in PATHS.items()}
    if not host and name == "US":
        urls["usermap"] = USERMAP_HOST_US + PATHS["usermap"]
    return urls


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is None when nothing did; `wait_ms` is how long to wait, where the answer says.

    `culprits` are events that are given up on, by their place in the request; `devices` and `users` wait so many ms.
    """

    status: int | None
    text: str
    kind: Kind
    wait_ms: int | None = None
    culprits: Mapping[int, str] = field(default_factory=dict)
    silenced: frozenset[str] = frozenset()
    devices: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)


def judge(status: int, text: str, retry_after: str | None, now_ms: int, api_key: str) -> Answer:
    """What an answer means. The key is cut out of its text, for it ends up in lists and logs."""
    shown = _redact(text, api_key)
    if 200 <= status < 300:
        return Answer(status, shown, "pause" if text.lstrip().startswith("<") else "sent")
    if status in (401, 403) or (status == 400 and "api key" in text.lower()):
        return Answer(status, shown, "key")
    about = _parse(text)
    if status == 400:
        return _judge_refusal(shown, about)
    if status == 413:
        return Answer(status, shown, "split")
    wait_ms = parse_retry_after(retry_after, now_ms)
    if status == 429:
        return _judge_throttling(shown, about, wait_ms)
    if status == 408 or status >= 500:
        return Answer(status, shown, "retry", wait_ms)
    return Answer(status, shown, "pause")


def explain(status: int | None, text: str, url: str) -> str | None:
    """What is wrong and what to do about it, in a sentence; None for what ends by itself."""
    if status is None:
        return f"Amplitude cannot be reached at {url} ({text}); check the network or amplitude.host"
    kind = "pause" if status < 300 else judge(status, text, None, 0, "").kind  # a page in place of an answer
    if kind == "key":
        return (
            f"Amplitude answered {status} ({text}): check amplitude.api_key and amplitude.zone; events are kept until "
            "they are right"
        )
    if kind == "pause":
        return (
            f"{url} answered {status} ({text}), which Amplitude does not; check amplitude.host and amplitude.zone; "
            "events are kept until they are right"
        )
    return None


def _judge_refusal(shown: str, about: dict[str, Any]) -> Answer:
    if about.get("missing_field") == "api_key":
        return Answer(400, shown, "key")
    culprits: dict[int, str] = {}
    for key, what in (
        ("events_with_invalid_fields", "invalid"),
        ("events_with_missing_fields", "missing"),
        ("events_with_invalid_id_lengths", "too short"),
    ):
        for name, places in _table(about.get(key)).items():
            for place in places if isinstance(places, list) else []:
                if isinstance(place, int) and not isinstance(place, bool):
                    culprits[place] = f"{shorten(name)[:60]} is {what}"
    for place in _list(about.get("silenced_events")):
        if isinstance(place, int):
            culprits[place] = "Amplitude has silenced its device"
    silenced = frozenset(one for one in _list(about.get("silenced_devices")) if isinstance(one, str))
    kind: Kind = "culprits" if culprits or silenced else "split"
    return Answer(400, shown, kind, culprits=culprits, silenced=silenced)


def _judge_throttling(shown: str, about: dict[str, Any], wait_ms: int | None) -> Answer:
    waits: list[dict[str, int]] = []
    for kind in ("devices", "users"):
        quick = dict.fromkeys(_table(about.get(f"throttled_{kind}")), max(wait_ms or 0, THROTTLED_MS))
        slow = dict.fromkeys(_table(about.get(f"exceeded_daily_quota_{kind}")), QUOTA_MS)
        waits.append(quick | slow)
    devices, users = waits
    if not devices and not users:
        return Answer(429, shown, "retry", THROTTLED_MS if wait_ms is None else wait_ms)
    return Answer(429, shown, "throttled", devices=devices, users=users)


def _redact(text: str, api_key: str) -> str:
    bare = text.strip()
    return shorten(bare.replace(api_key, "***") if api_key else bare, _MAX_TEXT)


def _parse(text: str) -> dict[str, Any]:
    try:
        return _table(msgspec.json.decode(text.encode(errors="replace")))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
