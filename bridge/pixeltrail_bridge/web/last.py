"""After a start: what each device showed last, so that the wall is not black where nothing changes."""

from __future__ import annotations

import threading
from typing import Final

import structlog

from ..errors import LocalError, PixeltrailError
from ..replay import formats
from ..store.database import SqlStore
from .live import Hub
from .recordings import Recordings

MOST_DEVICES: Final = 64  # those heard of last: each costs the frames since its last keyframe
_CLOSE_S: Final = 2.0
_END_MS: Final = 1 << 50

log = structlog.get_logger(__name__)


class LastPictures:
    """Works in a thread of its own, one device after the other; a picture that came meanwhile stays."""

    def __init__(self, store: SqlStore, recordings: Recordings, hub: Hub) -> None:
        self._store, self._recordings, self._hub = store, recordings, hub
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self.run, name="last-pictures", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Waits for the device at hand, but not for a decoder that has to be compiled first."""
        self._is_closing.set()
        self._thread.join(_CLOSE_S)

    def run(self) -> None:
        try:
            devices = sorted(self._store.devices(), key=lambda row: -row.last_seen_ms)[:MOST_DEVICES]
            for row in devices:
                while not self._is_closing.is_set() and not self._show(row.device_id):
                    pass
        except PixeltrailError as error:
            if not self._is_closing.is_set():  # then the store is closed, too
                log.warning("last pictures could not be read", error=str(error))
        except Exception:  # noqa: BLE001 the wall does without them
            log.exception("last pictures could not be shown")

    def _show(self, device_id: str) -> bool:
        """False: something was forgotten while it was read, perhaps this; it is to be read again."""
        age = self._hub.age
        session = next((one for one in reversed(self._store.sessions(device_id)) if one.sampled), None)
        if session is None:
            return True
        try:
            picture = self._recordings.open(device_id, session.session_id).picture_at(_END_MS)
        except LocalError:
            return self._hub.age == age  # it has gone meanwhile
        if picture is None:
            return True
        display = picture.display
        values = formats.to_values(picture.pixels, display.format, display.width, display.height)
        rgba = formats.rgba_table(display.format, display.palette)[values]
        size = (display.width, display.height)
        return self._hub.recall(device_id, *size, rgba.tobytes(), picture.host_ms, age)
