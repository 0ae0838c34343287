"""S3 for tests: moto's server on a thread, with a bucket."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

BUCKET = "recordings"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address; any key and secret will do."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        with urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")) as answer:
            assert answer.status == 200
        yield url
    finally:
        server.stop()
