"""The table of formats, and how a session becomes a file of one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from ..errors import LocalError
from ..replay.recording import Mark, Placed, Recording
from .options import Options, Progress

if TYPE_CHECKING:
    from .stage import Stage


class Event(Protocol):
    """An event of the session as the store has it."""

    @property
    def id(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def payload(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Session:
    """What an export is made of. `events` and `chunks` read anew at each call, and are called only where needed."""

    recording: Recording
    events: Callable[[], Iterable[Event]]
    chunks: Callable[[], Iterable[Placed]]


Write = Callable[[Session, Options, BinaryIO, Progress | None], None]


@dataclass(frozen=True, slots=True)
class Format:
    """`check` raises LocalError where the format cannot be written with these options, before anything is read."""

    name: str
    suffix: str
    content_type: str
    about: str
    write: Write
    check: Callable[[Options], None] = lambda options: None
    needs: str | None = None  # a module that an extra brings


def named(name: str) -> Format:
    found = FORMATS.get(name)
    if found is None:
        raise LocalError(f"there is no export format {name[:40]!r}; there are {', '.join(FORMATS)}")
    return found


def available() -> list[str]:
    """Formats that can be written on this machine; loads nothing."""
    return [
        name
        for name, format in FORMATS.items()
        if format.needs is None or find_spec(format.needs) is not None
    ]


def file_name(recording: Recording, format: Format) -> str:
    """For a download: device and session are letters, digits, - and _ by contract."""
    return f"{recording.device_id}-{recording.session_id}{format.suffix}"


# ---- writers: each imports what it needs when it is needed ----------------------------------


def _write_png(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from .png import write_png
    from .stage import enlarge_small

    write_png(_stage(session, options, enlarge_small), file, progress)


def _write_gif(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from .gif import write_gif
    from .stage import enlarge_small

    write_gif(_stage(session, options, enlarge_small), file, progress)


def _write_mp4(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from .stage import enlarge_small
    from .video import usual_scale, write_video

    scale = enlarge_small if options.lossless else usual_scale
    write_video(_stage(session, options, scale), file, progress, options.lossless)


def _check_mp4(options: Options) -> None:
    from . import video

    video.check(options.scale, options.lossless)


def _write_html(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from .html import write_html
    from .part import Part

    part = Part(session.recording, options.from_ms, options.to_ms, options.max_drawn_px)
    write_html(part, _events_of(session, options), file, progress)


def _write_rrweb(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from .part import Part
    from .rrweb import encode_event, rrweb_events

    part = Part(session.recording, options.from_ms, options.to_ms, options.max_drawn_px)
    calls = [_mark_of(event, part.start_ms) for event in _events_of(session, options)]
    calls.sort(key=lambda mark: mark.at_ms)
    is_empty = True
    for event in rrweb_events(part, scale=options.scale or None, events=calls):
        file.write((b"[\n" if is_empty else b",\n") + encode_event(event))
        is_empty = False
        _tell(progress, event["timestamp"] - part.start_ms, session, options)
    if is_empty:
        raise _nothing(session, "picture")
    file.write(b"\n]\n")


def _write_ptr(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    from ..wire.recording_file import Head
    from .ptr import write_ptr

    recording = session.recording
    head = Head(recording.device_id, recording.session_id, recording.start_ms, recording.end_ms)
    if not write_ptr(head, _watched(session, options, progress), file):
        raise _nothing(session, "chunk")


def _check_ptr(options: Options) -> None:
    if options.from_ms or options.to_ms is not None:
        raise LocalError("a .ptr file holds whole sessions; leave out --from and --to")


def _write_jsonl(session: Session, options: Options, file: BinaryIO, progress: Progress | None) -> None:
    count = 0
    for event in _events_of(session, options):
        file.write(event.payload + b"\n")  # its encoder writes no line breaks
        count += 1
        _tell(progress, event.time_ms - session.recording.start_ms, session, options)
    if not count:
        raise _nothing(session, "event")


# ---- parts of them --------------------------------------------------------------------------


def _stage(session: Session, options: Options, usual_scale: Callable[[int], int]) -> Stage:
    from .stage import Caption, Stage

    captions = [
        Caption(event.time_ms - session.recording.start_ms, _caption(event))
        for event in (session.events() if options.captions else ())
        if event.type in _SAID and event.event not in _UNSAID
    ]
    captions.sort(key=lambda caption: caption.at_ms)
    return Stage(session.recording, options, usual_scale, captions)


def _caption(event: Event) -> str:
    return f"{_SAID[event.type]}{event.event}"


def _events_of(session: Session, options: Options) -> Iterator[Event]:
    """Of the wanted part."""
    start_ms = session.recording.start_ms
    for event in session.events():
        at_ms = event.time_ms - start_ms
        if options.from_ms <= max(0, at_ms) and (options.to_ms is None or at_ms <= options.to_ms):
            yield event


def _mark_of(event: Event, start_ms: int) -> Mark:
    sent = json.loads(event.payload)
    values = {"event": event.event, **{name: sent[name] for name in ("properties", "traits") if name in sent}}
    return Mark(max(0, event.time_ms - start_ms), event.time_ms, event.type, values)


def _watched(session: Session, options: Options, progress: Progress | None) -> Iterator[Placed]:
    for chunk in session.chunks():
        yield chunk
        _tell(progress, (chunk.host_ms or 0) - session.recording.start_ms, session, options)


def _tell(progress: Progress | None, at_ms: int, session: Session, options: Options) -> None:
    if progress is None:
        return
    recording = session.recording
    end_ms = recording.end_ms - recording.start_ms if options.to_ms is None else options.to_ms
    progress(min(1.0, max(0.0, (at_ms - options.from_ms) / max(1, end_ms - options.from_ms))))


def _nothing(session: Session, what: str) -> LocalError:
    recording = session.recording
    return LocalError(
        f"session {recording.session_id} of {recording.device_id} has no {what} there; choose another part, or see "
        "with `pixeltrail sessions` what was recorded"
    )


_UNSAID: Final = {"Display Changed"}  # what the bridge makes of the pictures, which one sees
_SAID: Final = {
    "track": "",
    "screen": "Screen: ",
    "identify": "User: ",
    "group": "Group: ",
    "alias": "Alias: ",
}

FORMATS: Final = {
    format.name: format
    for format in (
        Format("png", ".png", "image/png", "one moment", _write_png),
        Format("gif", ".gif", "image/gif", "pictures that move, for chats and documents", _write_gif),
        Format("mp4", ".mp4", "video/mp4", "a film", _write_mp4, _check_mp4, "av"),
        Format("html", ".html", "text/html; charset=utf-8", "a page that plays offline", _write_html),
        Format("rrweb", ".json", "application/json", "for rrweb players", _write_rrweb),
        Format("ptr", ".ptr", "application/octet-stream", "what the device sent", _write_ptr, _check_ptr),
        Format("jsonl", ".jsonl", "application/jsonl", "the events", _write_jsonl),
    )
}
