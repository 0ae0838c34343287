"""The events that docs/segment.md shows are those that the bridge makes.

After a change of the mapping, `python -m tests.test_docs_payloads` prints the blocks to paste.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS
from pixeltrail_bridge.wire import messages as m

from tests.bridge.mapping.build import Talk
from tests.support.requirements import ROOT
from tests.support.segment_server import find_problems

PAGE = ROOT / "docs" / "segment.md"
SAME = ("context", "integrations", "anonymousId")


def payloads() -> Iterator[dict[str, Any]]:
    """One of each kind: a device starts, a person uses it, something is lost, the session ends."""
    talk = Talk(extra_events=EXTRA_EVENTS, public_url="https://trail.example")
    talk.sync()
    first = talk.begin()
    called = talk.say(
        5_000,
        m.Screen("Home", {}),
        m.Track("Brew Started", {"cups": 2}),
        m.Identify("user-7", {"plan": "pro"}),
        m.Group("office-3", {"floor": 2}),
        m.Alias("user-7b", None),
    )
    lost = talk.say(9_000, m.Gap(40, 44, 3, 0, 0, m.GapReason.OUTBOX_FULL))
    ended = talk.say(12_000, m.SessionEnd(0))
    for mapped in (first, called, lost, ended):
        for call in mapped.calls:
            yield call.payload


def shown_as() -> list[dict[str, Any]]:
    """The first whole, the others without what is the same in each."""
    first, *others = payloads()
    assert all(one[name] == first[name] for one in others for name in SAME)
    return [first, *({key: value for key, value in one.items() if key not in SAME} for one in others)]


def test_the_events_of_the_page_are_those_the_bridge_makes() -> None:
    shown = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert [json.loads(one) for one in shown] == shown_as()
    assert not [problem for payload in payloads() for problem in find_problems(payload)]


if __name__ == "__main__":
    for payload in shown_as():
        print(f"```json\n{json.dumps(payload, indent=2)}\n```\n")
