"""A TCP proxy on loopback that cuts connections: before the server got anything, or when its answer begins.

with running(port, ["answer", "request"]) as proxy:
    ...                       # proxy.port; the first connection loses its answer, the second its request
    assert not proxy.faults   # all of them were met
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_PIECE = 65_536


@dataclass
class CuttingProxy:
    target: int
    faults: deque[str] = field(default_factory=deque)
    port: int = 0

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            fault = self.faults.popleft() if self.faults else ""
            threading.Thread(target=self._carry, args=(client, fault), daemon=True).start()

    def _carry(self, client: socket.socket, fault: str) -> None:
        with contextlib.suppress(OSError), client:
            if fault == "request":
                client.recv(_PIECE)
                return
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                back = threading.Thread(target=_pump, args=(server, client, fault == "answer"), daemon=True)
                back.start()
                _pump(client, server)
                back.join()


def _pump(source: socket.socket, target: socket.socket, is_cut: bool = False) -> None:
    """Carry bytes until either end closes; with `is_cut` both ends are closed when the first bytes come."""
    with contextlib.suppress(OSError):
        while (data := source.recv(_PIECE)) and not is_cut:
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(target: int, faults: Iterable[str]) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target, deque(faults))
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy.port = server.getsockname()[1]
        thread = threading.Thread(target=proxy.serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
