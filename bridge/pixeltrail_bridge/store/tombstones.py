"""What was forgotten, and may not come back: by a device's resends, from a backup, or from a cache of this process.

A tombstone holds a keyed hash of an ID, never the ID. It cuts off what is older than itself, and where it `refuses`
also whatever comes later. A transaction looks for new ones once, before it writes, so that whatever another process
forgets holds here from the next commit on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal

from ..mapping.calls import REPLAY_CHUNKS, REPLAY_PROPERTY
from .sql import Connection

Kind = Literal["device", "user", "session", "shared", "stream"]
DISPLAY_CHANGED: Final = "Display Changed"  # as mapping.display has it
MADE_OF_RECORDINGS: Final = (DISPLAY_CHANGED, REPLAY_CHUNKS)
SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 16
_SALT_KEY: Final = "erasure_salt"


@dataclass(frozen=True, slots=True)
class Tombstone:
    kind: str
    digest: bytes
    salt: bytes
    at_ms: int
    refuses: bool
    devices: tuple[int, ...] = ()


def digest_of(salt: bytes, kind: str, text: str) -> bytes:
    """Of an ID; different for each kind and each store."""
    name = text.encode("utf-8", "surrogatepass")
    return blake2b(name, key=salt, person=kind.encode(), digest_size=_DIGEST_BYTES).digest()


def session_name(device_id: str, session_id: int) -> str:
    return f"{device_id}/{session_id}"


class Tombstones:
    """Those of a store, as the last transaction saw them. `find` may be called from any thread."""

    def __init__(self) -> None:
        self.newest = 0
        self._found: dict[tuple[bytes, bytes], Tombstone] = {}
        self._salts: tuple[bytes, ...] = ()
        self._digest = lru_cache(4096)(digest_of)

    def refresh(self, db: Connection) -> None:
        (newest,) = db.execute("SELECT coalesce(max(no), 0) FROM erasures").fetchone()
        if newest == self.newest:
            return
        rows = read(db)
        self._found = {(one.salt, one.digest): one for one in rows}
        self._salts = tuple({one.salt: None for one in rows})
        self.newest = int(newest)

    def __bool__(self) -> bool:
        return bool(self._found)

    def find(self, kind: Kind, text: str) -> Tombstone | None:
        for salt in self._salts:
            found = self._found.get((salt, self._digest(salt, kind, text)))
            if found is not None:
                return found
        return None

    def refuses(self, kind: Kind, text: str, at_ms: int | None = None) -> bool:
        """Whether something of this ID, and of this time where it is known, may not be kept."""
        found = self.find(kind, text) if self._found else None
        return found is not None and (found.refuses or (at_ms is not None and at_ms < found.at_ms))

    def refuses_session(self, device_id: str, session_id: int) -> bool:
        """What was recorded in a session; of one that was `shared`, events of others may still come."""
        if not self._found:
            return False
        name = session_name(device_id, session_id)
        return self.find("session", name) is not None or self.find("shared", name) is not None

    def is_shared(self, device_id: str, session_id: int) -> bool:
        name = session_name(device_id, session_id)
        return self.find("shared", name) is not None and self.find("session", name) is None

    def refuses_event(
        self, device_id: str, session_id: int, time_ms: int, payload: Mapping[str, Any]
    ) -> bool:
        if not self._found:
            return False
        return (
            self.refuses("device", device_id, time_ms)
            or (
                self.refuses_session(device_id, session_id)
                and not (self.is_shared(device_id, session_id) and is_of_others(payload))
            )
            or any(self.refuses("user", user, time_ms) for user in users_of(payload))
            or any(self.refuses("device", device, time_ms) for device in devices_of(payload))
        )


def is_of_others(event: Mapping[str, Any]) -> bool:
    """Of an event in a session that a forgotten user shared: whether it is somebody else's."""
    return bool(users_of(event)) and event.get("event") not in MADE_OF_RECORDINGS


def users_of(event: Mapping[str, Any]) -> set[str]:
    """The users that an event is about, by the fields that say so."""
    context = _table(event.get("context"))
    traits = _table(context.get("traits"))
    named = (event.get("userId"), event.get("previousId"), traits.get("userId"))
    device = _table(context.get("device"))
    own = {event.get("anonymousId"), device.get("id")}  # whose Replay ID it is, in most settings
    return {_text(one) for one in named if _is_id(one)} | (_replay_owner(event) - own)


def devices_of(event: Mapping[str, Any]) -> set[str]:
    """The devices and apps that an event is of or names."""
    device = _table(_table(event.get("context")).get("device"))
    named = (event.get("anonymousId"), device.get("id"), device.get("companion_id"))
    return {_text(one) for one in named if _is_id(one)} | _replay_owner(event)


def _replay_owner(event: Mapping[str, Any]) -> set[str]:
    """The first half of a Replay ID: a device, or a user where the settings say so."""
    replay = _table(event.get("properties")).get(REPLAY_PROPERTY)
    return {replay.rpartition("/")[0]} if isinstance(replay, str) and "/" in replay else set()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


# ---- rows ---------------------------------------------------------------------------


def read(db: Connection) -> list[Tombstone]:
    """All of them, in order."""
    query = "SELECT kind, digest, salt, at_ms, refuses, devices FROM erasures ORDER BY no"
    return [
        Tombstone(
            kind, bytes(digest), bytes(salt), int(at_ms), bool(refuses), tuple(json.loads(devices or "[]"))
        )
        for kind, digest, salt, at_ms, refuses, devices in db.execute(query).fetchall()
    ]


def add(db: Connection, rows: Iterable[Tombstone], locking: str) -> int:
    """Write those that are not there yet; returns how many. `locking` is the transaction's."""
    _keep_others_away(db, locking)
    known = {(one.digest, one.salt): one for one in read(db)}
    new: list[Tombstone] = []
    for one in rows:
        last = known.get((one.digest, one.salt))
        if last is None or (last.at_ms, last.refuses) != (one.at_ms, one.refuses):
            new.append(one)
            known[one.digest, one.salt] = one
    _insert(db, new)
    return len(new)


def say_again(db: Connection, rows: Iterable[Tombstone], locking: str) -> None:
    """Make these the newest, as they stand: whoever looks for new ones finds them once more."""
    _keep_others_away(db, locking)
    known = {(one.digest, one.salt): one for one in read(db)}
    again = [known[one.digest, one.salt] for one in rows]
    (newest,) = db.execute("SELECT coalesce(max(no), 0) FROM erasures").fetchone()
    _insert(db, again)
    delete = "DELETE FROM erasures WHERE digest = ? AND salt = ? AND no <= ?"
    db.executemany(delete, [(one.digest, one.salt, newest) for one in again])


def _keep_others_away(db: Connection, locking: str) -> None:
    """Numbers have to become visible in their order: who saw a later one would never look for an earlier one."""
    salt_of(db)
    db.execute("SELECT 1 FROM meta WHERE key = ?" + locking, (_SALT_KEY,))


def _insert(db: Connection, rows: Iterable[Tombstone]) -> None:
    db.executemany(
        "INSERT INTO erasures (kind, digest, salt, at_ms, refuses, devices) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (one.kind, one.digest, one.salt, one.at_ms, one.refuses, json.dumps(list(one.devices)))
            for one in rows
        ],
    )


def salt_of(db: Connection) -> bytes:
    """The key of this store's hashes, made on first use."""
    put = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
    db.execute(put, (_SALT_KEY, os.urandom(SALT_BYTES)))
    return bytes(db.execute("SELECT value FROM meta WHERE key = ?", (_SALT_KEY,)).fetchone()[0])
