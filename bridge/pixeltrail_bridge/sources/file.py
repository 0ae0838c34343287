"""Messages from a file, framed as on a serial line: what a device without a link wrote, or a test recorded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from ..wire.framing import Deframer
from .base import Arrival, LinkState, Receive, State, TextLine, host_ms

_READ_BYTES: Final = 65_536
_RETRY_S: Final = 0.05


class FileSource:
    """Reads once from start to end; `done` is set then. `device_id` stands above what the messages say."""

    def __init__(self, path: str | Path, device_id: str | None = None) -> None:
        self.name, self._path, self._device_id = str(path), Path(path), device_id
        if not self._path.is_file():
            raise ConfigError(f"file {path}: no such file; give the file that the device or `export` wrote")
        self.done = threading.Event()
        self.messages = 0
        self.damaged = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, receive: Receive, state: State) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(receive, state), name=f"file {self.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def send(self, device_id: str, data: bytes) -> bool:
        return False  # nobody listens

    def _run(self, receive: Receive, state: State) -> None:
        deframer = Deframer()
        try:
            with self._path.open("rb") as file:
                while not self._stopping.is_set() and (data := file.read(_READ_BYTES)):
                    for one in deframer.feed(data):
                        self._hand_on(one, receive, state)
            state(LinkState(self.name, False, f"file {self.name} has been read: {self.messages} messages"))
        except OSError as error:
            state(LinkState(self.name, False, f"file {self.name}: {error}; check that it may be read"))
        self.damaged = deframer.damaged
        self.done.set()

    def _hand_on(self, one: bytes | str, receive: Receive, state: State) -> None:
        if isinstance(one, str):
            state(TextLine(self.name, one))
            return
        self.messages += 1
        # A device would resend what a full queue refuses; a file cannot, so wait.
        while not receive(Arrival(self._device_id, one, host_ms(), self)) and not self._stopping.wait(
            _RETRY_S
        ):
            pass
