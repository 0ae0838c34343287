"""What is known of a device or a user, as files that a person can read: the answer to a request for access.

JSON lines, one object a line; times in ms since 1970. Pictures only when they are asked for: a `.ptr` file for each
session, which `pixeltrail play` shows. What others did in a session that a user shared is left out.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from ..errors import LocalError, PeerError
from ..sessions.state import DeviceState, StreamState
from ..store.database import SqlStore
from ..store.tombstones import users_of
from ..wire import messages as m
from ..wire.decode import decode_uplink
from ..wire.recording_file import SUFFIX, Head, encode_chunk, encode_head
from .finding import Found, Subject, apps_of, event_of, find, session_events

README: Final = "about.json"


class Target:
    """A folder or a zip file, by its name; nothing that exists is overwritten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None

    @contextmanager
    def opened(self) -> Iterator[Target]:
        try:
            if self._path.suffix == ".zip":
                with zipfile.ZipFile(self._path, "x", zipfile.ZIP_DEFLATED) as self._zip:
                    yield self
            else:
                self._path.mkdir(parents=True)
                yield self
        except FileExistsError:
            raise LocalError(f"{self._path} exists; name another") from None
        except OSError as error:
            raise LocalError(f"{self._path} cannot be written: {error.strerror}") from None

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        if self._zip is not None:
            with self._zip.open(name, "w") as file:
                yield file  # type: ignore[misc]
            return
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield file


@dataclass(slots=True)
class Written:
    counts: dict[str, int] = field(default_factory=dict)


def write(store: SqlStore, subject: Subject, path: Path, now_ms: int, *, pictures: bool = False) -> Written:
    """LocalError: there is nothing of this name, or the place cannot be written."""
    found = find(store, subject)
    devices = _devices(store, subject, found)
    sessions = _sessions(store, subject, found, devices)
    events = list(_events(store, subject, found, devices))
    written = Written()
    if not (devices or sessions or events or found.letters):
        raise LocalError("nothing is kept under this name")
    tables: dict[str, Iterable[Any]] = {
        "devices": [_device(store, one) for one in devices],
        "sessions": [_session(store, device, number) for device, number in sessions],
        "events": events,
        "consent": sorted(_consent(store, sessions, devices), key=lambda one: str(one.get("at_ms"))),
        "dead_letters": _letters(store, found),
        "gaps": _gaps(store, sessions),
        "uploads": _uploads(store, sessions),
        "apps": _apps(store, subject, found),
    }
    with Target(path).opened() as target:
        for name, rows in tables.items():
            written.counts[name] = _lines(target, f"{name}.jsonl", rows)
        if pictures:
            written.counts["recordings"] = _pictures(store, sessions, target)
        about = {
            "subject": {"kind": subject.kind, "id": subject.name},
            "made_ms": now_ms,
            "files": written.counts,
            "pictures": "in recordings, for `pixeltrail play`" if pictures else "left out",
        }
        with target.file(README) as file:
            file.write(json.dumps(about, indent=2).encode() + b"\n")
    return written


def _devices(store: SqlStore, subject: Subject, found: Found) -> list[str]:
    """Those that are theirs, of a user the apps that nobody else used."""
    known = [device for (device,) in store._all("SELECT device_id FROM devices ORDER BY no")]
    return [one for one in known if one in found.devices]


def _sessions(
    store: SqlStore, subject: Subject, found: Found, devices: Iterable[str]
) -> list[tuple[str, int]]:
    listed = {(row.device_id, row.session_id) for device in devices for row in store.sessions(device)}
    exist = {(row.device_id, row.session_id) for row in store.sessions()}
    return sorted(listed | (found.sessions & exist))


def _events(
    store: SqlStore, subject: Subject, found: Found, devices: Iterable[str]
) -> Iterator[dict[str, Any]]:
    ids = set(found.events)
    for device in devices:
        query = "SELECT e.id FROM events e JOIN devices d ON d.no = e.device WHERE d.device_id = ?"
        ids |= {number for (number,) in store._all(query, device)}
    for device, session_id in found.sessions:
        for number, payload in session_events(store, device, session_id):
            users = users_of(event_of(payload))
            if subject.kind != "user" or subject.names & users or not users:
                ids.add(number)
    for number in sorted(ids):
        for row in store.events(after_id=number - 1, limit=1):
            yield {
                "id": row.id,
                "device_id": row.device_id,
                "session_id": row.session_id,
                "time_ms": row.time_ms,
                "event": event_of(row.payload),
                "sent_to": [
                    {"sink": one.sink, "state": one.state, "settled_ms": one.settled_ms}
                    for one in row.deliveries
                ],
            }


def _device(store: SqlStore, device_id: str) -> dict[str, Any]:
    query = "SELECT first_seen_ms, last_seen_ms, state FROM devices WHERE device_id = ?"
    first, last, state = store._all(query, device_id)[0]
    hellos = [
        msgspec.to_builtins(hello)
        for stream in store.streams(device_id)
        if (hello := msgspec.json.decode(bytes(stream.state), type=StreamState).hello) is not None
    ]
    return {
        "device_id": device_id,
        "first_seen_ms": first,
        "last_seen_ms": last,
        "state": json.loads(bytes(state)),
        "starts": hellos,
        "counters": store.counters(device_id).get(device_id, {}),
    }


def _session(store: SqlStore, device_id: str, session_id: int) -> dict[str, Any]:
    row = store.session(device_id, session_id)
    assert row is not None
    starred = store._all(
        "SELECT starred_ms FROM stars t JOIN devices d ON d.no = t.device WHERE d.device_id = ? AND t.session_id = ?",
        device_id,
        session_id,
    )
    shared = store._all(
        "SELECT created_ms, expires_ms, revoked_ms FROM shares t JOIN devices d ON d.no = t.device"
        " WHERE d.device_id = ? AND t.session_id = ?",
        device_id,
        session_id,
    )
    about = msgspec.structs.asdict(row) | {"stream": row.stream.hex(), "is_starred": bool(starred)}
    about["shares"] = [
        dict(zip(("created_ms", "expires_ms", "revoked_ms"), one, strict=True)) for one in shared
    ]
    return about


def _consent(
    store: SqlStore, sessions: Iterable[tuple[str, int]], devices: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """Each opt-out and its end, as the device said it, and how it stands."""
    for device_id, session_id in sessions:
        for stored in store.session_chunks(device_id, session_id):
            try:
                chunk = decode_uplink(stored.data)
            except PeerError:
                continue
            for record in chunk.records if isinstance(chunk, m.Chunk) else ():
                if isinstance(record.body, m.OptOut):
                    at_ms = (stored.host_ms or stored.received_ms) + record.time_ms - chunk.time_ms  # type: ignore[union-attr]
                    said = record.body.opted_out
                    yield {"device_id": device_id, "at_ms": at_ms, "opted_out": said, "said_by": "device"}
    for device_id in sorted({device for device, _ in sessions} | set(devices)):
        rows = store._all("SELECT state, opt_out_order FROM devices WHERE device_id = ?", device_id)
        for state, order in rows:
            device = msgspec.json.decode(bytes(state), type=DeviceState)
            yield {
                "device_id": device_id,
                "at_ms": device.opted_out_ms,
                "opted_out": device.opted_out,
                "said_by": "how it stands",
                "ordered": None if order is None else bool(order),
            }


def _letters(store: SqlStore, found: Found) -> Iterator[dict[str, Any]]:
    for letter in store.dead_letters(limit=1 << 30):
        if letter.id in found.letters:
            yield {
                "kind": letter.kind,
                "reason": letter.reason,
                "first_ms": letter.first_ms,
                "last_ms": letter.last_ms,
                "raw": letter.raw.hex(),
            }


def _gaps(store: SqlStore, sessions: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    for device_id, session_id in sessions:
        for row in store.gaps(device_id, session_id):
            yield msgspec.structs.asdict(row) | {"stream": row.stream.hex()}


def _uploads(store: SqlStore, sessions: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    query = (
        "SELECT r.sink, r.number, r.from_ms, r.until_ms, r.state, r.settled_ms FROM replay_pieces r"
        " JOIN devices d ON d.no = r.device WHERE d.device_id = ? AND r.session_id = ? ORDER BY r.id"
    )
    names = ("sink", "piece", "from_ms", "until_ms", "state", "settled_ms")
    for device_id, session_id in sessions:
        for row in store._all(query, device_id, session_id):
            yield {"device_id": device_id, "session_id": session_id} | dict(zip(names, row, strict=True))


def _apps(store: SqlStore, subject: Subject, found: Found) -> Iterator[dict[str, Any]]:
    for key, own_id, state in apps_of(store):
        if own_id in found.devices or subject.name in (key, state.user_id, state.device):
            yield {"app": key, "events_under": own_id} | msgspec.to_builtins(state)


def _pictures(store: SqlStore, sessions: Iterable[tuple[str, int]], target: Target) -> int:
    count = 0
    for device_id, session_id in sessions:
        row = store.session(device_id, session_id)
        assert row is not None
        with target.file(f"recordings/{device_id}-{session_id}{SUFFIX}") as file:
            file.write(encode_head(Head(device_id, session_id, row.start_ms, row.end_ms or row.last_ms)))
            for chunk in store.session_chunks(device_id, session_id):
                file.write(encode_chunk(chunk, session_id))
        count += 1
    return count


def _lines(target: Target, name: str, rows: Iterable[Any]) -> int:
    count = 0
    with target.file(name) as file:
        for row in rows:
            file.write(json.dumps(row, default=str).encode() + b"\n")
            count += 1
    return count
