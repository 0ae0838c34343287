"""The server that judges our sender must itself be strict."""

import asyncio
import copy
import json
import subprocess
import sys
import urllib.request

import msgspec
import pytest
from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink

from tests.support.segment_server import find_problems, running

from .rows import row

GOOD = msgspec.json.decode(row(1).payload)


def test_a_good_event_has_no_problems():
    assert list(find_problems(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["type"], "tracked"),
        (["messageId"], "x" * 100),
        (["timestamp"], "2026-01-02T03:04:05Z"),
        (["timestamp"], 1_767_323_045_678),
        (["originalTimestamp"], "yesterday"),
        (["anonymousId"], None),
        (["anonymousId"], "somebody-else"),
        (["event"], ""),
        (["properties"], []),
        (["context", "device", "id"], ""),
        (["context", "library"], {}),
        (["integrations"], {}),
        (["integrations", "Actions Amplitude", "session_id"], "-1"),
        (["integrations", "Actions Amplitude", "session_id"], 0),
        (["properties", "[Amplitude] Session Replay ID"], "kitchen-01/-1"),
        (["sentAt"], "2026-01-02T03:04:05.678Z"),
    ],
)
def test_each_fault_is_found(path, value):
    event = copy.deepcopy(GOOD)
    place = event
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert list(find_problems(event))


def send(url, *rows, write_key="test-write-key"):
    async def run():
        sink = SegmentSink(SegmentSettings(write_key, host=url))
        results = await sink.deliver(rows)
        await sink.close()
        return [one.state for one in results]

    return asyncio.run(run())


def test_on_a_thread():
    with running() as server:
        assert send(server.url, row(1), row(2)) == ["sent", "sent"]
        assert send(server.url, row(1), write_key="other") == ["retry"]
    assert (len(server.events), server.problems) == (2, [])


def test_as_a_process_it_remembers_and_takes_a_script(tmp_path):
    log = tmp_path / "events.jsonl"
    command = [sys.executable, "-m", "tests.support.segment_server", "--log", str(log)]
    for states in (["sent", "retry"], ["sent", "sent"]):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            url = process.stdout.readline().strip()
            answered = [send(url, row(1))[0]]
            if states[1] == "retry":
                script = json.dumps([{"kind": "status", "status": 503}]).encode()
                urllib.request.urlopen(urllib.request.Request(f"{url}/faults", script), timeout=10).close()
            answered += send(url, row(2))
            with urllib.request.urlopen(f"{url}/state", timeout=10) as response:
                state = json.load(response)
            process.kill()
        assert answered == states
    assert [event["messageId"] for event in state["events"]] == ["px-kitchen-01-1", "px-kitchen-01-2"]
    assert state["duplicates"] == 1
    assert len(log.read_text().splitlines()) == 2
