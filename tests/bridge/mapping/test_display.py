import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mapping.calls import Origin
from pixeltrail_bridge.mapping.display import Change, Windows, summary_call, summary_properties

from tests.support.segment_server import find_problems

from .build import BOOT_MS, DEVICE, DISPLAY, HELLO, STREAM

LENGTH_MS = 10_000
AREA_PX = 128 * 64


def change(at_ms, *rectangles, seq=0, session_id=BOOT_MS, key=False, mixed=False, size_bytes=10):
    return Change(session_id, BOOT_MS, BOOT_MS + at_ms, seq, key, mixed, rectangles, size_bytes)


def add(windows, *changes):
    return [done for one in changes if (done := windows.add(one, AREA_PX)) is not None]


def test_a_window_counts_what_happened_in_it():
    windows = Windows(LENGTH_MS)
    assert add(windows, change(12_000, (0, 0, 64, 64), seq=3, key=True)) == []
    assert add(windows, change(13_000, (100, 10, 8, 4), seq=4, mixed=True)) == []
    windows.add_gap()
    (done,) = add(windows, change(20_000, (0, 0, 1, 1), seq=5))
    assert summary_properties(done, LENGTH_MS) == {
        "frames": 2,
        "keyframes": 1,
        "mixed_frames": 1,
        "changed_area_percent": 25.2,
        "dirty_x": 0,
        "dirty_y": 0,
        "dirty_width": 108,
        "dirty_height": 64,
        "bytes": 20,
        "first_seq": 3,
        "last_seq": 4,
        "gaps": 1,
        "replay_offset_ms": 12_000,
        "window_ms": LENGTH_MS,
    }
    assert done.start_ms == BOOT_MS + 10_000


def test_a_keyframe_that_shows_nothing_new_makes_no_event():
    windows = Windows(LENGTH_MS)
    assert add(windows, change(0, key=True), change(15_000, (0, 0, 1, 1))) == []
    assert windows.close() is not None


def test_another_session_closes_the_window():
    windows = Windows(LENGTH_MS)
    (done,) = add(windows, change(0, (0, 0, 1, 1)), change(10, (0, 0, 1, 1), session_id=BOOT_MS + 5))
    assert done.session_id == BOOT_MS


def test_time_that_runs_backwards_stays_in_the_window():
    windows = Windows(LENGTH_MS)
    assert add(windows, change(35_000, (0, 0, 1, 1)), change(1_000, (0, 0, 1, 1))) == []
    assert windows.open.frames == 2


def test_the_event_is_complete_and_links_to_its_moment():
    origin = Origin(
        DEVICE,
        HELLO,
        DISPLAY,
        session_id=BOOT_MS,
        session_start_ms=BOOT_MS,
        is_recording=True,
        public_url="https://trail.example",
    )
    windows = Windows(LENGTH_MS)
    add(windows, change(12_000, (0, 0, 64, 64), seq=3))
    window = windows.close()
    call = summary_call(origin, STREAM, window, LENGTH_MS)
    assert list(find_problems(call.payload)) == []
    assert call.event == call.payload["event"] == "Display Changed"
    assert call.payload["properties"]["Replay Link"].endswith(f"/sessions/{DEVICE}/{BOOT_MS}?t=12")
    assert call.message_id == summary_call(origin, STREAM, window, LENGTH_MS).message_id


CHANGES = st.builds(
    change,
    st.integers(0, 60_000),
    st.tuples(st.integers(0, 100), st.integers(0, 50), st.integers(1, 28), st.integers(1, 14)),
    seq=st.integers(0, 99),
    key=st.booleans(),
    session_id=st.sampled_from([BOOT_MS, BOOT_MS + 1]),
)


@given(st.lists(CHANGES, max_size=30), st.integers(0, 30))
def test_every_picture_is_counted_once_also_across_a_restart(changes, restart):
    windows, done = Windows(LENGTH_MS), []
    for number, one in enumerate(changes):
        if number == restart:
            windows = msgspec.json.decode(msgspec.json.encode(windows), type=Windows)
        done += add(windows, one)
    last = windows.close()
    done += [last] if last else []
    assert sum(window.frames for window in done) == len(changes)
    assert all(0 < summary_properties(w, LENGTH_MS)["changed_area_percent"] <= 100 for w in done)
