"""Each condition begins when it should, and ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pixeltrail_bridge.delivery import SinkHealth
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.store.figures import LastHeard
from pixeltrail_bridge.store.overview import Backlog
from pixeltrail_bridge.watch.alerts import Alerts
from pixeltrail_bridge.watch.conditions import Conditions, Thresholds
from pixeltrail_bridge.watch.readings import Readings

from .looks import NOW_MS, readings

LATE = Backlog("segment", 7, NOW_MS - 1_900_000, 3, 503, "busy")
SILENT = (1, [LastHeard("oven-07", NOW_MS - 3_600_000, False)])
REFUSED = SinkHealth("segment", "waiting", alarm="401: the write key is wrong")


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (readings(error="the disk is full"), "ingest", "the disk is full"),
        (readings(sources={"mqtt": LinkState("mqtt", False, "refused")}), "source", "mqtt is down: refused"),
        (readings(free_bytes=200 << 20), "disk", "200 MB are free"),
        (readings(sinks={"segment": REFUSED}), "sink", "the write key is wrong"),
        (
            readings(backlogs={"segment": LATE}),
            "backlog",
            "7 events wait for segment, the oldest for 31 min (busy)",
        ),
        (readings(dead_letters={"undecodable": 2}), "dead_letters", "pixeltrail dlq list --kind undecodable"),
        (readings(backup_problem="the disk is full"), "backup", "no backup was made: the disk is full"),
        (readings(silent=SILENT), "device_silent", "oven-07 was not heard for 60 min"),
        (readings(silent=(30, SILENT[1])), "device_silent", "30 devices were not heard for 5 min"),
        (readings(latest_heard_ms=NOW_MS + 120_000), "clock", "was set back"),
        (readings(now_ms=1_000_000, latest_heard_ms=0), "clock", "was never set"),
    ],
)
def test_an_alert_fires_and_clears(bad: Readings, kind: str, words: str) -> None:
    conditions = Conditions(Thresholds(silent_ms=300_000, refused_ms=0))
    desk = Alerts(repeat_ms=0)
    (fired,) = desk.update(conditions.look(bad, 0), bad.now_ms)
    assert (fired.state, fired.condition.kind) == ("firing", kind)
    assert words in fired.condition.text
    mended = replace(readings(latest_heard_ms=0), now_ms=NOW_MS + 15_000)
    told = desk.update(conditions.look(mended, 15_000), mended.now_ms)
    if bad.now_ms != NOW_MS:  # the clock was set, and that is told for an hour
        assert told == []
        later = replace(mended, now_ms=mended.now_ms + 3_600_000)
        told = desk.update(conditions.look(later, 3_615_000), later.now_ms)
    assert [(one.state, one.condition.key) for one in told] == [("resolved", fired.condition.key)]
    assert desk.standing == []


def test_what_passes_by_itself_is_told_only_when_it_lasts() -> None:
    conditions = Conditions(Thresholds(refused_ms=60_000))
    down = readings(sources={"mqtt": LinkState("mqtt", False, "refused")})
    assert conditions.look(down, 0) == []
    assert conditions.look(replace(readings(), now_ms=NOW_MS + 30_000), 30_000) == []
    assert conditions.look(replace(down, now_ms=NOW_MS + 60_000), 60_000) == []  # it was up meanwhile
    assert [one.kind for one in conditions.look(replace(down, now_ms=NOW_MS + 120_000), 120_000)] == [
        "source"
    ]


@pytest.mark.parametrize("step_ms", [-7_000, 7_000])
def test_a_clock_that_was_set_is_told_for_an_hour(step_ms: int) -> None:
    conditions = Conditions(Thresholds())
    conditions.look(readings(), 0)
    set_ = replace(readings(latest_heard_ms=0), now_ms=NOW_MS + 15_000 + step_ms)
    (found,) = conditions.look(set_, 15_000)
    assert f"{step_ms / 1000:+.0f} s" in found.text
    later = replace(set_, now_ms=set_.now_ms + 3_600_000)
    assert conditions.look(later, 15_000 + 3_600_000) == []


def test_each_can_be_turned_off() -> None:
    nothing = Thresholds(silent_ms=0, backlog_ms=0, disk_bytes=0, dead_letters=False, clock=False)
    everything = readings(
        free_bytes=0, backlogs={"segment": LATE}, dead_letters={"record": 1}, latest_heard_ms=1 << 50
    )
    assert Conditions(nothing).look(everything, 0) == []
