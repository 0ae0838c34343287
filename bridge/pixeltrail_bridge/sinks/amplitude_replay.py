"""Replays to Amplitude, as its own SDK for the web uploads them. Experimental: see amplitude_replay_rules.py.

A piece becomes one request, or several where it is large, one after the other and in order. What of a piece was taken
is remembered between tries, so that a later part that must be sent again does not bring the earlier ones with it; a
crash forgets it, and the whole piece goes again.
"""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import ConfigError, shorten
from . import amplitude_replay_rules as rules
from .amplitude_replay_rules import Verdict
from .base import Clock, backoff_ms, host_clock
from .replay import KEYFRAME_MS, Outcome, Piece

if TYPE_CHECKING:
    import aiohttp  # imported with the first request, as elsewhere

NAME: Final = "amplitude-replay"
_LIBRARY: Final = "pixeltrail"
_ENVELOPE_BYTES: Final = 30
_LONG_ATTEMPTS: Final = 5
_MAX_ANSWER_BYTES: Final = 65_536
_REMEMBERED: Final = 256  # pieces that were sent in part
_encode = msgspec.json.encode


@dataclass(frozen=True)
class AmplitudeReplaySettings:
    """`host` stands in for the zone's, for a proxy; `without` names kinds of marks that are left out."""

    api_key: str = field(repr=False)
    zone: str = "US"
    host: str | None = None
    sample_rate: float = 1.0
    scale: int | None = None
    keyframe_ms: int = KEYFRAME_MS
    without: tuple[str, ...] = ()
    max_event_bytes: int = rules.MAX_EVENT_BYTES
    max_request_bytes: int = rules.MAX_REQUEST_BYTES
    merged_bytes: int = rules.MERGED_BYTES

    def url(self) -> str:
        return rules.base_url(self.zone, self.host)


@dataclass(frozen=True, slots=True)
class _Answer:
    verdict: Verdict
    status: int | None
    text: str


@dataclass(slots=True)
class _Progress:
    """How far a piece has come: events that were dealt with, and why some of them will never arrive."""

    events: int = 0
    loss: str = ""
    status: int | None = None

    def lose(self, answer: _Answer) -> None:
        self.loss, self.status = answer.text, answer.status


class AmplitudeReplaySink:
    name = NAME

    def __init__(
        self,
        settings: AmplitudeReplaySettings,
        *,
        now_ms: Clock = host_clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not settings.api_key:
            raise ConfigError(
                "amplitude_replay.api_key_file is not set; name a file with the API key of the Amplitude project, or "
                "set amplitude_replay.enabled = false"
            )
        self.settings, self.url = settings, settings.url()
        self.alarm: str | None = None
        self.paused_until_ms = 0
        self._now_ms, self._jitter = now_ms, jitter
        self._version = metadata.version(_LIBRARY)
        self._session: aiohttp.ClientSession | None = None
        self._progress: dict[str, _Progress] = {}
        self._request_bytes = settings.max_request_bytes

    async def send(self, piece: Piece) -> Outcome:
        if piece.session_id < rules.OLDEST_SESSION_ID:
            return Outcome(
                "stop", None, f"session ID {piece.session_id} is no time: nothing is uploaded for it"
            )
        progress = self._progress.pop(piece.name, None) or _Progress()
        parts = self._parts(piece, progress)
        while True:
            part = await asyncio.to_thread(next, parts, None)
            if part is None:
                break
            if isinstance(part, int):
                loss = f"an event of {part:,} bytes was left out; Amplitude takes {self.settings.max_event_bytes:,}"
                progress.lose(_Answer("drop", None, loss))
                progress.events += 1
                continue
            ended = await self._deliver(piece, part, progress)
            if ended is not None:
                if ended.state == "retry":
                    self._remember(piece, progress)
                return ended
        return Outcome("dead" if progress.loss else "sent", progress.status or 200, progress.loss)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ---- requests -----------------------------------------------------------------

    def _parts(self, piece: Piece, progress: _Progress) -> Iterator[list[bytes] | int]:
        """The events of a piece, each as a JSON string, in lists for one request; an event too large as its size."""
        settings = self.settings
        events = piece.rrweb(scale=settings.scale, keyframe_ms=settings.keyframe_ms, without=settings.without)
        part: list[bytes] = []
        size = _ENVELOPE_BYTES
        for event in islice(events, progress.events, None):
            text = _encode(event.decode())
            if len(event) > settings.max_event_bytes:
                if part:
                    yield part
                part, size = [], _ENVELOPE_BYTES
                yield len(event)
                continue
            if part and size + len(text) + 1 > self._request_bytes:
                yield part
                part, size = [], _ENVELOPE_BYTES
            part.append(text)
            size += len(text) + 1
        if part:
            yield part

    async def _deliver(self, piece: Piece, part: list[bytes], progress: _Progress) -> Outcome | None:
        """Send a part, in halves where it must be. None: go on with what follows it."""
        answer = await self._post(piece, part)
        if answer.verdict == "split" and len(part) > 1:
            middle = len(part) // 2
            for half in (part[:middle], part[middle:]):
                ended = await self._deliver(piece, half, progress)
                if ended is not None:
                    return ended
            return None
        self._note(answer, piece.attempts)
        if answer.verdict == "stop":
            return Outcome("stop", answer.status, answer.text)
        if answer.verdict in ("retry", "pause"):
            return Outcome("retry", answer.status, answer.text, self.paused_until_ms)
        progress.events += len(part)
        if answer.verdict != "sent":
            progress.lose(answer)
        if answer.verdict == "throttled":
            return Outcome("retry", answer.status, answer.text, self.paused_until_ms)
        return None

    def _note(self, answer: _Answer, attempts: int) -> None:
        """What an answer means for what comes after it, and what a person should know."""
        verdict, now_ms = answer.verdict, self._now_ms()
        if verdict == "throttled":
            self.paused_until_ms = now_ms + rules.THROTTLE_MS
            self._request_bytes = self.settings.merged_bytes
        elif verdict == "pause":
            self.paused_until_ms = now_ms + rules.THROTTLE_MS
        elif verdict == "retry":
            self.paused_until_ms = now_ms + backoff_ms(attempts, self._jitter)
        else:
            self.paused_until_ms, self._request_bytes = 0, self.settings.max_request_bytes
        self.alarm = _explain(answer, self.url, attempts)

    def _remember(self, piece: Piece, progress: _Progress) -> None:
        while len(self._progress) >= _REMEMBERED:
            del self._progress[next(iter(self._progress))]
        self._progress[piece.name] = progress

    async def _post(self, piece: Piece, part: list[bytes]) -> _Answer:
        import aiohttp

        url = rules.upload_url(self.url, piece.device_id, piece.session_id)
        headers = rules.upload_headers(
            self.settings.api_key,
            self._version,
            f"{_LIBRARY}/{self._version}",
            f"pixeltrail://{piece.device_id}/",
            self.settings.sample_rate,
        )
        body = await asyncio.to_thread(_body, part)
        try:
            async with self._open_session().post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                text = (await response.content.read(_MAX_ANSWER_BYTES)).decode(errors="replace")
                skipped = response.headers.get(rules.SKIP_HEADER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _Answer("retry", None, f"{type(error).__name__}: {error}"[:300])
        verdict = rules.judge(response.status, skipped, text)
        words = (
            rules.explain_skip(skipped) if verdict in ("throttled", "stop") else shorten(text.strip(), 300)
        )
        return _Answer(verdict, response.status, words)

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=rules.TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
        return self._session


def _body(part: list[bytes]) -> bytes:
    return gzip.compress(b'{"version":1,"events":[' + b",".join(part) + b"]}", 6)


def _explain(answer: _Answer, url: str, attempts: int) -> str | None:
    """What is wrong and what to do about it, in a sentence; None while it is not worth a word."""
    if answer.verdict == "throttled":
        return "Amplitude throttles replay uploads: they pause for a minute, and what it dropped is a dead letter"
    if answer.verdict == "pause" and answer.status in (401, 403):
        return (
            f"Amplitude answered {answer.status}: check amplitude_replay.api_key_file and the zone; "
            "replays are kept until they are right"
        )
    if answer.verdict == "pause":
        return f"{url} answered {answer.status}, which Amplitude does not; check amplitude_replay.host"
    if answer.verdict == "retry" and answer.status is None:
        return f"Amplitude cannot be reached at {url} ({answer.text}); check the network or amplitude_replay.host"
    if answer.verdict == "retry" and attempts >= _LONG_ATTEMPTS:
        return f"Amplitude has answered {answer.status} since {attempts} attempts; replays are kept and sent later"
    return None
