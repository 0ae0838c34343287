"""What state a cluster is in: its NATS servers, the stream, who reads it, how far behind, and whether clocks agree.

A worker that fetches shows as a waiting pull; a message that a worker took and has not confirmed is a pending ack,
and goes to another worker when its time for that is over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from ...store import overview
from ...store.database import SqlStore
from .finding import Finding, Level, duration
from .jetstream import ClusterState, ConsumerState, Copies, StreamState, is_missing, now_ms, some

if TYPE_CHECKING:
    from ...sources.stream import StreamSettings
    from ...store.workers import Team

UPLINK: Final = "pt.v1.*.up"
_LATE_MS: Final = 60_000  # a device sends again after 2 s, and a worker that died is taken over after 30
_CLOCK_NOTE_MS, _CLOCK_FAULT_MS = 500, 5_000
_LAGGING: Final = 10_000  # messages that a replica lacks: seconds of a large fleet
_FULL: Final = 0.8  # of the stream's bytes
_MOST_MUST_RUN: Final = "start the servers that are away: more than half of its replicas must run"
_SET_AGAIN: Final = "start a worker again that has these settings: it changes that"
_START: Final = "start one: pixeltrail up --role worker"
_STALE_MS: Final = 30_000  # a replica that has said nothing for so long is away, whatever it is called


def judge(
    state: ClusterState, wanted: StreamSettings, at_ms: int, workers: int | None = None
) -> Iterator[Finding]:
    """`workers`: how many the database knows of; None where it cannot be asked."""
    yield from _judge_addresses(state)
    if len(state.away) < state.addresses:
        yield from _judge_jetstream(state, wanted, at_ms, workers)
    yield from judge_clocks(state.skew_ms)


def _judge_jetstream(
    state: ClusterState, wanted: StreamSettings, at_ms: int, workers: int | None
) -> Iterator[Finding]:
    stream, consumer = wanted.stream, wanted.consumer
    if isinstance(state.stream, str):
        yield _no_stream(stream, state.stream)
        return
    yield from _judge_stream(stream, state.stream)
    if isinstance(state.consumer, str):
        yield _no_consumer(stream, consumer, state.consumer)
        return
    found = state.consumer
    yield from _judge_consumers(stream, found, wanted.parts)
    yield from _judge_copies("consumer", found.copies, len(found.copies.others) + 1, found.worst)
    yield from _judge_lag(state.stream, found, at_ms, workers)


def judge_team(team: Team, parts: int) -> Iterator[Finding]:
    """Workers as the database knows them: who is there, of which version, and whether they have all parts."""
    if not team.members:
        text = f"none is connected to the database, so nothing is committed; {_START}"
        yield Finding("FAULT", "workers", text)
        return
    versions: dict[str, list[str]] = defaultdict(list)
    for one in team.members:
        versions[one.version].append(one.host)
    if len(versions) > 1:
        told = "; ".join(f"{version} at {_places(hosts)}" for version, hosts in sorted(versions.items()))
        text = f"they are of different versions: {told}; update the older ones and start them again"
        yield Finding("FAULT", "workers", text)
    count = f"{len(team.members)} at {_places(one.host for one in team.members)}"
    free = sorted(set(range(parts)) - team.parts)
    if free:
        names = ", ".join(str(part) for part in free)
        text = f"{count}; nobody has parts {names}: for some seconds that is how parts change hands, and if it stays so"
        yield Finding("note", "workers", f"{text}, see the workers' logs")
    elif len(versions) == 1:
        yield Finding("ok", "workers", f"{count}, of version {next(iter(versions))}, have all {parts} parts")


def _places(hosts: Iterable[str]) -> str:
    counts = sorted(Counter(hosts).items())
    return ", ".join(host if count == 1 else f"{host} ({count})" for host, count in counts)


def _judge_addresses(state: ClusterState) -> Iterator[Finding]:
    for url, why in state.away.items():
        text = f"{url} cannot be reached ({why}); start that server, or correct cluster.nats_urls"
        yield Finding("FAULT", "nats", text)
    there = state.addresses - len(state.away)
    if there and not state.away:
        yield Finding("ok", "nats", f"{there} of {state.addresses} servers answer")
    elif not there:
        yield Finding("FAULT", "nats", "no server answers: devices keep what they have, and nothing arrives")


def _no_stream(stream: str, why: str) -> Finding:
    if is_missing(why):
        text = f"there is no stream {stream}; start a worker, which makes it: pixeltrail up --role worker"
    else:
        text = f"stream {stream}: {why}; {_MOST_MUST_RUN}"
    return Finding("FAULT", "stream", text)


def _no_consumer(stream: str, consumer: str, why: str) -> Finding:
    if is_missing(why):
        remedy = "nobody reads it; start a worker, which makes it: pixeltrail up --role worker"
        return Finding("FAULT", "consumer", f"stream {stream} lacks consumers {consumer}-*, so {remedy}")
    return Finding("FAULT", "consumer", f"{consumer} of stream {stream}: {why}; {_MOST_MUST_RUN}")


def _judge_stream(name: str, stream: StreamState) -> Iterator[Finding]:
    if UPLINK not in stream.subjects and "pt.v1.>" not in stream.subjects:
        text = f"{name} takes {', '.join(stream.subjects) or 'nothing'}, and not {UPLINK}, where devices send"
        yield Finding("FAULT", "stream", f"{text}; delete it, and a worker makes it anew")
    if stream.strange:
        yield Finding("FAULT", "stream", stream.strange)
    for words in stream.differs:
        yield Finding("FAULT", "stream", f"{name}: {words}; {_SET_AGAIN}")
    share = stream.size_bytes / stream.most_bytes if stream.most_bytes else 0.0
    size = f"{stream.messages:,} messages, {stream.size_bytes >> 20:,} MB"
    if share >= _FULL:
        text = (
            f"{size} of {stream.most_bytes >> 20:,} MB: beyond it the oldest go, and devices send them again"
        )
        yield Finding("note", "stream", f"{text}; raise cluster.max_gb")
    else:
        yield Finding("ok", "stream", size)
    yield from _judge_copies("replication", stream.copies, stream.replicas)


def _judge_consumers(stream: str, found: ConsumerState, parts: int) -> Iterator[Finding]:
    if found.missing:
        missing = f"{some(found.missing)} of {parts} consumers"
        text = f"stream {stream} lacks {missing}, and what devices of theirs send waits"
        remedy = "a worker makes them when it next connects: start one again"
        yield Finding("FAULT", "consumer", f"{text}; {remedy}")
    if found.strange:
        yield Finding("FAULT", "consumer", found.strange)
    for words in found.differs:
        yield Finding("FAULT", "consumer", f"{words}; {_SET_AGAIN}")


def _judge_copies(what: str, copies: Copies, wanted: int, name: str = "") -> Iterator[Finding]:
    of = f" of {name}" if name else ""
    behind = [one for one in copies.others if not one.is_current or one.silent_ms > _STALE_MS]
    here = 1 + len(copies.others) - len(behind)
    if not copies.leader or here <= wanted // 2:
        led = min(here, wanted) if copies.leader else "none"
        text = f"{led} of {wanted} replicas{of} can be led, so nothing is taken"
        yield Finding("FAULT", what, f"{text}; {_MOST_MUST_RUN}")
        return
    missing = wanted - 1 - len(copies.others)
    if missing > 0:
        text = f"{wanted - missing} of {wanted} replicas exist; start more servers with JetStream"
        yield Finding("FAULT", what, text)
    lagging = [one for one in copies.others if one not in behind and one.lag > _LAGGING]
    for one in behind:
        since = f", silent for {duration(one.silent_ms)}" if one.silent_ms > _STALE_MS else ""
        text = f"the replica{of} at {one.name} is not up to date{since}: one more server that fails may stop it all"
        yield Finding("FAULT", what, f"{text}; start {one.name}, or see its log")
    for one in lagging:
        text = f"the replica{of} at {one.name} lacks {one.lag:,} messages; see its disk and its network"
        yield Finding("note", what, text)
    if missing <= 0 and not behind and not lagging:
        if wanted > 1:
            yield Finding("ok", what, f"{copies.leader} leads, {len(copies.others)} others are up to date")
        else:
            text = f"only {copies.leader} keeps it; with three servers and cluster.replicas = 3 one may fail"
            yield Finding("note", what, text)


def _judge_lag(
    stream: StreamState, consumer: ConsumerState, at_ms: int, workers: int | None
) -> Iterator[Finding]:
    waiting = consumer.pending + consumer.unconfirmed
    if not waiting:
        yield _idle(consumer)
        return
    age_ms = at_ms - stream.oldest_ms if stream.oldest_ms is not None else 0
    age = f", the oldest for {duration(age_ms)}"
    text = f"{consumer.pending:,} messages wait and {consumer.unconfirmed:,} are not confirmed{age}"
    if age_ms <= _LATE_MS:
        yield Finding("ok", "lag", text)
    else:
        yield Finding("FAULT", "lag", f"{text}; {_remedy(consumer, workers)}")


def _remedy(consumer: ConsumerState, workers: int | None) -> str:
    if workers is None:
        return "workers commit nothing while the database does not answer them: see to that first"
    if workers == 0:
        return f"no worker is running: {_START}"
    if not consumer.unread:
        return "workers are behind: start another one, unless PostgreSQL is what is busy"
    if consumer.unconfirmed:
        what = "is asked for more, and what was taken is not committed: see the logs of workers"
        return f"none of {some(consumer.unread)} {what}"
    return f"no worker fetches from {some(consumer.unread)}: see their logs, and whether they reach NATS"


def _idle(consumer: ConsumerState) -> Finding:
    if not consumer.unread:
        again = f", {consumer.redelivered:,} are out for another time" if consumer.redelivered else ""
        return Finding("ok", "lag", f"nothing waits, and workers ask for more{again}")
    who = f"from {some(consumer.unread)}" if consumer.fetching else "from any part; is one running?"
    return Finding("note", "lag", f"nothing waits, and no worker fetches {who}")


def judge_clocks(skew_ms: dict[str, int]) -> Iterator[Finding]:
    """Times of events come from workers' clocks, and what is late is judged by them."""
    is_well = True
    for name, skew in skew_ms.items():
        if abs(skew) < _CLOCK_NOTE_MS:
            continue
        is_well = False
        direction = "ahead of" if skew > 0 else "behind"
        text = f"the clock of {name} is {_seconds(abs(skew))} {direction} this machine's"
        level: Level = "FAULT" if abs(skew) >= _CLOCK_FAULT_MS else "note"
        yield Finding(level, "clocks", f"{text}; let NTP set both: timedatectl set-ntp true")
    if is_well and skew_ms:
        yield Finding("ok", "clocks", f"this machine's agrees with that of {' and '.join(skew_ms)}")


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms < 120_000 else duration(ms)


def database_skew_ms(store: SqlStore, team: Team | None = None) -> dict[str, int]:
    """By how much PostgreSQL's clock is ahead, and those of workers, which have told theirs; nothing of a file."""
    if store.folder is not None:
        return {}
    sent_ms = now_ms()
    ahead_ms = overview.clock_ms(store) - (sent_ms + now_ms()) // 2
    told = {f"the worker at {one.host}": one.skew_ms for one in team.members if one.skew_ms} if team else {}
    return {"PostgreSQL": ahead_ms} | {name: ahead_ms + skew_ms for name, skew_ms in told.items()}
