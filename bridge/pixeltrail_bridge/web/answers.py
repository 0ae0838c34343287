"""What all routes share: numbers from addresses, bodies within a limit, and errors as JSON with a remedy."""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..errors import LocalError, StoreError
from ..wire.limits import DEVICE_ID
from .pool import Busy

if TYPE_CHECKING:
    from ..store.shares import ShareRow

Json = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
MOST_BODY_BYTES: Final = 65_536
MAX_ID: Final = 2**53 - 1  # what a browser's number holds
_RETRY_AFTER_S: Final = "1"
_SESSION_ID: Final = re.compile("[1-9][0-9]{0,15}")  # one spelling each: the audit log knows it by that


class Refused(Exception):
    """A request that is answered with an error. `words` name what was wrong, and what to do."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def answering(endpoint: Callable[..., Awaitable[Response]]) -> Any:
    """Turns what an endpoint raises into an answer."""

    @functools.wraps(endpoint)
    async def answered(*arguments: Any) -> Response:
        try:
            return await endpoint(*arguments)
        except Refused as refusal:
            return as_json({"error": refusal.words}, refusal.status)
        except Busy as busy:
            return as_json({"error": str(busy)}, 503, {"retry-after": _RETRY_AFTER_S})
        except LocalError as error:
            return as_json({"error": str(error)}, 404)
        except StoreError as error:
            return as_json({"error": str(error)}, 503)

    return answered


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.encode(content)
    return Response(
        body, status, {"cache-control": "no-store", **(headers or {})}, "application/json; charset=utf-8"
    )


def packed_json(request: Request, packed: bytes, etag: str) -> Response:
    """JSON that is kept gzipped; 304 for who has it."""
    headers = {"cache-control": "private, no-cache", "etag": etag, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(None, 304, headers)
    if takes_gzip(request):
        return Response(
            packed, 200, {**headers, "content-encoding": "gzip"}, "application/json; charset=utf-8"
        )
    return Response(gzip.decompress(packed), 200, headers, "application/json; charset=utf-8")


def takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def device_of(request: Request) -> str:
    device_id: str = request.path_params["device_id"]
    if not DEVICE_ID.fullmatch(device_id):
        raise Refused(404, "There is no such device: IDs have 5 to 64 letters, digits, - and _.")
    return device_id


def session_of(request: Request) -> tuple[str, int]:
    text = request.path_params["session_id"]
    if not _SESSION_ID.fullmatch(text) or int(text) > MAX_ID:
        raise Refused(404, "There is no such session: its ID is a whole number above 0.")
    return device_of(request), int(text)


def share_of(request: Request) -> ShareRow | None:
    """The share by which somebody asks; None for who may see everything."""
    share: ShareRow | None = getattr(request.state, "share", None)
    return share


def number(query: Mapping[str, str], name: str, default: int | None, highest: int = MAX_ID) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > highest:
        raise Refused(400, f"{name}={text[:40]}: expected a whole number from 0 to {highest}")
    return int(text)


def text_of(query: Mapping[str, str], name: str, longest: int = 200) -> str | None:
    """None for what is absent or empty."""
    text = query.get(name, "")
    if len(text) > longest or "\0" in text:
        raise Refused(400, f"{name}: expected at most {longest} characters")
    return text or None


async def body_of(request: Request, kind: type[Any]) -> Any:
    """The body as a msgspec struct; an absent one as `{}`."""
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > MOST_BODY_BYTES:
                raise Refused(413, f"The body has more than {MOST_BODY_BYTES} bytes; ask for less at once.")
    except ClientDisconnect:
        raise Refused(400, "The connection ended within the body.") from None
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=kind)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter for brackets without end
        raise Refused(400, f"The body makes no sense: {error}.") from None
