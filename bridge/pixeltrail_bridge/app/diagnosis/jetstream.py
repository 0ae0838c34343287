"""What NATS servers say of a stream and of who reads it. cluster.py explains it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigError
from .finding import LISTED

if TYPE_CHECKING:
    from nats.aio.client import Client

    from ...sources.nats_link import Login
    from ...sources.stream import StreamSettings

_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Replica:
    name: str
    is_current: bool
    lag: int = 0
    silent_ms: int = 0


@dataclass(frozen=True, slots=True)
class Copies:
    """A stream's or consumer's own small cluster; `leader` is empty while none is chosen."""

    leader: str = ""
    others: tuple[Replica, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamState:
    copies: Copies
    replicas: int
    subjects: tuple[str, ...]
    messages: int
    size_bytes: int
    most_bytes: int
    oldest_ms: int | None = None
    """Since when the oldest message waits that is not confirmed."""
    differs: tuple[str, ...] = ()
    """How it is other than the settings have it."""
    strange: str = ""
    """Why it cannot be brought to them."""


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """Of all parts: the worst copies, and whose they are; what waits in all of them, and how many are asked for more.

    `missing` are the consumers that are not there, `unread` those that nobody asks.
    """

    copies: Copies
    pending: int
    unconfirmed: int
    fetching: int
    redelivered: int
    worst: str = "consumer"
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    strange: str = ""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`away`: addresses that did not answer, and why. `skew_ms`: by how much a clock is ahead of this machine's."""

    addresses: int
    away: dict[str, str] = field(default_factory=dict)
    stream: StreamState | str = ""
    consumer: ConsumerState | str = ""
    skew_ms: dict[str, int] = field(default_factory=dict)


def ask(login: Login, wanted: StreamSettings) -> ClusterState:
    """Raises nothing: what cannot be reached is part of the answer."""
    return asyncio.run(_ask(login, wanted))


async def _ask(login: Login, wanted: StreamSettings) -> ClusterState:
    away: dict[str, str] = {}
    reached: Client | None = None
    for url in login.urls:
        try:
            options = replace(login, urls=(url,)).options()
            client = await asyncio.wait_for(_connect_once(**options), _ANSWER_S)
        except Exception as error:  # noqa: BLE001 whatever a library raises, the address does not answer
            away[url] = " ".join(str(error).split()) or type(error).__name__
            continue
        if reached is None:
            reached = client
        else:
            await client.close()
    if reached is None:
        return ClusterState(len(login.urls), away)
    try:
        return await _ask_jetstream(reached, ClusterState(len(login.urls), away), wanted)
    finally:
        await reached.close()


async def _ask_jetstream(client: Client, found: ClusterState, wanted: StreamSettings) -> ClusterState:
    stream, consumers = wanted.stream, wanted.consumers
    sent_ms = now_ms()
    told = await _request(client, f"STREAM.INFO.{stream}")
    if isinstance(told, str):
        return ClusterState(found.addresses, found.away, told)
    middle_ms = (sent_ms + now_ms()) // 2
    skew = {"NATS": _ms_of(told["ts"]) - middle_ms} if "ts" in told else {}
    readers = await asyncio.gather(*(_request(client, f"CONSUMER.INFO.{stream}.{one}") for one in consumers))
    silent = {name: one for name, one in zip(consumers, readers, strict=True) if isinstance(one, str)}
    fault = next((why for why in silent.values() if not is_missing(why)), "")
    if len(silent) == len(consumers):
        fault = fault or next(iter(silent.values()), "")
    there = [one for one in readers if not isinstance(one, str)]
    oldest = await asyncio.gather(*(_oldest_ms(client, stream, one) for one in there))
    return ClusterState(
        *(found.addresses, found.away),
        stream=_read_stream(told, min(filter(None, oldest), default=None), wanted, found.addresses),
        consumer=fault or _read_consumers(there, tuple(silent), wanted),
        skew_ms=skew,
    )


async def _oldest_ms(client: Client, stream: str, reader: dict[str, Any]) -> int | None:
    """Since when the oldest message waits that this consumer has not had confirmed."""
    if not reader["num_pending"] and not reader["num_ack_pending"]:
        return None
    after = reader["ack_floor"]["stream_seq"] + 1
    where = {"seq": after, "next_by_subj": reader["config"].get("filter_subject", ">")}
    found = await _request(client, f"STREAM.MSG.GET.{stream}", where)
    return None if isinstance(found, str) else _ms_of(found["message"]["time"])


async def _connect_once(**options: Any) -> Client:
    """Without trying again, and without a word in the log. Raises what the connection met."""
    import nats
    from nats.errors import NoServersError

    met: list[Exception] = []

    async def note(error: Exception) -> None:
        met.append(error)

    try:
        return await nats.connect(
            connect_timeout=2, max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=note, **options
        )
    except NoServersError as error:
        raise (met or [error])[-1] from None


async def _request(client: Client, what: str, body: dict[str, Any] | None = None) -> dict[str, Any] | str:
    """The answer of JetStream, or why there is none."""
    payload = json.dumps(body).encode() if body else b""
    try:
        answer = await client.request(f"$JS.API.{what}", payload, timeout=_ANSWER_S)
    except Exception as error:  # noqa: BLE001 a timeout, no responders, a connection that broke: all say the same
        return f"JetStream did not answer ({' '.join(str(error).split()) or type(error).__name__})"
    told: dict[str, Any] = json.loads(answer.data)
    return str(told["error"].get("description", "refused")) if "error" in told else told


def is_missing(why: str) -> bool:
    return "not found" in why


def _read_stream(
    told: dict[str, Any], oldest_ms: int | None, wanted: StreamSettings, servers: int
) -> StreamState:
    config, state = told["config"], told["state"]
    subjects = tuple(config.get("subjects", ()))
    strange, differs = _compare_stream(config, wanted, servers)
    return StreamState(
        copies=_read_copies(told),
        replicas=config.get("num_replicas", 1),
        subjects=subjects,
        messages=state["messages"],
        size_bytes=state["bytes"],
        most_bytes=max(config.get("max_bytes", 0), 0),
        oldest_ms=oldest_ms,
        differs=differs,
        strange=strange,
    )


def _compare_stream(
    config: dict[str, Any], wanted: StreamSettings, servers: int
) -> tuple[str, tuple[str, ...]]:
    from nats.js import api

    from ...sources import stream

    found = api.StreamConfig.from_response(dict(config))
    is_chosen = not wanted.replicas
    replicas = stream.replicas_of(wanted, servers)
    ours = stream.stream_config(wanted, max(replicas, found.num_replicas or 1) if is_chosen else replicas)
    try:
        stream.check_stream(wanted.stream, found)
    except ConfigError as error:
        return str(error), ()
    return "", tuple(_difference(name, found, ours) for name in stream.stream_changes(found, ours))


def _compare_consumers(told: list[dict[str, Any]], wanted: StreamSettings) -> tuple[str, tuple[str, ...]]:
    """What is said of the first that is strange, and of each difference which have it."""
    from nats.js import api

    from ...sources import stream

    strange, differs = "", defaultdict[str, list[str]](list)
    for one in told:
        found = api.ConsumerConfig.from_response(dict(one["config"]))
        ours = stream.consumer_config(wanted, wanted.consumers.index(one["name"]))
        try:
            stream.check_consumer(wanted.stream, one["name"], found, ours)
        except ConfigError as error:
            strange = strange or str(error)
            continue
        for name in stream.consumer_changes(found, ours):
            differs[_difference(name, found, ours)].append(one["name"])
    return strange, tuple(f"{some(names)}: {words}" for words, names in differs.items())


def some(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def _difference(name: str, found: Any, ours: Any) -> str:
    here, there = getattr(found, name), getattr(ours, name)
    setting, unit = _SETTINGS.get(name, ("", 1))
    if not setting:
        return f"{name} is not as this version has it"
    return f"{name} is {here / unit if here else 0:g}, and cluster.{setting} asks for {there / unit:g}"


# Of stream and consumer: the setting that says what a field is to be, and its unit.
_SETTINGS: Final = {
    "max_age": ("max_age_h", 3_600),
    "max_bytes": ("max_gb", 1 << 30),
    "num_replicas": ("replicas", 1),
    "ack_wait": ("ack_wait_s", 1),
    "max_ack_pending": ("max_ack_pending", 1),
}


def _read_consumers(
    told: list[dict[str, Any]], missing: tuple[str, ...], wanted: StreamSettings
) -> ConsumerState:
    copies = {one["name"]: _read_copies(one) for one in told}
    worst = min(copies, key=lambda name: _health(copies[name]))
    strange, differs = _compare_consumers(told, wanted)
    return ConsumerState(
        copies=copies[worst],
        pending=sum(one["num_pending"] for one in told),
        unconfirmed=sum(one["num_ack_pending"] for one in told),
        fetching=sum(bool(one.get("num_waiting", 0)) for one in told),
        redelivered=sum(one.get("num_redelivered", 0) for one in told),
        worst=worst,
        missing=missing,
        unread=tuple(one["name"] for one in told if not one.get("num_waiting", 0)),
        differs=differs,
        strange=strange,
    )


def _health(copies: Copies) -> tuple[bool, int]:
    return bool(copies.leader), sum(other.is_current for other in copies.others)


def _read_copies(told: dict[str, Any]) -> Copies:
    cluster = told.get("cluster") or {"leader": "the only server"}
    others = tuple(
        Replica(
            *(one["name"], bool(one.get("current")) and not one.get("offline")),
            *(one.get("lag", 0), one.get("active", 0) // 1_000_000),
        )
        for one in cluster.get("replicas") or ()
    )
    return Copies(cluster.get("leader", ""), others)


def _ms_of(stamp: str) -> int:
    """RFC 3339 with nanoseconds, which Python's reader does not take."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 1000 + int((rest + "000")[:3])


def now_ms() -> int:
    return time.time_ns() // 1_000_000
