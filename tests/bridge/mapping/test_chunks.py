from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.mapping import calls
from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS, REPLAY_GAP, SESSION_ENDED, SESSION_STARTED
from pixeltrail_bridge.sessions.ids import NO_SESSION
from pixeltrail_bridge.sessions.state import DeviceState, StreamState
from pixeltrail_bridge.wire import messages as m

from tests.support.segment_server import find_problems

from .build import BOOT_MS, DEVICE, DISPLAY, FRAME, HELLO, NEXT_STREAM, STREAM, Talk

START_MS = BOOT_MS + 100
REPLAY = calls.REPLAY_PROPERTY


def payloads(mapped):
    return [call.payload for call in mapped.calls]


# ---- sessions


def test_session_id_is_host_time_of_the_start():
    talk = Talk()
    mapped = talk.begin()
    assert mapped.session_id == START_MS
    assert mapped.replies == [m.Session(STREAM, 0, START_MS, True)]
    (row,) = mapped.sessions
    assert (row.session_id, row.start_ms, row.end_ms, row.sampled) == (START_MS, START_MS, None, True)


def test_session_id_is_the_devices_epoch_when_its_clock_is_good():
    talk = Talk()
    talk.say(0, replace(HELLO, clock_quality=2), DISPLAY)
    mapped = talk.say(100, m.SessionStart(0, True, BOOT_MS - 50_000))
    assert mapped.session_id == BOOT_MS - 50_000
    track = talk.say(1_100, m.Track("Brewed", {})).calls[0].payload
    assert track["originalTimestamp"] == calls.iso_time(BOOT_MS - 49_000)


def test_no_original_timestamp_from_a_poor_clock():
    talk = Talk()
    talk.begin()
    talk.sync(200, epoch_ms=BOOT_MS)
    assert "originalTimestamp" not in talk.say(300, m.Track("Brewed", {})).calls[0].payload


def test_session_ids_rise_even_when_the_clock_falls():
    talk = Talk()
    first = talk.begin().session_id
    again = Talk(talk.device, NEXT_STREAM, boot_ms=BOOT_MS - 1_000_000)
    assert again.begin().session_id == first + 1


@pytest.mark.parametrize(("rate", "sampled"), [(0.0, False), (1.0, True)])
def test_bridge_decides_where_the_device_did_not(rate, sampled):
    talk = Talk(sample_rate=rate)
    assert talk.begin(sampled=None).replies == [m.Session(STREAM, 0, START_MS, sampled)]
    assert talk.say(200, FRAME).is_kept == sampled


def test_a_decision_of_the_device_stands():
    assert Talk(sample_rate=0.0).begin(sampled=True).replies[0].sampled
    assert not Talk(sample_rate=1.0).begin(sampled=False).replies[0].sampled


def test_session_goes_on_in_the_stream_that_names_the_earlier_one():
    talk = Talk()
    talk.begin()
    later = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    mapped = later.begin(sampled=None, previous=STREAM)
    assert mapped.session_id == START_MS
    assert mapped.replies == [m.Session(NEXT_STREAM, 0, START_MS, True)]
    assert mapped.sessions[-1].stream == NEXT_STREAM


@pytest.mark.parametrize(
    "hello",
    [{}, {"previous": NEXT_STREAM[::-1]}, {"previous": STREAM, "boot": 8}],
    ids=["none", "other", "boot"],
)
def test_another_boot_or_stream_begins_another_session(hello):
    talk = Talk()
    talk.begin()
    later = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    mapped = later.begin(**hello)
    assert mapped.session_id == BOOT_MS + 60_100
    ended, started = mapped.sessions
    assert (ended.session_id, ended.end_ms) == (START_MS, START_MS)
    assert (started.session_id, started.end_ms) == (BOOT_MS + 60_100, None)


def test_session_end_belongs_to_its_session_and_what_follows_to_none():
    talk = Talk()
    talk.begin()
    mapped = talk.say(5_000, m.SessionEnd(0))
    assert (mapped.session_id, mapped.sessions[-1].end_ms) == (START_MS, BOOT_MS + 5_000)
    (track,) = payloads(talk.say(6_000, m.Track("Idle", {})))
    assert track["integrations"]["Actions Amplitude"]["session_id"] == NO_SESSION
    assert REPLAY not in track["properties"]
    assert talk.say(7_000, FRAME).discarded == {"no_session": 1}


def test_a_late_end_of_an_earlier_session_leaves_the_newest_alone():
    talk = Talk()
    talk.begin()
    later = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    newest = later.begin().session_id
    assert talk.say(9_000, m.SessionEnd(0)).sessions == []
    assert later.say(1_000, m.Track("Brewed", {})).session_id == newest
    assert not later.device.session.ended


def test_end_of_a_session_that_nobody_knows_is_counted():
    assert Talk().say(0, m.SessionEnd(3)).discarded == {"end_of_unknown_session": 1}


def test_rows_of_a_running_session_are_few_but_fresh():
    talk = Talk()
    talk.begin()
    rows = [row for at in range(1_000, 61_000, 1_000) for row in talk.say(at, FRAME).sessions]
    assert len(rows) == 5
    assert rows[-1].last_ms >= BOOT_MS + 50_000


# ---- privacy


def test_nothing_of_the_replay_is_kept_unsampled():
    talk = Talk()
    talk.begin(sampled=False)
    mapped = talk.say(200, FRAME, m.Touch(1, 2, 0))
    assert (mapped.is_kept, mapped.discarded) == (False, {"unsampled": 2})
    (track,) = payloads(talk.say(300, m.Track("Brewed", {})))
    assert REPLAY not in track["properties"]
    assert track["integrations"]["Actions Amplitude"]["session_id"] == START_MS


def test_opt_out_ends_replay_data_at_once_and_analytics_goes_on():
    talk = Talk()
    talk.begin()
    assert talk.say(200, FRAME).is_kept
    talk.say(300, m.OptOut(True))
    mapped = talk.say(300, FRAME)
    assert (mapped.is_kept, mapped.discarded) == (False, {"opted_out": 1})
    assert REPLAY not in payloads(talk.say(400, m.Track("Brewed", {})))[0]["properties"]
    assert m.OptOutOrder(True) in talk.sync(500)
    talk.say(600, m.OptOut(False))
    assert talk.say(700, FRAME).is_kept
    assert m.OptOutOrder(True) not in talk.sync(800)


def test_opt_out_holds_in_the_streams_after_it_but_not_before():
    talk = Talk()
    talk.begin()
    talk.say(200, m.OptOut(True))
    later = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    later.begin()
    assert not later.say(200, FRAME).is_kept
    spooled = Talk(talk.device, NEXT_STREAM, BOOT_MS - 60_000)  # recorded earlier, delivered late
    spooled.begin()
    assert spooled.say(200, FRAME).is_kept


def test_a_clock_set_back_does_not_lift_an_opt_out():
    talk = Talk()
    talk.begin()
    talk.say(200, m.OptOut(True))
    talk.boot_ms -= 3_600_000
    talk.sync(300)
    assert not talk.say(400, FRAME).is_kept


def test_replay_data_behind_a_bad_record_is_refused_too():
    talk = Talk()
    talk.begin(sampled=False)
    assert not talk.say(200, m.Bad(b"", "broken"), FRAME).is_kept


# ---- calls


def test_every_call_is_an_event_that_segment_takes():
    talk = Talk(extra_events=EXTRA_EVENTS)
    talk.begin()
    mapped = talk.say(
        1_000,
        m.Track("Brewed", {"cups": 2}),
        m.Screen("Home", {"tab": 1}),
        m.Identify("u1", {"plan": "pro"}),
        m.Group("g1", {"size": 3}),
        m.Alias("u2", None),
        m.Track("Later", {}),
    )
    assert [problem for payload in payloads(mapped) for problem in find_problems(payload)] == []
    track, screen, identify, group, alias, later = payloads(mapped)
    assert track["timestamp"] == calls.iso_time(BOOT_MS + 1_000)
    assert (screen["name"], screen["properties"]["name"], screen["properties"]["tab"]) == ("Home", "Home", 1)
    assert (identify["userId"], identify["traits"]) == ("u1", {"plan": "pro"})
    assert (group["groupId"], group["userId"]) == ("g1", "u1")
    assert (alias["userId"], alias["previousId"]) == ("u2", "u1")
    assert (later["userId"], later["anonymousId"]) == ("u2", DEVICE)
    assert track["messageId"] == calls.message_id(DEVICE, STREAM, 2, 0)
    assert [call.session_id for call in mapped.calls] == [START_MS] * 6


def test_identify_without_a_user_keeps_the_user():
    talk = Talk()
    talk.begin()
    talk.say(200, m.Identify("u1", {}))
    assert payloads(talk.say(300, m.Identify(None, {"a": 1})))[0]["userId"] == "u1"


def test_user_is_written_into_the_sessions_row():
    talk = Talk()
    talk.begin()
    assert [row.user_id for row in talk.say(200, m.Identify("u1", {})).sessions] == ["u1"]


@pytest.mark.parametrize(
    "body",
    [m.Track("[Amplitude] Replay Captured", {}), m.Track("", {}), m.Group("", {}), m.Alias("", None)],
    ids=["reserved", "no event", "no group", "no user"],
)
def test_what_no_sink_may_see_is_a_dead_letter(body):
    mapped = Talk().say(0, body)
    assert mapped.calls == []
    assert mapped.discarded == {"refused_calls": 1}
    (bad,) = mapped.bad
    assert type(body).__name__ in bad.raw.decode()


def test_records_that_nobody_can_read_do_not_hold_up_the_rest():
    mapped = Talk().say(0, m.Bad(b"", "too short"), m.Unknown(99), m.Track("Brewed", {}))
    assert (mapped.bad, len(mapped.calls)) == ([], 1)


def test_vitals_are_kept_by_name():
    talk = Talk()
    talk.say(0, m.Vitals({1: 50_000, 200: 7}))
    assert talk.stream.vitals == {"heap_free": 50_000, "200": 7}


# ---- time


def test_times_without_a_sync_are_marked():
    talk = Talk()
    mapped = talk.say(0, HELLO, m.Track("Brewed", {}))
    assert mapped.is_estimated
    assert payloads(mapped)[0]["context"]["pixeltrail"] == {"time": "estimated"}


def test_a_better_offset_does_not_turn_time_back():
    talk = Talk()
    talk.boot_ms += 900  # the first sync came late
    talk.begin()
    first = talk.say(1_000, m.Track("a", {})).calls[0].time_ms
    talk.boot_ms -= 900
    talk.sync(1_100)
    assert talk.say(1_200, m.Track("b", {})).calls[0].time_ms == first


# ---- what the bridge says and makes itself


def test_sync_repeats_what_may_have_been_lost():
    talk = Talk()
    talk.begin()
    assert talk.sync(200) == [m.Session(STREAM, 0, START_MS, True)]


def test_a_stream_whose_beginning_nobody_has_is_begun_anew():
    talk = Talk()
    talk.seq = 40
    assert talk.say(9_000, m.Track("Brewed", {})).replies == [m.NewStream(STREAM)]
    assert talk.say(9_100, m.Track("Brewed", {})).replies == []
    assert talk.sync(9_200) == [m.NewStream(STREAM)]


def test_extra_events_are_off_unless_named():
    talk = Talk()
    assert talk.begin().calls == []
    assert talk.say(200, m.Gap(1, 3, 5, 0, 0, 1)).calls == []


def test_session_events():
    talk = Talk(extra_events=frozenset({SESSION_STARTED, SESSION_ENDED}))
    (started,) = talk.begin().calls
    talk.say(2_000, FRAME)
    later = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000, extra_events=talk.settings.extra_events)
    ended, _ = later.begin().calls
    assert (started.event, started.session_id, started.payload["properties"]["sampled"]) == (
        SESSION_STARTED,
        START_MS,
        True,
    )
    assert (ended.event, ended.session_id, ended.time_ms) == (SESSION_ENDED, START_MS, BOOT_MS + 2_000)
    assert ended.payload["properties"]["duration_ms"] == 1_900


def test_gap_is_a_row_and_an_event():
    talk = Talk(extra_events=frozenset({REPLAY_GAP}))
    talk.begin()
    mapped = talk.say(200, m.Gap(1, 3, 5, 4, 3, 1))
    (row,) = mapped.gaps
    assert (row.seq, row.first, row.end, row.frames, row.session_id) == (2, 1, 3, 5, START_MS)
    properties = mapped.calls[0].payload["properties"]
    assert properties.items() >= {"chunks": 2, "frames": 5, "reason": "outbox full"}.items()


# ---- properties

NAMES = st.text(max_size=6)
BODIES = st.one_of(
    st.just(HELLO),
    st.just(DISPLAY),
    st.just(FRAME),
    st.builds(
        m.SessionStart, st.integers(0, 2), st.none() | st.booleans(), st.none() | st.integers(0, 1 << 53)
    ),
    st.builds(m.SessionEnd, st.integers(0, 2)),
    st.builds(m.OptOut, st.booleans()),
    st.builds(m.Track, NAMES, st.dictionaries(NAMES, NAMES, max_size=2)),
    st.builds(m.Screen, NAMES, st.just({})),
    st.builds(m.Identify, st.none() | NAMES, st.just({})),
    st.builds(m.Alias, NAMES, st.none() | NAMES),
    st.builds(m.Gap, *[st.integers(0, 9)] * 6),
    st.builds(m.Vitals, st.just({1: 2})),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=12))
def test_any_records_keep_the_rules_and_the_states_survive_storage(chunks):
    talk, seen = Talk(extra_events=EXTRA_EVENTS, sample_rate=0.5), 0
    for number, bodies in enumerate(chunks):
        mapped = talk.say(number * 700, *bodies)
        for row in mapped.sessions:
            assert row.session_id >= seen
            seen = row.session_id
        for call in mapped.calls:
            assert list(find_problems(call.payload)) == []
        talk.device = msgspec.json.decode(msgspec.json.encode(talk.device), type=DeviceState)
        talk.stream = msgspec.json.decode(msgspec.json.encode(talk.stream), type=StreamState)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=8))
def test_the_same_records_give_the_same_calls(chunks):
    def run():
        talk = Talk(extra_events=EXTRA_EVENTS, sample_rate=0.5)
        return [talk.say(number * 700, *bodies).calls for number, bodies in enumerate(chunks)]

    assert run() == run()


def test_the_replay_id_begins_with_the_user_where_that_is_asked_for() -> None:
    """As the old wrapper had it. Everything else still names the device, so Amplitude finds no replay by it."""
    talk = Talk(replay_by_user=True)
    talk.begin()
    before, after = (
        talk.say(1_000, m.Track("A", {})).calls[0],
        talk.say(2_000, m.Identify("user-7", {}), m.Track("B", {})).calls[1],
    )
    ids = [call.payload["properties"][REPLAY] for call in (before, after)]
    assert ids == [f"{DEVICE}/{before.session_id}", f"user-7/{before.session_id}"]
    assert after.payload["anonymousId"] == after.payload["context"]["device"]["id"] == DEVICE
