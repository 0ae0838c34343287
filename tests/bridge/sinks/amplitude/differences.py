"""Where the sink does something else than the published destination, on purpose: one row each, with its reason.

docs/amplitude.md has the same rows (test_judge.py compares the names). `apply` turns what the destination sent for a
case into what the sink is to send for it; the test applies all of them and then asks for equality. A row whose `apply`
changes nothing in any case would be a row that is not needed any more: that is tested too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .generate import NEWER_AGENTS, Case

Sent = tuple[str, dict[str, Any], Any]  # URL, event or identification, options
ISO = re.compile(
    r"\d{4}(-?\d\d){0,2}([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?([Zz]|[+-]\d\d:?\d\d)?"
    r"|\d{4}/\d{1,2}/\d{1,2}( \d{1,2}(:\d\d){1,2})?"
)
MAIL = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} \w+")


@dataclass(frozen=True)
class Outcome:
    """What goes out for a case, and how many mappings failed."""

    sent: list[Sent]
    faults: int


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    apply: Callable[[Case, Outcome], Outcome]


def _change_bodies(outcome: Outcome, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Outcome:
    return Outcome([(url, change(body), options) for url, body, options in outcome.sent], outcome.faults)


def _set_insert_id(case: Case, outcome: Outcome) -> Outcome:
    taken: set[str] = set()
    products = 1

    def change(body: dict[str, Any]) -> dict[str, Any]:
        nonlocal products
        has_field = (
            "group_properties" not in body and "group_type" not in body and "global_user_id" not in body
        )
        if "insert_id" in body or not has_field or set(body) <= {"user_id", "min_id_length"}:
            return body
        message_id = case["event"]["messageId"]
        if body.get("event_type") == "Product Purchased":
            products += 1
            return body | {"insert_id": f"{message_id}-{products}"}
        insert_id = message_id if message_id not in taken or "event_type" not in body else f"{message_id}.2"
        taken.add(insert_id)
        return body | {"insert_id": insert_id}

    return _change_bodies(outcome, change)


def _drop_word(case: Case, outcome: Outcome) -> Outcome:
    sent = [(url, body, None if options == "undefined" else options) for url, body, options in outcome.sent]
    return Outcome(sent, outcome.faults)


def _keep_apart(case: Case, outcome: Outcome) -> Outcome:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        properties = body.get("user_properties")
        if not isinstance(properties, dict) or not any(name.startswith("$") for name in properties):
            return body
        plain = {name: value for name, value in properties.items() if not name.startswith("$")}
        operations = {name: value for name, value in properties.items() if name.startswith("$")}
        if plain:
            operations["$set"] = plain | operations.get("$set", {})
        return body | {"user_properties": operations}

    return _change_bodies(outcome, change)


def _numbers_only(case: Case, outcome: Outcome) -> Outcome:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        added = (body.get("user_properties") or {}).get("$add")
        if not isinstance(added, dict):
            return body
        numbers = {name: value for name, value in added.items() if type(value) in (int, float)}
        return body | {"user_properties": body["user_properties"] | {"$add": numbers}}

    return _change_bodies(outcome, change)


def _session(case: Case) -> Any:
    integrations = case["event"].get("integrations")
    entry = integrations.get("Actions Amplitude") if isinstance(integrations, dict) else None
    return entry.get("session_id") if isinstance(entry, dict) else None


def _read_session_text(case: Case, outcome: Outcome) -> Outcome:
    session = _session(case)
    if session == "-1":
        return _change_bodies(
            outcome, lambda body: body | ({"session_id": -1} if "session_id" in body else {})
        )
    return _change_bodies(
        outcome, lambda body: {k: v for k, v in body.items() if (k, v) != ("session_id", 0)}
    )


def _unwrapped(value: Any) -> Any:
    return str(value[0]) if isinstance(value, list) and len(value) == 1 else value


def _is_guess(value: Any) -> bool:
    value = _unwrapped(value)
    return (
        isinstance(value, str)
        and value != ""
        and not value.isdecimal()
        and not (ISO.fullmatch(value) or MAIL.fullmatch(value))
    )


def _refuse_guesses(case: Case, outcome: Outcome) -> Outcome:
    """A date that a browser guesses at: the field is left out, or the event is refused when its mapping checks it."""
    time, session = case["event"].get("timestamp"), _session(case)
    is_event = any("event_type" in body for _, body, _ in outcome.sent)
    refused = [value for value in (time, session) if _is_guess(value) and not _is_number(_unwrapped(value))]
    if is_event and refused and not outcome.faults:
        return Outcome([], 1)
    if _is_guess(time) or (any("groups" in body for _, body, _ in outcome.sent) and not _is_date(time)):
        outcome = _change_bodies(outcome, lambda body: {k: v for k, v in body.items() if k != "time"})
    return outcome


def _is_date(value: Any) -> bool:
    """As text, which the time of a group is."""
    text = str(_unwrapped(value))
    return bool(ISO.fullmatch(text) or MAIL.fullmatch(text) or re.fullmatch(r"\d{4,}(\.\d+)?", text))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", text))


def _read_digits(case: Case, outcome: Outcome) -> Outcome:
    time = case["event"].get("timestamp")
    is_group = any("groups" in body for _, body, _ in outcome.sent)
    if is_group and type(time) is int:
        time = str(time)  # its field is text
    time = _unwrapped(time)
    if isinstance(time, str) and time.isdecimal() and len(time) > 8:
        return _change_bodies(outcome, lambda body: body | ({"time": int(time)} if "time" in body else {}))
    if isinstance(time, str) and time.isdecimal() and len(time) < 4:
        return _change_bodies(outcome, lambda body: {k: v for k, v in body.items() if k != "time"})
    return outcome


def _leave_out_now(case: Case, outcome: Outcome) -> Outcome:
    if case["event"].get("timestamp") in (None, ""):
        return _change_bodies(
            outcome, lambda body: {k: v for k, v in body.items() if k != "time" or "groups" not in body}
        )
    return outcome


def _know_newer(case: Case, outcome: Outcome) -> Outcome:
    context = case["event"].get("context")
    if not isinstance(context, dict) or context.get("userAgent") not in NEWER_AGENTS:
        return outcome
    return _change_bodies(
        outcome,
        lambda body: body | ({} if "device_manufacturer" in body else {"device_manufacturer": "Xiaomi"}),
    )


def _obey_integrations(case: Case, outcome: Outcome) -> Outcome:
    integrations = case["event"].get("integrations")
    if not isinstance(integrations, dict):
        return outcome
    entry = integrations.get("Actions Amplitude")
    is_excluded = entry is False if entry is not None else integrations.get("All") is False
    return Outcome([], 0) if is_excluded else outcome


def _refuse_reserved(case: Case, outcome: Outcome) -> Outcome:
    if any(str(body.get("event_type")).startswith("[Amplitude] ") for _, body, _ in outcome.sent):
        return Outcome([], 1)
    return outcome


def _read_quotes(case: Case, outcome: Outcome) -> Outcome:
    for mapping in case.get("mappings", []):
        if mapping["trigger"] == "type = 'track'" and case["event"]["type"] == "track":
            return SINGLE_QUOTES
    return outcome


SINGLE_QUOTES = Outcome([], -1)  # taken as equal to what the same trigger in double quotes sends


def _take_null_context(case: Case, outcome: Outcome) -> Outcome:
    return NULL_CONTEXT if case["event"].get("context", 0) is None else outcome


NULL_CONTEXT = Outcome([], -2)  # taken as equal to what an empty context sends


DIFFERENCES = (
    Difference(
        "insert_id",
        "Without it an event that is sent again counts twice; `insert_id_from_message_id = false` turns it off.",
        _set_insert_id,
    ),
    Difference("no literal undefined", "A slip of the destination: the word says nothing.", _drop_word),
    Difference("increments are numbers", "Amplitude refuses others, and the event with them.", _numbers_only),
    Difference("operations stand alone", "Amplitude refuses plain properties beside them.", _keep_apart),
    Difference(
        "session IDs as text", "-1 as text is no date of 2001, and 0 is no session.", _read_session_text
    ),
    Difference("digits are ms", "A time of digits is ms since 1970 and no date of year 1767.", _read_digits),
    Difference("no guessed dates", "What a browser guesses is not what was meant.", _refuse_guesses),
    Difference("no time of sending", "A group call without a time did not happen now.", _leave_out_now),
    Difference("newer user agents", "The parser's newer rules know more devices.", _know_newer),
    Difference(
        "integrations are obeyed", "Segment does it before the destination is asked.", _obey_integrations
    ),
    Difference("reserved names", "Replay Captured and its like are for Amplitude to send.", _refuse_reserved),
    Difference("single quotes", "Segment reads them as part of the text, and nothing matches.", _read_quotes),
    Difference(
        "null context", "Segment fails with an error of its own, and the event is lost.", _take_null_context
    ),
)
# What has no counterpart in one request of the destination; tests of their own show it.
OTHERS = (
    "many events a request",
    "user-agent header",
    "triggers with any parentheses",
    "no @liquid and @transform",
    "session tracking",
    "events of two mappings",
    "no recordings",
)
