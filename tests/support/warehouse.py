"""What a customer's bucket and warehouse make of events, and whether an import gives back what there was.

`s3_lines` are events as Segment's S3 destination stores them, `warehouse_rows` the table `replay_chunks`: properties in
columns, names in snake case, no `integrations`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pixeltrail_bridge.importing.run import Report, import_files
from pixeltrail_bridge.importing.writing import Refusal
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS, MappingSettings
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.database import SqlStore

Event = dict[str, Any]
SETTINGS = MappingSettings(sample_rate=1.0, extra_events=EXTRA_EVENTS)
_ALL = 1_000_000


def s3_line(event: Event) -> bytes:
    """With what Segment adds; it keeps the time that was sent as originalTimestamp, and moves timestamp."""
    stored = event | {
        "channel": "server",
        "originalTimestamp": event["timestamp"],
        "projectId": "p1",
        "receivedAt": "2026-11-22T10:00:00.123Z",
        "sentAt": "2026-11-22T10:00:00.000Z",
        "version": 2,
    }
    return json.dumps(stored).encode() + b"\n"


def warehouse_row(event: Event) -> Event:
    """A row of the table of its event."""
    properties = {
        name.replace("[Amplitude] ", "amplitude_").lower().replace(" ", "_"): value
        for name, value in event["properties"].items()
    }
    context = _flat("context", event["context"])
    return {
        "id": event["messageId"],
        "anonymous_id": event["anonymousId"],
        "user_id": event.get("userId"),
        "event": event["event"].lower().replace(" ", "_"),
        "event_text": event["event"],
        "original_timestamp": event["timestamp"],
        "received_at": "2026-11-22 10:00:00.123",
        **context,
        **properties,
    }


def _flat(prefix: str, values: Event) -> Event:
    found: Event = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(f"{prefix}_{name}", value)
        else:
            found[f"{prefix}_{name}"] = value
    return found


def warehouse_rows(events: Iterable[Event]) -> list[Event]:
    return [warehouse_row(event) for event in events if event.get("event") == REPLAY_CHUNKS]


def as_csv(rows: Sequence[Event]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_gzip(lines: Iterable[bytes]) -> bytes:
    return gzip.compress(b"".join(lines))


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def imported(
    store: SqlStore, *paths: Path, settings: MappingSettings = SETTINGS
) -> tuple[Report, list[Refusal]]:
    told: list[Refusal] = []
    return import_files(store, paths, settings, told.append), told


# ---- what there is -------------------------------------------------------------------------------------


def chunks_of(store: SqlStore, device_id: str) -> list[tuple[Any, ...]]:
    return sorted(
        (one.stream, one.seq, one.received_ms, one.session_id, one.host_ms, one.data)
        for stream in store.streams(device_id)
        for one in store.chunks(device_id, stream.stream)
    )


def sent_events(store: SqlStore, device_id: str) -> dict[str, tuple[Any, ...]]:
    """Without those that carry the recording: it is what they carried that comes back."""
    return {
        row.message_id: (row.session_id, row.type, row.event, row.time_ms, json.loads(row.payload))
        for row in store.events(device_id, limit=_ALL)
        if row.event != REPLAY_CHUNKS
    }


def shown(store: SqlStore, device_id: str) -> dict[int, tuple[list[Any], list[Any]]]:
    """Pictures, pixel for pixel with their times, and marks of each session."""
    found = {}
    for session in store.sessions(device_id):
        recording = Recording.open(store, device_id, session.session_id)
        found[session.session_id] = (list(recording.pictures()), list(recording.marks()))
    return found


def judge_same(original: SqlStore, copy: SqlStore, device_id: str, *, without: Sequence[str] = ()) -> None:
    """`without` names events that the export did not hold."""
    assert chunks_of(copy, device_id) == chunks_of(original, device_id)
    assert copy.sessions(device_id) == original.sessions(device_id)
    assert copy.gaps(device_id) == original.gaps(device_id)
    for session in original.sessions(device_id):
        place = (device_id, session.session_id)
        assert copy.spans(*place) == original.spans(*place)
        assert copy.keyframes(*place) == original.keyframes(*place)
        assert copy.clip_ends(*place) == original.clip_ends(*place)
    assert shown(copy, device_id) == shown(original, device_id)
    wanted = {
        message_id: event
        for message_id, event in sent_events(original, device_id).items()
        if event[2] not in without
    }
    assert sent_events(copy, device_id) == wanted
