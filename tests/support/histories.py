"""Stores with a past, of people who share devices; and every byte that a store left anywhere."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixeltrail_bridge.mobile.intake import Intake, IntakeSettings, Received
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.store import search, shares
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.objects import FolderObjects
from pixeltrail_bridge.wire import messages as m

from .film import BOOT_MS, Camera, Device, Studio
from .stores import Place

HOUR_MS = 3_600_000
SECRET = b"\x5a\xa5\x3c\xc3\x96\x69"  # pixels that stand in no other picture


class House:
    """Devices with sessions. `tell` records one: who used it, what the display showed, what they did."""

    def __init__(self, store: SqlStore, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.studio = Studio(store, sample_rate=1.0)
        self.cameras: dict[str, Camera] = {}
        self.fed: list[tuple[str, tuple[int, bytes]]] = []
        self._at_ms: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        store.packs.objects = FolderObjects(folder / "objects")

    def tell(self, device_id: str, *users: str | None, mark: bytes = b"", ends: bool = True) -> int:
        """Returns the session's ID."""
        camera = self.cameras.get(device_id)
        at_ms = self._at_ms.get(device_id, 0)
        index = self._sessions.get(device_id, 0)
        said: list[tuple[int, bytes]] = []
        if camera is None:
            stream = (len(self.cameras) + 1).to_bytes(8)
            camera = self.cameras[device_id] = Camera(
                Device(32, 16, m.PixelFormat.GS8), stream, device_id=device_id
            )
            said += camera.begin(at_ms)
        else:
            said.append(camera.say(at_ms, m.SessionStart(index, True, None)))
        said += camera.key(at_ms + 10)
        for number, user in enumerate(users):
            at_ms += 1_000
            if user is not None:
                said.append(camera.say(at_ms, m.Identify(user, {"name": f"name of {user}"})))
            said += camera.show(at_ms + 100, (mark + bytes([index + number + 1]) * 512)[:512])
            said.append(camera.say(at_ms + 200, m.Touch(3, 4, 0)))
            said.append(camera.say(at_ms + 300, m.Track("Brewed", {"cups": number, "by": user or "nobody"})))
        if ends:
            said.append(camera.say(at_ms + 400, m.SessionEnd(index)))
        self._at_ms[device_id], self._sessions[device_id] = at_ms + 10_000, index + 1
        self.feed(device_id, said)
        return max(row.session_id for row in self.store.sessions(device_id))

    def feed(self, device_id: str, said: list[tuple[int, bytes]]) -> None:
        self.fed += ((device_id, one) for one in said)
        self.studio.feed(*said, device_id=device_id, is_projected=False)
        self.studio.project()

    def resend(self) -> None:
        """All that was ever sent, once more."""
        for device_id, one in self.fed:
            self.studio.feed(one, device_id=device_id, is_projected=False)
        self.studio.project()

    def post(self, *events: dict[str, Any]) -> None:
        """As a companion app does."""
        received = [Received(event, BOOT_MS + 5_000, ip="203.0.113.77") for event in events]
        self.store.commit_batch(lambda tx: Intake(IntakeSettings()).take(tx, received))

    def decorate(self, device_id: str, session_id: int) -> None:
        """A star, a link, and a dead letter."""
        search.set_star(self.store, device_id, session_id, True)
        shares.add_share(self.store, device_id, session_id, BOOT_MS, BOOT_MS + HOUR_MS)
        search.refresh_event_names(self.store)
        raw = json.dumps({"by": device_id}).encode()
        self.store.commit_batch(
            lambda tx: tx.add_dead_letter(device_id, "call", f"of {device_id}", raw, BOOT_MS)
        )

    def pack(self) -> int:
        packer = Packer(
            self.store, FolderObjects(self.folder / "objects"), 0, lambda: BOOT_MS + 100 * HOUR_MS
        )
        while packer.turn():
            pass
        return packer.packed


def dump(place: Place, store: SqlStore) -> dict[str, list[str]]:
    """Every row of every table, as text, by table."""
    del store
    tables = [
        name
        for (name,) in place.query(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if hasattr(place, "path")
            else "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        )
    ]
    return {name: sorted(map(repr, place.query(f'SELECT * FROM "{name}"'))) for name in tables}


def forms(text: bytes) -> Iterator[bytes]:
    """In which an ID or pixels may lie in a file."""
    yield text
    yield text.hex().encode()
    yield text.hex().upper().encode()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + text).rstrip(b"=")
        yield encoded[-(-shift * 8 // 6) : (shift + len(text)) * 8 // 6]


def files_with(folder: Path, text: bytes) -> list[str]:
    """Files with a text in one of its forms, also compressed."""
    wanted, found = list(forms(text)), []
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for path in (path for path in paths if path.is_file()):
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        if any(form in data for form in wanted):
            found.append(str(path.relative_to(folder)))
    return found
