"""The part of `pixeltrail check` that is about the Amplitude sink: key, mappings, and what they make of events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ..errors import ConfigError, LocalError
from .check_rules import for_sink

if TYPE_CHECKING:
    from ..config import Config
    from ..sinks.amplitude import AmplitudeSettings

_TIMEOUT_S = 5.0
_MAX_SAMPLES = 1_000
_USUAL_ID_LENGTH = 5
_MOST_GROUPS = 5
_MOST_LEVELS = 40
_TEST_USER = "testUser@example.com"  # nobody: the search only shows whether the keys are right
Finding = tuple[bool, str, str]


def find(settings: Config, offline: bool, samples: list[dict[str, Any]] | None) -> Iterator[Finding]:
    """`samples` are a person's own events; None takes those built in, for which a refusal is only worth a note."""
    from ..app.parts import amplitude_settings, has_amplitude

    is_on = has_amplitude(settings)
    if not (is_on or settings.lists.mappings or samples is not None):
        return
    if not is_on:
        yield True, "amplitude", "no API key, so nothing goes there; set amplitude.api_key_file"
    for file in (settings.amplitude.api_key_file, settings.amplitude.secret_key_file):
        if file is not None and file.exists() and file.stat().st_mode & 0o077:
            yield False, "amplitude", f"{file} can be read by others; run: chmod 600 {file}"
    try:
        amplitude = amplitude_settings(settings)
        if is_on:
            amplitude.check()
        mapper = amplitude.make_mapper()
    except ConfigError as error:
        yield False, "amplitude", str(error)
        return
    names = ", ".join(one.name for one in (*mapper.mappings, *([mapper.tracking] if mapper.tracking else [])))
    yield True, "amplitude", f"mappings: {names}"
    if amplitude.dry_run:
        yield True, "amplitude", "amplitude.dry_run is on, so nothing is sent"
    if is_on and offline:
        yield True, "amplitude", "amplitude.api_key is set, not asked (--offline)"
    elif is_on:
        yield from _ask(amplitude)
    yield from _try_samples(settings, amplitude, samples)


def show(settings: Config, samples: list[dict[str, Any]] | None) -> Iterator[str]:
    """Each event before and after, for people."""
    from ..app.parts import amplitude_settings
    from ..sinks.amplitude import preview
    from ..sinks.amplitude.samples import name_of, sample_events

    amplitude = amplitude_settings(settings)
    for event in for_sink(settings, "amplitude", sample_events() if samples is None else samples):
        mapped, requests = preview(amplitude, event)
        yield f"\n=== {name_of(event)}\nbefore: {_pretty(event)}"
        for fault in mapped.faults:
            yield f"refused: {fault}"
        for url, kind, body in requests:
            yield f"after: POST {url}\n{_pretty(_decode(kind, body))}"
        if not requests and not mapped.faults:
            yield f"after: nothing ({_why_nothing(mapped.is_excluded)})"


def read_samples(path: Path) -> list[dict[str, Any]]:
    """JSON lines. Raises LocalError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"--sample {path}: cannot be read: {error}") from None
    events = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LocalError(f"--sample {path}: line {number} is no JSON: {error}") from None
        if not isinstance(event, dict):
            raise LocalError(f"--sample {path}: line {number} is no event: expected a JSON object.")
        events.append(event)
    if len(events) > _MAX_SAMPLES:
        raise LocalError(f"--sample {path}: {len(events)} events; at most {_MAX_SAMPLES} are looked at.")
    return events


def _try_samples(
    settings: Config, amplitude: AmplitudeSettings, samples: list[dict[str, Any]] | None
) -> Iterator[Finding]:
    from ..sinks.amplitude import preview
    from ..sinks.amplitude.samples import name_of, sample_events

    least = amplitude.options.min_id_length or _USUAL_ID_LENGTH
    for event in for_sink(settings, "amplitude", sample_events() if samples is None else samples):
        what = f"sample {name_of(event)}"
        mapped, requests = preview(amplitude, event)
        if mapped.faults:
            text = "would be a dead letter: " + "; ".join(mapped.faults)
            yield (False, what, text) if samples is not None else (True, what, f"note: it {text}")
        elif requests:
            sent = [f"{item.endpoint} {item.body.get('event_type', '')}".strip() for item in mapped.items]
            yield True, what, f"{', '.join(mapped.takers)} -> {', '.join(sent)}"
        else:
            yield True, what, f"nothing is sent ({_why_nothing(mapped.is_excluded)})"
        for item in mapped.items:
            for name in ("user_id", "device_id"):
                one = item.body.get(name)
                if isinstance(one, str) and len(one) < least:
                    text = f"{name} {one!r} has less than {least} characters, with which Amplitude drops it"
                    yield False, what, f"{text}; use longer ones or set amplitude.min_id_length"
            for text in _lost_there(item.body):
                yield True, what, f"note: {text}"


def _lost_there(body: dict[str, Any]) -> Iterator[str]:
    """What Amplitude takes without a word and does not keep."""
    groups = body.get("groups")
    if isinstance(groups, dict) and len(groups) > _MOST_GROUPS:
        yield f"groups has {len(groups)}, of which Amplitude keeps {_MOST_GROUPS}; send less"
    for name in ("event_properties", "user_properties", "group_properties"):
        depth, is_nested = _shape(body.get(name))
        if depth > _MOST_LEVELS:
            yield f"{name} is {depth} levels deep, and Amplitude takes {_MOST_LEVELS}; make it flatter"
        if is_nested:
            yield f"{name} has a list within a list, which Amplitude does not take apart; make it one list"


def _shape(value: Any) -> tuple[int, bool]:
    """How deep tables lie in each other, and whether a list holds a list."""
    deepest, is_nested = 0, False
    waiting = [(value, 0, False)]  # with the level, and whether a list holds it
    while waiting:
        one, level, in_list = waiting.pop()
        if isinstance(one, dict):
            deepest = max(deepest, level + 1)
            waiting += [(item, level + 1, False) for item in one.values()]
        elif isinstance(one, list):
            is_nested |= in_list
            waiting += [(item, level, True) for item in one]
    return deepest, is_nested


def _ask(amplitude: AmplitudeSettings) -> Iterator[Finding]:
    """Send a request without events: it says whether the key is refused and leaves nothing behind."""
    from ..sinks.amplitude.rules import DASHBOARDS, judge, make_urls

    url = make_urls(amplitude.zone, amplitude.host)["httpapi"]
    body = json.dumps({"api_key": amplitude.api_key, "events": []}).encode()
    status, text = _request(url, body, {"Content-Type": "application/json"})
    if status is None:
        yield False, "amplitude", f"{url} cannot be reached ({text}); check the network and amplitude.host"
        return
    answer = judge(status, text, None, 0, amplitude.api_key)
    if answer.kind == "key":
        yield False, "amplitude", f"{url} refused amplitude.api_key ({status}); check it and amplitude.zone"
    elif answer.kind == "pause":
        yield False, "amplitude", f"{url} answered {status}; check amplitude.host"
    else:
        yield True, "amplitude", f"{url} did not refuse amplitude.api_key ({status})"
    if not amplitude.secret_key:
        return
    url = f"{amplitude.host or DASHBOARDS[amplitude.zone.upper()]}/api/2/usersearch?user={_TEST_USER}"
    token = base64.b64encode(f"{amplitude.api_key}:{amplitude.secret_key}".encode()).decode()
    status, text = _request(url, None, {"Authorization": f"Basic {token}"})
    if status in (401, 403):
        yield (
            False,
            "amplitude",
            f"{url} refused amplitude.secret_key ({status}); check it and amplitude.zone",
        )
    elif status is not None:
        yield True, "amplitude", f"{url} did not refuse amplitude.secret_key ({status})"


def _request(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int | None, str]:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, body, headers, method="POST" if body is not None else "GET")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.status), answer.read(65_536).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(65_536).decode(errors="replace")
    except (OSError, ValueError) as error:
        return None, str(error)


def _decode(kind: str, body: bytes) -> Any:
    if kind == "application/json":
        return json.loads(body)
    form: dict[str, Any] = dict(parse_qsl(body.decode()))
    return {name: json.loads(value) if value[:1] in "[{" else value for name, value in form.items()}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _why_nothing(is_excluded: bool) -> str:
    return "its integrations exclude Actions Amplitude" if is_excluded else "no mapping takes it"
