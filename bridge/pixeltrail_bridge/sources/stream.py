"""The stream that keeps what devices send until a worker has committed it, and the consumers it is taken from.

A device is in one of several parts, by its name: NATS puts the part's number behind the subject, and each part has a
consumer. So each worker can keep to devices of its own, and any worker can take over any of them.

Made where they are missing, and brought to the settings where they differ; what cannot be changed in place is refused,
with what to do about it. A stream's limits are safe to be small: devices keep what is not acked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from ..errors import ConfigError

log = structlog.get_logger(__name__)

UP, STATE = "pt.v1.*.up", "pt.v1.*.state"  # as NATS sees the topics of devices
SUBJECTS: Final = (UP, STATE)
_OVERLAP, _TOO_MANY_REPLICAS, _NO_ROOM, _NO_PEERS = 10065, 10074, 10047, 10005
_MANY_SERVERS: Final = 3


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """`replicas`: 0 chooses by the number of servers. `consumer`: what those of all parts are called, before a number.

    `parts`: how many; whoever takes messages of the stream has to mean the same by it.
    """

    stream: str = "pixeltrail"
    consumer: str = "bridge"
    replicas: int = 0
    max_age_s: float = 86_400
    max_bytes: int = 4 << 30
    ack_wait_s: float = 30
    max_ack_pending: int = 20_000
    parts: int = 1

    @property
    def consumers(self) -> list[str]:
        """One for each part."""
        return [f"{self.consumer}-{part}" for part in range(self.parts)]


# What is brought to the settings where it differs.
_STREAM_FIELDS: Final = ("subjects", "max_age", "max_bytes", "num_replicas", "discard", "subject_transform")
_CONSUMER_FIELDS: Final = ("ack_wait", "max_ack_pending", "max_deliver")


async def prepare(client: Client, settings: StreamSettings) -> None:
    """Stream and consumers as the settings have them. ConfigError: not possible, and why; NATS' own errors pass."""
    context = client.jetstream()
    await _prepare_stream(context, settings, _replicas(client, settings))
    made = await asyncio.gather(
        *(_prepare_consumer(context, settings, part) for part in range(settings.parts))
    )
    if done := next(filter(None, made), ""):
        log.info(f"consumers {settings.consumer} of stream {settings.stream} {done}")


def _replicas(client: Client, settings: StreamSettings) -> int:
    known = {url.netloc.rpartition("@")[2] for url in (*client.servers, *client.discovered_servers)}
    return replicas_of(settings, len(known))


def replicas_of(settings: StreamSettings, servers: int) -> int:
    if settings.replicas:
        return settings.replicas
    return _MANY_SERVERS if servers >= _MANY_SERVERS else 1  # of two, one alone could not go on either


def stream_config(settings: StreamSettings, replicas: int) -> api.StreamConfig:
    return api.StreamConfig(
        name=settings.stream,
        description="Messages of Pixeltrail devices",
        subjects=list(SUBJECTS),
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.OLD,
        max_age=settings.max_age_s,
        max_bytes=settings.max_bytes,
        num_replicas=replicas,
        subject_transform=api.SubjectTransform(
            src="pt.v1.*.*",
            dest=f"pt.v1.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{partition({settings.parts},1)}}}}",
        ),
    )


def consumer_config(settings: StreamSettings, part: int) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        durable_name=settings.consumers[part],
        description="Workers of a Pixeltrail bridge",
        deliver_policy=api.DeliverPolicy.ALL,
        filter_subject=f"pt.v1.*.*.{part}",
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait_s,
        max_ack_pending=settings.max_ack_pending,
        max_deliver=-1,  # what cannot be read becomes a dead letter of ours
    )


def stream_changes(found: api.StreamConfig, wanted: api.StreamConfig) -> list[str]:
    """Fields of a stream that differ from the settings, and can be brought to them."""
    return [name for name in _STREAM_FIELDS if getattr(found, name) != getattr(wanted, name)]


def consumer_changes(found: api.ConsumerConfig, wanted: api.ConsumerConfig) -> list[str]:
    return [name for name in _CONSUMER_FIELDS if getattr(found, name) != getattr(wanted, name)]


async def _prepare_stream(context: JetStreamContext, settings: StreamSettings, replicas: int) -> None:
    wanted = stream_config(settings, replicas)
    try:
        try:
            found = (await context.stream_info(settings.stream)).config
        except nats.js.errors.NotFoundError:
            await context.add_stream(wanted)
            log.info(f"stream {settings.stream} made", replicas=replicas)
            return
        check_stream(settings.stream, found)
        if not settings.replicas:
            # Whoever knew of more servers was right
            wanted.num_replicas = max(replicas, found.num_replicas or 1)
        changed = stream_changes(found, wanted)
        if changed:
            await context.update_stream(found.evolve(**{name: getattr(wanted, name) for name in changed}))
            log.info(f"stream {settings.stream} changed as it is set", changed=changed)
    except nats.js.errors.APIError as error:
        raise await _explained(context, settings, wanted.num_replicas or 1, error) from None


def check_stream(name: str, found: api.StreamConfig) -> None:
    """ConfigError: a stream of that name is none of ours."""
    others = set(found.subjects or ()) - set(SUBJECTS)
    if others or found.mirror or found.sources:
        what = ", ".join(sorted(others)) or "what it copies"
        raise ConfigError(
            f"cluster.stream = {name}: there is a stream of that name for something else ({what}); set another name"
        )
    if found.retention != api.RetentionPolicy.LIMITS or found.storage != api.StorageType.FILE:
        raise ConfigError(
            f"cluster.stream = {name}: its retention is {found.retention} and its storage {found.storage}, needed are "
            f"limits and file, which cannot be changed; delete it with `nats stream rm {name}`: it is made anew, and "
            "devices send again what was not committed"
        )


async def _explained(
    context: JetStreamContext, settings: StreamSettings, replicas: int, error: nats.js.errors.APIError
) -> Exception:
    if error.err_code == _OVERLAP:
        other = await context.find_stream_name_by_subject(UP)
        return ConfigError(
            f"cluster.stream = {settings.stream}: stream {other} takes {UP} already; set cluster.stream = {other}, or "
            f"delete it with `nats stream rm {other}`"
        )
    if error.err_code == _NO_ROOM:
        gb = settings.max_bytes / (1 << 30)
        return ConfigError(
            f"cluster.max_gb = {gb:g}: the servers have less room than that for JetStream; set less, or raise "
            "max_file_store there"
        )
    if error.err_code in (_TOO_MANY_REPLICAS, _NO_PEERS):
        return ConfigError(
            f"cluster.replicas = {settings.replicas}: {replicas} servers with JetStream are needed, and not as many "
            f"are there ({error.description}); start them, or set cluster.replicas = 1"
        )
    return error


async def _prepare_consumer(context: JetStreamContext, settings: StreamSettings, part: int) -> str:
    """What was done to it, for people; nothing where it was as it should be."""
    name = settings.consumers[part]
    wanted = consumer_config(settings, part)
    try:
        found = (await context.consumer_info(settings.stream, name)).config
    except nats.js.errors.NotFoundError:
        await context.add_consumer(settings.stream, wanted)
        return "made"
    check_consumer(settings.stream, name, found, wanted)
    changed = {field: getattr(wanted, field) for field in consumer_changes(found, wanted)}
    if changed:
        await context.add_consumer(settings.stream, found.evolve(**changed))
        return "changed as they are set"
    return ""


def check_consumer(stream: str, name: str, found: api.ConsumerConfig, wanted: api.ConsumerConfig) -> None:
    """ConfigError: a consumer of that name is none of ours."""
    is_filtered_so = found.filter_subject == wanted.filter_subject and not found.filter_subjects
    if (
        found.deliver_subject
        or found.ack_policy != api.AckPolicy.EXPLICIT
        or not is_filtered_so
        or (found.backoff or ())
    ):
        raise ConfigError(
            f"cluster.consumer = {name.rpartition('-')[0]}: there is a consumer {name} that is not ours (it pushes, "
            "filters otherwise, or is not acknowledged); delete it with "
            f"`nats consumer rm {stream} {name}`, or set another name"
        )
