"""Sessions and time over reboots, spooled streams, stalls and clocks that step: DESIGN's rules, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.mapping.calls import iso_time
from pixeltrail_bridge.sessions.clock import JUMP_MS
from pixeltrail_bridge.sessions.ids import NO_SESSION
from pixeltrail_bridge.sessions.state import DeviceState
from pixeltrail_bridge.wire import messages as m

from .build import BOOT_MS, DISPLAY, FRAME, HELLO, NEXT_STREAM, STREAM, Talk

HOUR_MS = 3_600_000
THIRD_STREAM = bytes(range(16, 24))
TRACK = m.Track("Brewed", {})


def times(mapped):
    return [call.payload["timestamp"] for call in mapped.calls]


def session_of(mapped):
    return mapped.calls[0].payload["integrations"]["Actions Amplitude"]["session_id"]


def begin_without_sync(talk, boot=7, index=0, **hello):
    talk.say(0, replace(HELLO, boot=boot, **hello), DISPLAY)
    return talk.say(100, m.SessionStart(index, True, None))


# ---- the host's clock


def test_a_host_clock_set_forward_moves_what_follows_and_nothing_before():
    talk = Talk()
    session_id = talk.begin().session_id
    before = times(talk.say(1_000, TRACK))
    talk.boot_ms += HOUR_MS
    talk.sync(31_000)
    talk.sync(61_000)  # a jump forward wants a second witness
    assert times(talk.say(62_000, TRACK)) == [iso_time(BOOT_MS + HOUR_MS + 62_000)]
    assert before == [iso_time(BOOT_MS + 1_000)]
    assert talk.device.session.session_id == session_id


def test_a_host_clock_set_back_moves_what_follows_and_no_session_id_falls():
    talk = Talk()
    first = talk.begin().session_id
    talk.boot_ms -= HOUR_MS
    talk.sync(31_000)
    assert times(talk.say(32_000, TRACK)) == [iso_time(BOOT_MS - HOUR_MS + 32_000)]
    talk.say(33_000, m.SessionEnd(0))
    second = talk.say(34_000, m.SessionStart(1, True, None)).session_id
    assert second == first + 1
    assert session_of(talk.say(35_000, TRACK)) == second


def test_a_sync_that_was_held_up_moves_nothing():
    talk = Talk()
    talk.begin()
    talk.boot_ms += JUMP_MS + 1  # on its way for longer than a jump
    talk.sync(31_000)
    talk.boot_ms = BOOT_MS
    talk.sync(61_000)
    assert times(talk.say(62_000, TRACK)) == [iso_time(BOOT_MS + 62_000)]


# ---- devices without a clock, and links that stall


def test_a_device_that_never_syncs_is_placed_by_arrival_and_says_so():
    talk = Talk()
    begin_without_sync(talk)
    mapped = talk.say(5_000, TRACK)
    assert mapped.is_estimated
    assert mapped.calls[0].payload["context"]["pixeltrail"] == {"time": "estimated"}
    assert mapped.calls[0].payload["timestamp"] == iso_time(BOOT_MS + 5_000 + 19)


@pytest.mark.parametrize("quality", [0, 1])
def test_an_epoch_without_a_good_clock_is_ignored(quality):
    talk = Talk()
    talk.sync()
    talk.say(0, replace(HELLO, clock_quality=quality), DISPLAY)
    assert talk.say(100, m.SessionStart(0, True, 946_684_800_000)).session_id == BOOT_MS + 100
    assert "originalTimestamp" not in talk.say(200, TRACK).calls[0].payload


@pytest.mark.parametrize(
    ("ahead_ms", "counts"),
    [
        (0, True),
        (5 * 60_000 - 200, True),
        (6 * 60_000, False),
        (-364 * 86_400_000, True),
        (-366 * 86_400_000, False),
    ],
)
def test_a_good_clock_counts_within_a_year_behind_and_five_minutes_ahead(ahead_ms, counts):
    talk = Talk()
    talk.sync()
    talk.say(0, replace(HELLO, clock_quality=2), DISPLAY)
    epoch_ms = BOOT_MS + 100 + ahead_ms
    assert (talk.say(100, m.SessionStart(0, True, epoch_ms)).session_id == epoch_ms) is counts


def test_after_a_stall_everything_lies_where_it_happened():
    """A line is down for ten minutes; what the device kept meanwhile comes at once, with the times it happened."""
    talk = Talk()
    talk.begin()
    late_ms = BOOT_MS + 600_000
    mapped = [talk.say(at_ms, TRACK, received_ms=late_ms) for at_ms in (1_000, 200_000, 599_000)]
    assert [times(one)[0] for one in mapped] == [iso_time(BOOT_MS + at) for at in (1_000, 200_000, 599_000)]
    assert {session_of(one) for one in mapped} == {BOOT_MS + 100}


# ---- reboots and continuation


def test_a_reboot_begins_a_session_and_ends_the_last_where_it_was_heard_last():
    talk = Talk(extra_events=frozenset({"Session Ended"}))
    first = talk.begin().session_id
    talk.say(9_000, FRAME)
    again = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000, extra_events=frozenset({"Session Ended"}))
    mapped = again.begin(boot=8)
    ended, begun = mapped.sessions[0], mapped.sessions[-1]
    assert (ended.session_id, ended.end_ms) == (first, BOOT_MS + 9_000)
    assert (begun.session_id, begun.end_ms) == (BOOT_MS + 60_100, None)
    assert [call.event for call in mapped.calls] == ["Session Ended"]


def test_a_session_goes_on_over_two_changes_of_stream():
    talk = Talk()
    first = talk.begin().session_id
    second = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    third = Talk(talk.device, THIRD_STREAM, BOOT_MS + 120_000)
    assert second.begin(previous=STREAM).session_id == third.begin(previous=NEXT_STREAM).session_id == first
    assert session_of(third.say(200, TRACK)) == first
    assert not third.stream.is_late


# ---- streams of an earlier start


def newer_then_late(late_boot_ms=BOOT_MS - HOUR_MS, has_sync=True, boot=6, **settings):
    """A session of boot 7 runs; then a stream of an earlier start arrives."""
    newer = Talk(**settings)
    newest = newer.begin().session_id
    late = Talk(newer.device, NEXT_STREAM, late_boot_ms, **settings)
    if has_sync:
        late.sync()
    return newer, newest, late, begin_without_sync(late, boot=boot)


@pytest.mark.parametrize(
    ("has_sync", "boot"),
    [(True, 6), (False, 6), (True, 0)],
    ids=["times and boot count", "only the boot count", "only times"],
)
def test_a_late_stream_does_not_end_the_newest_session(has_sync, boot):
    late_boot_ms = BOOT_MS - HOUR_MS if has_sync else BOOT_MS + 5_000
    newer, newest, late, mapped = newer_then_late(late_boot_ms, has_sync, boot)
    (own,) = {row.session_id for row in mapped.sessions}
    assert own > newest and (own == newest + 1) is has_sync
    assert mapped.sessions[-1].end_ms is not None  # a newer start began, so it is over
    assert session_of(late.say(300, TRACK)) == own
    late.say(400, FRAME)
    assert late.say(9_000, m.SessionEnd(0)).sessions[-1].end_ms == late.line.host_ms(9_000)
    assert newer.device.session.session_id == newest and not newer.device.session.ended
    assert session_of(newer.say(20_000, TRACK)) == newest
    assert newer.say(30_000, m.SessionEnd(0)).sessions[-1].session_id == newest


def test_several_sessions_of_a_late_stream_follow_each_other():
    newer, newest, late, _ = newer_then_late(extra_events=frozenset({"Session Ended"}))
    mapped = late.say(5_000, m.SessionStart(1, True, None))
    assert [call.payload["integrations"]["Actions Amplitude"]["session_id"] for call in mapped.calls] == [
        newest + 1
    ]
    assert session_of(late.say(6_000, TRACK)) == newest + 2
    after = Talk(newer.device, THIRD_STREAM, BOOT_MS + HOUR_MS)
    assert after.begin(boot=8).sessions[0].session_id == newest  # the one that was really the last


def test_a_late_stream_changes_neither_user_nor_opt_out():
    newer, _, late, _ = newer_then_late()
    newer.say(1_000, m.Identify("bea", {}), m.OptOut(True))
    mapped = late.say(1_000, m.Identify("al", {}), TRACK, m.OptOut(False))
    assert [call.payload["userId"] for call in mapped.calls] == ["al", "al"]
    assert (newer.device.user_id, newer.device.opted_out) == ("bea", True)
    assert not newer.say(2_000, FRAME).is_kept


def test_a_late_opt_out_counts_while_nothing_newer_was_said():
    newer, _, late, _ = newer_then_late()
    late.say(1_000, m.OptOut(True))
    assert newer.device.opted_out and not newer.say(2_000, FRAME).is_kept


def test_a_board_that_counts_its_boots_from_the_beginning_is_not_late():
    """Its flash was erased: the count falls, the time does not."""
    talk = Talk()
    first = talk.begin(boot=57).session_id
    erased = Talk(talk.device, NEXT_STREAM, BOOT_MS + 60_000)
    assert erased.begin(boot=1).sessions[0].session_id == first
    assert not erased.stream.is_late and erased.device.session.boot == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-3 * HOUR_MS, 3 * HOUR_MS),  # where the stream begins
            st.integers(0, 3),  # boot count
            st.booleans(),  # whether it syncs
            st.integers(1, 3),  # sessions
            st.sampled_from([None, 0, -400 * 86_400_000, 86_400_000]),  # its own clock, off by that
        ),
        min_size=1,
        max_size=8,
    )
)
def test_session_ids_only_rise_and_each_session_has_one_row(streams):
    device, ids, rows = DeviceState(), [], {}
    for number, (offset_ms, boot, has_sync, count, clock_ms) in enumerate(streams):
        talk = Talk(device, number.to_bytes(8), BOOT_MS + offset_ms)
        if has_sync:
            talk.sync()
        talk.say(0, replace(HELLO, boot=boot, clock_quality=0 if clock_ms is None else 2), DISPLAY)
        for index in range(count):
            at_ms = 100 + index * 1_000
            epoch_ms = None if clock_ms is None else talk.boot_ms + at_ms + clock_ms
            mapped = talk.say(at_ms, m.SessionStart(index, True, epoch_ms))
            ids.append(mapped.session_id)
            rows |= {row.session_id: row for row in mapped.sessions}
            assert session_of(talk.say(at_ms + 500, TRACK)) == mapped.session_id
    assert ids == sorted(set(ids)) and ids[0] > 0 and NO_SESSION not in ids
    assert set(ids) == set(rows)
    assert device.last_session_id == ids[-1]
