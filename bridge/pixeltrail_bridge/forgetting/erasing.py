"""Writes down what may not come back, and deletes it; both may be done again."""

from __future__ import annotations

import msgspec

from ..mobile.sessions import AppState
from ..sessions.state import DeviceState, StreamState
from ..store import tombstones
from ..store.database import SqlStore, SqlTransaction
from ..store.erasing import Eraser
from ..store.scanning import Needle
from ..store.tombstones import Tombstone, digest_of, is_of_others, session_name, users_of
from .finding import (
    Found,
    Subject,
    all_events,
    apps_of,
    event_of,
    find,
    session_events,
)

# ---- tombstones ---------------------------------------------------------------------


def bury(store: SqlStore, subject: Subject, found: Found, at_ms: int, refuses: bool) -> list[Tombstone]:
    """Write down, by hash, what may not come back. Returns the rows, for the file beside the store."""

    def work(tx: SqlTransaction) -> list[Tombstone]:
        salt = tombstones.salt_of(tx.db)
        named: list[tuple[str, str, bool]] = [(subject.kind, subject.text, refuses)]
        named += [(subject.kind, alias, refuses) for alias in sorted(subject.aliases)]
        named += [("device", device, refuses) for device in sorted(found.devices - {subject.name})]
        kind = "shared" if subject.kind == "user" else "session"
        named += [(kind, session_name(device, session), True) for device, session in sorted(found.sessions)]
        for device in sorted(found.devices):
            tx.lock_devices([device])
            query = "SELECT s.stream FROM streams s JOIN devices d ON d.no = s.device WHERE d.device_id = ?"
            named += [
                ("stream", bytes(stream).hex(), True)
                for (stream,) in tx.db.execute(query, (device,)).fetchall()
            ]
        rows = [
            Tombstone(
                kind, digest_of(salt, kind, text), salt, at_ms, is_refused, tuple(sorted(found.touched))
            )
            for kind, text, is_refused in named
        ]
        unique = list({(one.kind, one.digest): one for one in reversed(rows)}.values())[::-1]
        tombstones.add(tx.db, unique, tx.locking)
        return unique

    rows: list[Tombstone] = store.commit_batch(work)
    return rows


def say_again(store: SqlStore, buried: list[Tombstone]) -> None:
    """Once it is all gone: a bridge that heard of it earlier may have read, since then, what was still there."""
    store.commit_batch(lambda tx: tombstones.say_again(tx.db, buried[:1], tx.locking))


# ---- rows ---------------------------------------------------------------------------


def erase(store: SqlStore, subject: Subject, found: Found, eraser: Eraser, refuses: bool) -> None:
    """Delete it all. May be done again."""
    for device_id in sorted(found.devices):
        eraser.device(device_id)
    for device_id, session_id in sorted(found.sessions):
        if is_shared := subject.kind == "user" or store.tombstones.is_shared(device_id, session_id):
            eraser.events(_events_of_nobody_else(store, subject, device_id, session_id))
        eraser.session(device_id, session_id, with_events=not is_shared)
    eraser.events(sorted(found.events))
    eraser.letters(sorted(found.letters))
    eraser.orphans(sorted(found.chunks))
    for one in sorted(found.sessions):
        _scrub_audit(store, *one)
    if subject.kind != "session":
        _scrub_states(store, subject, found, refuses)
        _scrub_texts(store, subject)


def _events_of_nobody_else(store: SqlStore, subject: Subject, device_id: str, session_id: int) -> list[int]:
    found = []
    for number, payload in session_events(store, device_id, session_id):
        event = event_of(payload)
        names_them = subject.kind == "user" and bool(subject.names & users_of(event))
        if names_them or not is_of_others(event):
            found.append(number)
    return found


def _scrub_states(store: SqlStore, subject: Subject, found: Found, refuses: bool) -> None:
    """Take the ID out of what is remembered of devices, streams and apps that stay."""
    needle = Needle(subject.name)

    def devices(tx: SqlTransaction) -> None:
        for number, device_id, raw in tx.db.execute("SELECT no, device_id, state FROM devices").fetchall():
            if number not in found.touched and not needle.is_in(bytes(raw)):
                continue
            tx.lock_devices([device_id])
            (raw,) = tx.db.execute("SELECT state FROM devices WHERE no = ?", (number,)).fetchone()
            state = msgspec.json.decode(bytes(raw), type=DeviceState)
            if subject.kind == "user" and state.user_id == subject.name:
                state.user_id, state.user_refused = None, refuses
            tx.db.execute(
                "UPDATE devices SET state = ?, version = version + 1 WHERE no = ?",
                (msgspec.json.encode(state), number),
            )
        for number, raw in tx.db.execute("SELECT no, state FROM streams").fetchall():
            if needle.is_in(bytes(raw)):
                stream = msgspec.json.decode(bytes(raw), type=StreamState)
                stream.user_id = None if stream.user_id == subject.name else stream.user_id
                tx.db.execute(
                    "UPDATE streams SET state = ? WHERE no = ?", (msgspec.json.encode(stream), number)
                )

    def apps(tx: SqlTransaction) -> None:
        for key, raw in tx.db.execute("SELECT key, state FROM apps").fetchall():
            if not needle.is_in(bytes(raw)):
                continue
            state = msgspec.json.decode(bytes(raw), type=AppState)
            state.user_id = None if state.user_id == subject.name else state.user_id
            if state.device == subject.name:
                state.device, state.token = None, ""
            tx.db.execute("UPDATE apps SET state = ? WHERE key = ?", (msgspec.json.encode(state), key))

    store.commit_batch(devices)
    store.commit_batch(apps)


def _scrub_texts(store: SqlStore, subject: Subject) -> None:
    """Who looked at what stays on record, without the ID; what vendors answered does not hold it."""
    needle = Needle(subject.name)

    def work(tx: SqlTransaction) -> None:
        query = "SELECT id, device, detail FROM audit"
        for number, device, detail in tx.db.execute(query).fetchall():
            if device == subject.name or needle.is_in(detail.encode()):
                is_device = device == subject.name
                tx.db.execute(
                    "UPDATE audit SET device = ?, detail = '' WHERE id = ?",
                    ("forgotten" if is_device else device, number),
                )
        for table, key in (("deliveries", "event"), ("replay_pieces", "id")):
            for number, answer in tx.db.execute(
                f"SELECT {key}, answer FROM {table} WHERE answer <> '' AND answer LIKE ?",
                (f"%{subject.name}%",),
            ).fetchall():
                if needle.is_in(answer.encode()):
                    tx.db.execute(
                        f"UPDATE {table} SET answer = '' WHERE {key} = ? AND answer = ?", (number, answer)
                    )

    store.commit_batch(work)


def _scrub_audit(store: SqlStore, device_id: str, session_id: int) -> None:
    update = "UPDATE audit SET session_id = NULL, detail = '' WHERE device = ? AND session_id = ?"
    store.commit_batch(lambda tx: tx.db.execute(update, (device_id, session_id)))


# ---- again --------------------------------------------------------------------------


def come_back(store: SqlStore) -> list[tuple[Subject, bool]]:
    """Whom the store has data of again, though they were forgotten: subjects, and whether all of theirs is refused.

    Of devices that may go on, the sessions and streams from before.
    """
    gone = store.commit_batch(lambda tx: tx.tombstones)
    found: list[tuple[Subject, bool]] = []
    if not gone:
        return found
    for (device_id,) in store._all("SELECT device_id FROM devices ORDER BY no"):
        stone = gone.find("device", device_id)
        if stone is not None and stone.refuses:
            found.append((Subject("device", device_id), True))
    for device_id, session_id in store._all(
        "SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device"
    ):
        if gone.refuses_session(device_id, session_id):
            found.append((Subject("session", device_id, session_id), True))
    for user_id in sorted(_all_users(store)):
        stone = gone.find("user", user_id)
        if stone is not None and stone.refuses:
            found.append((Subject("user", user_id), True))
    return found


def erase_returned(store: SqlStore, eraser: Eraser) -> int:
    """Delete again what came back, as from a backup; returns of how many subjects."""
    subjects = come_back(store)
    for subject, refuses in subjects:
        erase(store, subject, find(store, subject), eraser, refuses)
    _erase_older(store, eraser)
    return len(subjects)


def _erase_older(store: SqlStore, eraser: Eraser) -> None:
    """Of devices and users that may go on: events and streams from before they were forgotten."""
    gone = store.tombstones
    for device_id, number, session_id, time_ms, payload in all_events(store):
        if gone.refuses_event(device_id, session_id, time_ms, event_of(payload)):
            eraser.events([number])
    query = "SELECT s.no, s.stream FROM streams s"
    for number, stream in store._all(query):
        if gone.refuses("stream", bytes(stream).hex()):
            eraser.stream(number)


def _all_users(store: SqlStore) -> set[str]:
    users = {
        user for (user,) in store._all("SELECT DISTINCT user_id FROM sessions WHERE user_id IS NOT NULL")
    }
    users |= {state.user_id for _, _, state in apps_of(store) if state.user_id}
    for *_, payload in all_events(store):
        users |= users_of(event_of(payload))
    return users


def readmit(store: SqlStore, subject: Subject, now_ms: int) -> Tombstone | None:
    """Take what comes from now on; what was before stays forgotten. None: nothing of this name was forgotten."""

    def work(tx: SqlTransaction) -> Tombstone | None:
        stone = tx.tombstones.find(subject.kind, subject.text)
        if stone is None:
            return None
        row = Tombstone(stone.kind, stone.digest, stone.salt, now_ms, False)
        tombstones.add(tx.db, [row], tx.locking)
        return row

    return store.commit_batch(work)
