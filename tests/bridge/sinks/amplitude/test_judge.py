"""The sink against Segment's published Amplitude (Actions) destination, event by event and field by field.

Both get the same events: the destination under Node with its HTTP caught (tests/node/amplitude.js), the sink over HTTP
to a server on this machine. differences.py has what may differ.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pixeltrail_bridge.mapping.calls import OutboxRow
from pixeltrail_bridge.sinks.amplitude import AmplitudeSettings, AmplitudeSink, MappingRule, mappings
from pixeltrail_bridge.sinks.amplitude.fields import FIELDS
from pixeltrail_bridge.sinks.amplitude.rules import make_urls
from pixeltrail_bridge.sinks.amplitude.values import MISSING

from tests.support import node
from tests.support.amplitude_server import PATHS, AmplitudeServer, Seen

from . import cases, generate
from .differences import DIFFERENCES, NULL_CONTEXT, OTHERS, SINGLE_QUOTES, Outcome, Sent
from .generate import Case

PAGE = Path(__file__).parents[4] / "docs" / "amplitude.md"
SEEDS = (1, 2, 3)
MORE_SEEDS = range(10, 40)
pytestmark = pytest.mark.timeout(600)  # for a machine that is very busy; it takes a quarter of a minute


class Recorder(AmplitudeServer):
    """Takes everything: what is sent is looked at, not what Amplitude would say of it."""

    def _judge(self, endpoint: str, body: dict[str, Any], raw: bytes) -> tuple[int, dict[str, Any]]:
        return 200, {}


def ask_judge(asked: list[Case]) -> list[Outcome]:
    lines = node.run(Path("amplitude.js"), stdin=json.dumps({"cases": asked}), timeout_s=300).splitlines()
    return [_outcome(json.loads(line)) for line in lines]


def _outcome(answer: dict[str, Any]) -> Outcome:
    sent: list[Sent] = []
    for request in answer["requests"]:
        body = request["body"]
        items = body.get("events", body.get("identification", body.get("mapping")))
        for item in items if isinstance(items, list) else [items]:
            sent.append((PATHS[urlsplit(request["url"]).path], item, body.get("options")))
    return Outcome(sent, len(answer["errors"]))


def make_settings(case: Case, host: str) -> AmplitudeSettings:
    rules: list[MappingRule] = []
    if case.get("mappings"):
        rules = [MappingRule(name, is_enabled=False) for name in mappings.PRESET_NAMES]
        rules += [
            MappingRule(f"{one['name']} {place}", one["action"], one["trigger"], None, one["fields"])
            for place, one in enumerate(case["mappings"])
        ]
    return AmplitudeSettings("judge-api-key", host=host, device_events_per_s=0, rules=tuple(rules))


def ask_sink(asked: list[Case]) -> tuple[list[Outcome], list[Seen]]:
    server = Recorder()

    async def run() -> list[Outcome]:
        runner = await server.start()
        sinks: dict[str, AmplitudeSink] = {}
        outcomes = []
        for number, case in enumerate(asked):
            key = json.dumps(case.get("mappings"))
            if key not in sinks:
                sinks[key] = AmplitudeSink(make_settings(case, server.url))
            event = case["event"]
            payload = json.dumps(event).encode()
            row = OutboxRow(number, "kitchen-01", event["messageId"], event["type"], payload, 0)
            before = len(server.requests)
            (settled,) = await sinks[key].deliver([row])
            assert settled.state in ("sent", "dead")
            seen = server.requests[before:]
            sent = [(one.endpoint, item, one.options) for one in seen for item in one.items]
            outcomes.append(
                Outcome(sent, settled.answer.count("mapping '") if settled.state == "dead" else 0)
            )
        for sink in sinks.values():
            await sink.close()
        await runner.cleanup()
        return outcomes

    return asyncio.run(run()), server.requests


def expect(case: Case, theirs: Outcome) -> Outcome:
    for difference in DIFFERENCES:
        theirs = difference.apply(case, theirs)
    if theirs is SINGLE_QUOTES:
        return expect(_with_double_quotes(case), ask_judge([_with_double_quotes(case)])[0])
    if theirs is NULL_CONTEXT:
        empty = {**case, "event": {**case["event"], "context": {}}}
        return expect(empty, ask_judge([empty])[0])
    return theirs


def _with_double_quotes(case: Case) -> Case:
    return {
        **case,
        "mappings": [{**one, "trigger": one["trigger"].replace("'", '"')} for one in case["mappings"]],
    }


def compare(named: Iterable[tuple[str, Case]]) -> tuple[list[Case], list[Outcome]]:
    asked = dict(named)
    theirs = ask_judge(list(asked.values()))
    ours, _ = ask_sink(list(asked.values()))
    wrong = []
    for name, case, their, our in zip(asked, asked.values(), theirs, ours, strict=True):
        expected = expect(case, their)
        if expected != our:
            wrong.append(f"{name}\n  expected {expected}\n  sent     {our}\n  judge    {their}")
    assert not wrong, f"{len(wrong)} of {len(asked)} differ:\n" + "\n".join(wrong[:5])
    return list(asked.values()), theirs


@pytest.fixture(scope="module")
def judged() -> tuple[list[Case], list[Outcome]]:
    """All named cases, compared."""
    return compare(
        chain(
            *(
                cases.ordinary(),
                cases.named(),
                cases.revenue(),
                cases.mapped(),
                cases.triggered(),
            ),
            generate.oddities(),
        )
    )


def test_every_case_goes_out_as_the_destination_sends_it(judged):
    compared, outcomes = judged
    assert len(compared) > 1_000
    assert {endpoint for one in outcomes for endpoint, _, _ in one.sent} == set(PATHS.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_random_events_go_out_as_the_destination_sends_them(seed):
    compare(generate.randomly(seed, 250))


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_more_random_events(seed):
    compare(generate.randomly(seed, 500))


def test_every_difference_is_still_one(judged):
    """A row of the table that no case needs would hide a mistake."""
    unused = {one.name for one in DIFFERENCES}
    for case, outcome in zip(*judged, strict=True):
        for difference in DIFFERENCES:
            if difference.apply(case, outcome) != outcome:
                unused.discard(difference.name)
    assert unused == set()


def test_the_page_lists_every_difference():
    section = PAGE.read_text().partition("## Differences")[2].partition("\n## ")[0]
    listed = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    assert listed == [*(one.name for one in DIFFERENCES), *OTHERS]


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    return json.loads(node.run(Path("amplitude.js"), stdin='{"fields": true}'))


def test_fields_types_and_defaults_are_those_of_the_destination(definition):
    theirs = {
        action: {
            name: (
                *(
                    one["type"],
                    one.get("default", "none"),
                    one.get("required", False),
                    one.get("allowNull", False),
                ),
                *(one.get("multiple", False), one.get("additionalProperties", False)),
                {key: part["type"] for key, part in one.get("properties", {}).items()},
            )
            for name, one in fields.items()
        }
        for action, fields in definition["actions"].items()
    }
    ours = {
        action: {
            name: (
                *(
                    one.kind,
                    "none" if one.default is MISSING else one.default,
                    one.is_required,
                    one.may_be_null,
                ),
                *(one.is_list, one.is_open, {key: part.kind for key, part in one.members.items()}),
            )
            for name, one in fields.items()
        }
        for action, fields in FIELDS.items()
        if action != "sessionId"  # a plugin of the browser, which the package has elsewhere
    }
    assert ours == theirs


def test_presets_are_those_of_the_destination(definition):
    mapper = mappings.Mapper((), mappings.MappingOptions(insert_id_from_message_id=False))
    ours = [(one.name, one.action, one.trigger.text, one.fields) for one in mapper.mappings]
    theirs = [
        (one["name"], one["partnerAction"], one["subscribe"], one["mapping"]) for one in definition["presets"]
    ]
    assert sorted(ours, key=str) == sorted(theirs, key=str)


@pytest.mark.parametrize(("zone", "region"), [("us", "north_america"), ("eu", "europe")])
def test_addresses_are_those_of_the_destination(definition, zone, region):
    assert make_urls(zone, None) == {
        endpoint: definition["regions"][endpoint][region] for endpoint in PATHS.values()
    }
