"""The replay upload: requests as Amplitude's server sees them, and what each answer leads to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sinks import amplitude_replay_rules as rules
from pixeltrail_bridge.sinks.amplitude_replay import AmplitudeReplaySettings, AmplitudeReplaySink
from pixeltrail_bridge.sinks.replay import Outcome, Piece

from tests.bridge.export.films import START_MS, Film
from tests.support import replay_server
from tests.support.replay_server import API_KEY, Answer, ReplayServer

DEVICE = "kitchen-01"
NOW_MS = START_MS + 60_000


@pytest.fixture(scope="module")
def one_server() -> Iterator[ReplayServer]:
    with replay_server.running() as server:
        yield server


@pytest.fixture
def server(one_server: ReplayServer) -> ReplayServer:
    one_server.answers.clear()
    one_server.uploads.clear()
    return one_server


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(server: ReplayServer) -> AmplitudeReplaySettings:
    return AmplitudeReplaySettings(API_KEY, host=server.url)


def piece_of(film: Film, number: int = 0, session_id: int = START_MS, attempts: int = 0) -> Piece:
    times = (START_MS, START_MS + 100_000 * number, START_MS + 100_000 * (number + 1))
    return Piece(film.device_id, session_id, number, *times, False, attempts, film)


def film_of(changes: int, noise: bool = False) -> Film:
    """`changes` + 2 events."""
    film = Film(200, 150)
    chance = np.random.default_rng(3)
    film.show(0)
    for step in range(1, changes + 1):
        value = chance.integers(0, 256, (60, 60)) if noise else step
        film.paint(step * 10, 0, 0, 60, 60, value)
    return film


def send(sink: AmplitudeReplaySink, *pieces: Piece) -> list[Outcome]:
    """Each piece once, on a loop of their own."""

    async def all_() -> list[Outcome]:
        try:
            return [await sink.send(piece) for piece in pieces]
        finally:
            await sink.close()

    return asyncio.run(all_())


def made(settings: AmplitudeReplaySettings, clock: Clock) -> AmplitudeReplaySink:
    return AmplitudeReplaySink(settings, now_ms=clock, jitter=lambda: 0.0)


# ---- what is sent ---------------------------------------------------------------------


def test_a_piece_is_one_request(settings, server, clock):
    piece = piece_of(film_of(3))
    assert send(made(settings, clock), piece) == [Outcome("sent", 200, "")]
    (upload,) = server.uploads
    assert upload.target == f"/sessions/v2/track?device_id={DEVICE}&session_id={START_MS}&type=replay"
    assert upload.version == 1 and list(upload.events) == [event.decode() for event in piece.rrweb()]
    wanted = {
        "Authorization": f"Bearer {API_KEY}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "Accept": "*/*",
        "X-Client-Library": "pixeltrail/0.1.0",
        "X-Client-Version": "0.1.0",
        "X-Client-Url": f"pixeltrail://{DEVICE}/",
        "X-Client-Sample-Rate": "1",
        "X-Sampling-Hash-Alg": "xxhash32",
    }
    assert wanted.items() <= upload.headers.items()


def test_a_large_piece_is_several_requests_in_order(settings, server, clock):
    piece = piece_of(film_of(20, noise=True))
    small = replace(settings, max_request_bytes=30_000)
    assert send(made(small, clock), piece)[0].state == "sent"
    assert len(server.uploads) > 3
    assert all(upload.body_bytes <= 30_000 for upload in server.uploads)
    assert [event for upload in server.uploads for event in upload.events] == [
        event.decode() for event in piece.rrweb()
    ]


def test_an_event_larger_than_a_request_goes_alone(settings, server, clock):
    """As in the SDK: a request is cut between events."""
    send(made(replace(settings, max_request_bytes=1_000), clock), piece_of(film_of(2, noise=True)))
    assert [len(upload.events) for upload in server.uploads] == [1, 1, 1, 1]


def test_an_event_that_amplitude_drops_is_left_out_and_told(settings, server, clock):
    """A request is not worth it; what remains is sent."""
    piece = piece_of(film_of(2, noise=True))
    sizes = [len(event) for event in piece.rrweb()]
    (outcome,) = send(made(replace(settings, max_event_bytes=max(sizes) - 1), clock), piece)
    assert outcome.state == "dead" and f"{max(sizes):,} bytes was left out" in outcome.answer
    assert sum(len(upload.events) for upload in server.uploads) == sum(size < max(sizes) for size in sizes)


def test_the_limits_are_those_of_the_published_sdk(settings):
    assert (settings.max_event_bytes, settings.max_request_bytes, settings.merged_bytes) == (
        9_000_000,
        6_000_000,
        4_000_000,
    )


def test_marks_can_be_left_out(settings, server, clock):
    film = film_of(0)
    for at_ms, kind in enumerate(("touch", "log", "key", "gap"), 5):
        film.mark(at_ms, kind, x=1, y=1, phase="down")
    send(made(replace(settings, without=("log", "touch", "gap")), clock), piece_of(film))
    tags = [event["data"].get("tag") for event in server.taken()]
    assert tags == [None, None, "pixeltrail.key", "pixeltrail.gap"]


def test_a_piece_without_a_picture_is_no_request(settings, server, clock):
    film = Film()
    film.mark(0, "log", level=1, text="x")
    assert send(made(settings, clock), piece_of(film))[0].state == "sent"
    assert server.uploads == [], "an empty list of events is refused"


@pytest.mark.parametrize("session_id", [-1, 0, 1, 12_345_678])
def test_nothing_goes_out_for_what_is_no_session(settings, server, clock, session_id):
    assert send(made(settings, clock), piece_of(film_of(1), session_id=session_id))[0].state == "stop"
    assert server.uploads == []


# ---- answers --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(settings, server, clock, status):
    server.answers.append(Answer(status, text="later"))
    sink, piece = made(settings, clock), piece_of(film_of(1))
    (outcome,) = send(sink, piece)
    assert outcome == Outcome("retry", status, "'later'", NOW_MS + 500)
    assert sink.paused_until_ms == NOW_MS + 500 and sink.alarm is None
    clock.now_ms += 500
    assert send(sink, replace(piece, attempts=1))[0].state == "sent"
    assert server.uploads[0].events == server.uploads[1].events


def test_a_line_that_breaks_is_tried_again(settings, server, clock):
    server.answers.append(Answer(cut=True))
    sink = made(settings, clock)
    (outcome,) = send(sink, piece_of(film_of(1)))
    assert outcome.state == "retry" and outcome.status is None
    assert sink.alarm is not None and "cannot be reached" in sink.alarm


def test_a_host_that_cannot_be_reached_is_tried_again(settings, clock):
    sink = made(replace(settings, host="http://127.0.0.1:9"), clock)
    assert send(sink, piece_of(film_of(1)))[0].state == "retry"
    assert sink.alarm is not None and "amplitude_replay.host" in sink.alarm


def test_waits_grow_and_an_alarm_comes_in_the_end(settings, server, clock):
    sink = made(settings, clock)
    waits = []
    for attempts in range(12):
        server.answers.append(Answer(503))
        (outcome,) = send(sink, piece_of(film_of(0), attempts=attempts))
        waits.append(outcome.next_try_ms - NOW_MS)
    assert waits[:4] == [500, 1_000, 2_000, 4_000] and waits[-1] == 60_000
    assert sink.alarm is not None and "503 since 11 attempts" in sink.alarm


@pytest.mark.parametrize(
    ("status", "text"), [(400, "bad"), (402, "quota"), (404, ""), (413, "event too large")]
)
def test_what_is_refused_is_a_dead_letter_and_the_next_goes_on(settings, server, clock, status, text):
    server.answers.append(Answer(status, text=text))
    first, second = send(made(settings, clock), piece_of(film_of(1)), piece_of(film_of(1), 1))
    assert (first.state, first.status, second.state) == ("dead", status, "sent")
    assert len(server.uploads) == 2


def test_a_payload_too_large_is_halved_until_it_fits(settings, server, clock):
    piece = piece_of(film_of(6))  # 8 events
    too_large = Answer(413, text="Payload size exceeds the limit")
    server.answers.extend([too_large, too_large, Answer(takes=True), Answer(takes=True), too_large])
    assert send(made(settings, clock), piece)[0].state == "sent"
    assert [len(upload.events) for upload in server.uploads] == [8, 4, 2, 2, 4, 2, 2]
    events = [event for upload in server.uploads if upload.is_taken for event in upload.events]
    assert events == [event.decode() for event in piece.rrweb()]


def test_a_single_event_too_large_is_lost_alone(settings, server, clock):
    server.answers.extend([Answer(413, text="payload exceeded")] * 3)
    (outcome,) = send(made(settings, clock), piece_of(film_of(2)))
    assert (outcome.state, outcome.status) == ("dead", 413)
    assert [len(upload.events) for upload in server.uploads] == [4, 2, 1, 1, 2]


@pytest.mark.parametrize(("status", "text"), [(401, ""), (403, ""), (301, ""), (200, "<html>Log in, please")])
def test_a_wrong_key_or_host_keeps_everything(settings, server, clock, status, text):
    server.answers.append(Answer(status, text=text))
    sink = made(settings, clock)
    (outcome,) = send(sink, piece_of(film_of(1)))
    assert (outcome.state, outcome.status, outcome.next_try_ms) == ("retry", status, NOW_MS + 60_000)
    assert sink.alarm is not None and "amplitude_replay" in sink.alarm


@pytest.mark.parametrize("code", ["4004", "4005"])
def test_a_session_that_is_not_wanted_is_stopped(settings, server, clock, code):
    server.answers.append(Answer(skipped=code))
    sink = made(replace(settings, max_request_bytes=1_000), clock)
    (outcome,) = send(sink, piece_of(film_of(3)))
    assert outcome.state == "stop" and outcome.answer.startswith(code)
    assert len(server.uploads) == 1, "nothing of it after that"
    assert send(sink, piece_of(film_of(1), session_id=START_MS + 5))[0].state == "sent", "others go on"


def test_an_unknown_skip_code_is_an_answer_like_any(settings, server, clock):
    server.answers.append(Answer(skipped="4999"))
    assert send(made(settings, clock), piece_of(film_of(1)))[0].state == "sent"


def test_throttling_pauses_for_a_minute_and_then_sends_more_at_once(settings, server, clock):
    """What was throttled is gone, and told; what is left of the piece goes on after the pause."""
    limits = replace(settings, max_request_bytes=30_000, merged_bytes=20_000)
    sink, piece = made(limits, clock), piece_of(film_of(20, noise=True))
    server.answers.append(Answer(skipped="429"))
    (outcome,) = send(sink, piece)
    assert (outcome.state, outcome.next_try_ms, sink.paused_until_ms) == ("retry", *[NOW_MS + 60_000] * 2)
    assert sink.alarm is not None and "throttles" in sink.alarm
    assert len(server.uploads) == 1
    clock.now_ms += 60_000
    (outcome,) = send(sink, replace(piece, attempts=1))
    assert (outcome.state, outcome.status, sink.alarm) == ("dead", 200, None)
    assert outcome.answer.startswith("429: ")
    events = [event for upload in server.uploads for event in upload.events]
    assert events == [event.decode() for event in piece.rrweb()], "each went out once"
    assert 20_000 < max(upload.body_bytes for upload in server.uploads[2:]) <= 30_000
    assert server.uploads[1].body_bytes <= 20_000


def test_what_was_taken_of_a_piece_is_not_sent_again(settings, server, clock):
    sink = made(replace(settings, max_request_bytes=30_000), clock)
    piece = piece_of(film_of(20, noise=True))
    server.answers.extend([Answer(takes=True), Answer(takes=True), Answer(503)])
    assert send(sink, piece)[0].state == "retry"
    assert send(sink, replace(piece, attempts=1))[0].state == "sent"
    taken = [event for upload in server.uploads if upload.is_taken for event in upload.events]
    assert taken == [event.decode() for event in piece.rrweb()]


def test_a_timeout_is_tried_again(settings, server, clock, monkeypatch):
    monkeypatch.setattr(rules, "TIMEOUT_S", 0.05)
    server.answers.append(Answer(delay_s=1.0))
    (outcome,) = send(made(settings, clock), piece_of(film_of(1)))
    assert outcome.state == "retry" and "Timeout" in outcome.answer


def test_a_wrong_key_is_refused_by_the_server_of_the_tests(settings, server, clock):
    assert send(made(replace(settings, api_key="other"), clock), piece_of(film_of(1)))[0].status == 401


# ---- addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "host", "url"),
    [
        ("US", None, "https://api-sr.amplitude.com/sessions/v2/track"),
        ("eu", None, "https://api-sr.eu.amplitude.com/sessions/v2/track"),
        ("us", "proxy.example.com/", "https://proxy.example.com/sessions/v2/track"),
        ("us", "http://a/x/sessions/v2/track", "http://a/x/sessions/v2/track"),
    ],
)
def test_addresses(zone, host, url):
    assert rules.base_url(zone, host) == url


@pytest.mark.parametrize(
    ("zone", "host", "words"),
    [("mars", None, "us or eu"), ("us", "https://api-sr.eu.amplitude.com", "zone eu")],
)
def test_addresses_that_are_refused(zone, host, words):
    with pytest.raises(ConfigError, match=words):
        rules.base_url(zone, host)


def test_a_sink_without_a_key_is_refused(settings):
    with pytest.raises(ConfigError, match="api_key_file"):
        AmplitudeReplaySink(replace(settings, api_key=""))


def test_the_key_does_not_show(settings):
    assert API_KEY not in repr(settings)


def test_the_json_of_a_request_is_the_events_as_strings(settings, server, clock):
    send(made(settings, clock), piece_of(film_of(1)))
    assert [json.loads(event)["type"] for event in server.uploads[0].events] == [4, 2, 3]
