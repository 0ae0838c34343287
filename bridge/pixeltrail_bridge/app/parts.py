"""From settings to parts: which sinks and sources there are, and what each is told."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..backup import Place
from ..backup.schedule import Backups
from ..config import Config
from ..deletions import VendorDeletions
from ..division import Division
from ..errors import ConfigError, InUseError, LocalError
from ..ingest import Committed, IngestSettings
from ..ingest.quotas import QuotaSettings
from ..ingest.refusals import Blocked
from ..keeper import Keeper, KeepFor, OnErased, days, ignore
from ..keys import FOLDER as KEYS_FOLDER
from ..keys.signing import SigningKeys
from ..mapping import settings as mapping
from ..mapping.calls import debug_value
from ..mapping.settings import MappingSettings
from ..packer import Packer
from ..projector import ProjectorSettings
from ..sessions.remote import RemoteRule, check_rules
from ..sinks import privacy_rules
from ..sinks.amplitude import AmplitudeSettings, AmplitudeSink, Habits, MappingOptions, MappingRule
from ..sinks.base import Sink
from ..sinks.custom import load_sink
from ..sinks.jsonl import JsonLinesSink
from ..sinks.privacy_rules import AmplitudePrivacy, SegmentPrivacy
from ..sinks.segment import SegmentSettings, SegmentSink, SegmentSource
from ..store import overview
from ..store.database import SqlStore
from ..store.objects import Objects
from ..store.opening import open_objects, open_store
from ..store.sharing import SharedStore
from .rules import make_rules

if TYPE_CHECKING:
    from ..store.news import News


def reachable(host: str) -> str:
    """The host to ask for in an address, where one that listens on all of them was given."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)


def make_store(config: Config, sinks: Sequence[str] = ()) -> SqlStore:
    shaping = make_rules(config, sinks)
    store = open_store(config.bridge.database, config.store.url, config.store.password.reveal(), sinks)
    store.packs.objects = make_objects(config)
    store.shaping = shaping
    return store


def make_objects(config: Config) -> Objects:
    at = config.packing
    return open_objects(config.bridge.data_dir, at.url, at.endpoint, at.region, at.key_id, at.secret.reveal())


def make_division(store: SqlStore, is_able: Callable[[], bool] = lambda: True) -> Division | None:
    """None where nobody else projects."""
    return Division(store, is_able) if isinstance(store, SharedStore) else None


def make_news(
    store: SqlStore, on_commit: Callable[[Committed], None], on_missed: Callable[[], None]
) -> News | None:
    """None where nobody else commits."""
    if not store.is_shared:
        return None
    from ..store.news import News
    from ..store.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    return News(store, lambda *committed: on_commit(Committed(*committed)), on_missed)


def make_packer(config: Config, store: SqlStore) -> Packer:
    return Packer(store, make_objects(config), round(config.packing.after_h * 3_600_000))


def backup_place(config: Config) -> Place:
    password = config.store.password.reveal()
    return Place(
        config.bridge.data_dir, config.bridge.database, config.store.url, password, config.packing.url
    )


def make_backups(config: Config, store: SqlStore) -> Backups:
    at = config.backup
    folder = at.folder or config.bridge.data_dir / "backups"
    return Backups(store, backup_place(config), folder, round(at.every_h * 3_600_000), at.keep)


def make_keeper(config: Config, store: SqlStore, on_erased: OnErased = ignore) -> Keeper:
    def now_ms() -> int:
        return earlier_ms(store, time.time_ns() // 1_000_000)

    return Keeper(store, config.bridge.data_dir, keep_for(config), on_erased, now_ms)


def earlier_ms(store: SqlStore, host_ms: int) -> int:
    """This machine's clock or the database's: of one alone that is wrong nothing may be erased too soon."""
    return min(host_ms, overview.clock_ms(store)) if store.is_shared else host_ms


def keep_for(config: Config) -> KeepFor:
    at = config.retention
    return KeepFor(
        recordings_ms=days(at.recordings_days),
        sessions_ms=days(at.sessions_days),
        events_ms=days(at.events_days),
        dead_letters_ms=days(at.dead_letters_days),
        uploads_ms=days(at.uploads_days),
        devices_ms=days(at.devices_days),
        close_after_ms=round(at.close_after_h * 3_600_000),
    )


def make_deletions(config: Config, store: SqlStore) -> VendorDeletions:
    """ConfigError: a vendor is to be asked, and a key is missing."""
    return VendorDeletions(store, segment_privacy(config), amplitude_privacy(config))


def segment_privacy(config: Config) -> SegmentPrivacy | None:
    at = config.privacy
    if not at.segment_token:
        return None
    zone = config.segment.zone or config.bridge.server_zone
    host = at.segment_host or privacy_rules.SEGMENT_HOSTS[zone]
    return SegmentPrivacy(at.segment_token.reveal(), at.segment_source, at.segment_regulation.upper(), host)


def amplitude_privacy(config: Config) -> AmplitudePrivacy | None:
    at = config.privacy
    if not at.amplitude_deletion:
        return None
    key, secret = config.amplitude.api_key.reveal(), config.amplitude.secret_key.reveal()
    if not (key and secret):
        raise ConfigError(
            "privacy.amplitude_deletion is on and needs both keys of the project: set amplitude.api_key_file and "
            "amplitude.secret_key_file"
        )
    zone = config.amplitude.zone or config.bridge.server_zone
    host = at.amplitude_host or privacy_rules.AMPLITUDE_HOSTS[zone]
    return AmplitudePrivacy(key, secret, at.amplitude_requester, host)


def blocked(config: Config) -> Blocked:
    return Blocked(config.privacy.block_devices, config.privacy.block_users)


def event_files(config: Config) -> list[Path]:
    """Files of events that the bridge writes, or has written where no other sink was set."""
    own = config.bridge.data_dir / "events.jsonl"
    return [path for path in (config.jsonl.path, own) if path is not None]


def ingest_settings(config: Config) -> IngestSettings:
    return IngestSettings(
        blocked=blocked(config),
        keys_of=SigningKeys(config.bridge.data_dir / KEYS_FOLDER),
        mapping=mapping_settings(config),
        min_free_bytes=config.store.min_free_mb << 20,
        ballast_bytes=config.store.ballast_mb << 20,
        max_events=config.outbox.max_events,
        max_event_bytes=config.outbox.max_mb << 20,
        quotas=quota_settings(config),
    )


def quota_settings(config: Config) -> QuotaSettings:
    at = config.quotas
    rates = (at.messages_per_s, at.kb_per_s * 1_000, at.burst_s, at.streams_per_h)
    return QuotaSettings(*rates, disk_share=at.disk_share)


def make_sinks(config: Config) -> list[Sink]:
    sinks: list[Sink] = []
    if has_segment(config):
        sinks.append(SegmentSink(segment_settings(config)))
    if has_amplitude(config):
        sinks.append(AmplitudeSink(amplitude_settings(config)))
    sinks += [
        load_sink(one.name, one.factory, one.settings, config.file and config.file.resolve().parent)
        for one in config.lists.sinks
    ]
    path = config.jsonl.path
    if path is None and not sinks:
        path = config.bridge.data_dir / "events.jsonl"  # events always end up somewhere a person can look
    if path is not None:
        sinks.append(JsonLinesSink(path))
    return sinks


def sink_names(config: Config) -> list[str]:
    """Of make_sinks(), without making them."""
    names = ["segment"] if has_segment(config) else []
    names += ["amplitude"] if has_amplitude(config) else []
    names += [one.name for one in config.lists.sinks]
    return [*names, "jsonl"] if config.jsonl.path is not None or not names else names


def has_segment(config: Config) -> bool:
    return bool(config.segment.write_key or config.lists.keys)


def segment_settings(config: Config) -> SegmentSettings:
    segment = config.segment
    return SegmentSettings(
        write_key=segment.write_key.reveal(),
        zone=segment.zone,
        host=segment.host or None,
        batch_events=segment.batch_events,
        sources=tuple(
            SegmentSource(rule.write_key.reveal(), rule.devices, f"segment.keys ({rule.write_key_file})")
            for rule in config.lists.keys
        ),
        dry_run=segment.dry_run,
    )


def has_amplitude(config: Config) -> bool:
    return bool(config.amplitude.api_key)


def amplitude_settings(config: Config) -> AmplitudeSettings:
    section = config.amplitude
    return AmplitudeSettings(
        api_key=section.api_key.reveal(),
        secret_key=section.secret_key.reveal(),
        zone=section.zone or config.bridge.server_zone,
        host=section.host or None,
        batch_events=section.batch_events,
        device_events_per_s=section.device_events_per_s,
        dry_run=section.dry_run,
        options=MappingOptions(
            min_id_length=section.min_id_length,
            use_batch_endpoint=section.use_batch_endpoint,
            track_revenue_per_product=section.track_revenue_per_product,
            group_type_trait=section.group_type_trait,
            group_value_trait=section.group_value_trait,
            insert_id_from_message_id=section.insert_id_from_message_id,
            session_tracking=section.session_tracking,
            session_length_ms=section.session_length_ms,
            habits=Habits(section.groups_as_user_properties, frozenset(section.increment_traits)),
        ),
        rules=tuple(
            MappingRule(one.name, one.action, one.trigger, one.is_enabled, one.fields)
            for one in config.lists.mappings
        ),
        file=str(config.file or ""),
    )


def mapping_settings(config: Config) -> MappingSettings:
    events = config.events
    chosen = {
        mapping.SESSION_STARTED: events.session_events,
        mapping.SESSION_ENDED: events.session_events,
        mapping.DEVICE_CONNECTED: events.device_events,
        mapping.DEVICE_DISCONNECTED: events.device_events,
        mapping.REPLAY_GAP: events.gap_events,
    }
    return MappingSettings(
        sample_rate=config.recording.sample_rate,
        extra_events=frozenset(event for event, is_wanted in chosen.items() if is_wanted),
        public_url=config.web.public_url or None,
        classic=config.segment.amplitude_classic,
        replay_by_user=events.device_id_from == "user_id",
        debug=debug_of(config),
        remote=remote_rules(config),
    )


def debug_of(config: Config) -> str | None:
    """Value of the debug property. Raises ConfigError where there is no key to make it of."""
    if not config.events.replay_debug:
        return None
    key = config.amplitude_replay.api_key or config.amplitude.api_key
    if not key:
        raise ConfigError(
            "events.replay_debug is on, and no Amplitude project is named; set amplitude_replay.api_key_file"
        )
    return debug_value(key.reveal())


def remote_rules(config: Config) -> tuple[RemoteRule, ...]:
    """ConfigError when no device could read the settings."""
    rules = tuple(
        RemoteRule(one.name, one.devices, one.share, one.settings, one.ttl_s) for one in config.lists.remote
    )
    check_rules(rules)
    return rules


def projector_settings(config: Config) -> ProjectorSettings:
    events = config.events
    return ProjectorSettings(
        display_events=events.display_events != "off",
        inline=events.display_events == "inline",
        window_ms=events.display_window_s * 1000,
        public_url=config.web.public_url or None,
        classic=config.segment.amplitude_classic,
        replay_by_user=events.device_id_from == "user_id",
        debug=debug_of(config),
    )


@contextmanager
def sole_user(folder: Path, who: str = "bridge") -> Iterator[None]:
    """Make the folder, its owner's alone, and keep others of the kind out; the system lets go when a process dies."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / f"{who}.lock").open("w")
    except OSError as error:
        raise LocalError(
            f"bridge.data_dir = {folder}: {error.strerror}; name a folder that can be written"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InUseError(
                f"another {who} is running in {folder}; stop it, or choose another folder with "
                "--set bridge.data_dir=FOLDER"
            ) from None
        yield
