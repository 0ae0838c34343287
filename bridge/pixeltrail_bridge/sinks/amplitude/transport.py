"""One HTTP request: its body, and its answer as text."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from .actions import EVENT_ENDPOINTS, Endpoint

if TYPE_CHECKING:
    import aiohttp  # imported with the first request: a bridge that starts has devices to answer first

TIMEOUT_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 262_144  # an answer may name each of 2,000 events


class Client:
    """The session is opened with the first request and belongs to the event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int | None, str, str | None]:
        """Status, text and Retry-After; no status and what happened when there was no whole answer."""
        import aiohttp

        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                text = await _read_text(response)
                return response.status, text, response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"[:300], None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                trust_env=True,
                headers={"User-Agent": f"pixeltrail-bridge/{_version()}"},
            )
        return self._session


def make_request(
    api_key: str, endpoint: Endpoint, payloads: Sequence[bytes], min_id_length: int | None
) -> tuple[dict[str, str], bytes]:
    """Headers and body: JSON for events, a form with JSON in it for the others."""
    listed = b"[" + b",".join(payloads) + b"]"
    options = msgspec.json.encode({"min_id_length": min_id_length}) if min_id_length else b""
    if endpoint in EVENT_ENDPOINTS:
        tail = b',"options":' + options if options else b""
        body = b'{"api_key":' + msgspec.json.encode(api_key) + b',"events":' + listed + tail + b"}"
        return {"Content-Type": "application/json"}, body
    form = {"api_key": api_key, "mapping" if endpoint == "usermap" else "identification": listed}
    if options:
        form["options"] = options
    return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()


async def _read_text(response: aiohttp.ClientResponse) -> str:
    """The answer, up to a bound; to its end, because one that breaks off may come from a proxy that took nothing."""
    text = b""
    while len(text) < MAX_ANSWER_BYTES:
        more = await response.content.read(MAX_ANSWER_BYTES)
        if not more:
            break
        text += more
    return text.decode(errors="replace")


def _version() -> str:
    try:
        return version("pixeltrail")
    except PackageNotFoundError:
        return "0"
