"""Settings that change while the bridge runs: what may, and who is told.

The table of settings says which are `live`. The others keep their old values until the next start, also in
`Bridge.config`, so that no part sees half of a change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..config import Config, rows
from ..delivery import Delivery
from ..errors import ConfigError
from ..ingest import Ingest
from ..mapping.rules import Rules
from ..mapping.settings import MappingSettings
from ..projector import Projector, ProjectorSettings
from ..sinks.amplitude import AmplitudeSettings, AmplitudeSink
from ..sinks.segment import SegmentSettings, SegmentSink
from ..store.database import SqlStore
from . import parts
from .mobile import intake_settings
from .rules import make_rules


@dataclass(frozen=True, slots=True)
class Changes:
    """Checked settings. `segment` and `amplitude` are None while there is no such sink."""

    config: Config
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]
    mapping: MappingSettings
    projector: ProjectorSettings
    segment: SegmentSettings | None
    amplitude: AmplitudeSettings | None
    rules: Rules | None
    logging: bool


def plan(old: Config, new: Config) -> Changes:
    """What may change now. Raises ConfigError for settings that the bridge would not start with."""
    parts.mapping_settings(new)
    make_rules(new, parts.sink_names(new))
    if new.mobile.enabled:
        intake_settings(new)
    if parts.has_segment(new):
        parts.segment_settings(new).url()
    if parts.has_amplitude(new):
        parts.amplitude_settings(new).check()
    has_other_sinks = parts.has_segment(old) != parts.has_segment(new)
    fixed: tuple[str, ...] = ("segment.write_key",) if has_other_sinks else ()
    if parts.has_amplitude(old) != parts.has_amplitude(new):
        fixed += ("amplitude.api_key",)
    applied: list[str] = []
    needs_restart: list[str] = []
    sections: dict[str, dict[str, Any]] = {}
    for row in rows():
        values = sections.setdefault(row.section, {})
        before, after = (
            getattr(getattr(old, row.section), row.name),
            getattr(getattr(new, row.section), row.name),
        )
        if before == after:
            continue
        is_live = row.live and not row.key.startswith(fixed)
        (applied if is_live else needs_restart).append(row.key)
        if is_live:
            values[row.name] = after
    lists = replace(old.lists, remote=new.lists.remote)
    applied += ["[[config]]"] if old.lists.remote != new.lists.remote else []
    if old.lists.keys != new.lists.keys:
        (needs_restart if has_other_sinks else applied).append("[[segment.keys]]")
        lists = lists if has_other_sinks else replace(lists, keys=new.lists.keys)
    if old.lists.mappings != new.lists.mappings:
        applied.append("[[amplitude.mappings]]")
        lists = replace(lists, mappings=new.lists.mappings)
    needs_restart += ["[[sinks.custom]]"] if old.lists.sinks != new.lists.sinks else []
    needs_restart += ["[[sinks.replay]]"] if old.lists.replay_sinks != new.lists.replay_sinks else []
    changed = {name: replace(getattr(old, name), **values) for name, values in sections.items() if values}
    config = replace(old, lists=lists, **changed)
    if old.lists.rules != new.lists.rules:
        config, is_now = _with_rules(config, new)
        (applied if is_now else needs_restart).append("[[rules]]")
    return Changes(
        config=config,
        applied=tuple(applied),
        needs_restart=tuple(needs_restart),
        mapping=parts.mapping_settings(config),
        projector=parts.projector_settings(config),
        segment=parts.segment_settings(config) if parts.has_segment(config) else None,
        amplitude=parts.amplitude_settings(config) if parts.has_amplitude(config) else None,
        rules=make_rules(config, parts.sink_names(config)),
        logging=any(key.startswith("bridge.log_") for key in applied),
    )


def _with_rules(config: Config, new: Config) -> tuple[Config, bool]:
    """With the new rules, unless they name a sink that the next start will bring."""
    changed = replace(config, lists=replace(config.lists, rules=new.lists.rules))
    try:
        make_rules(changed, parts.sink_names(changed))
    except ConfigError:
        return config, False
    return changed, True


def apply(
    changes: Changes, store: SqlStore, ingest: Ingest, projector: Projector, delivery: Delivery
) -> list[str]:
    """Hand the settings to the parts; returns the sinks whose trouble may be over."""
    mended = []
    store.shaping = changes.rules
    ingest.set_mapping(changes.mapping)
    projector.set_settings(changes.projector)
    for sink in delivery.sinks:
        if isinstance(sink, SegmentSink) and changes.segment is not None and changes.segment != sink.settings:
            sink.update(changes.segment)
            delivery.renew(sink)
            mended.append(sink.name)
        if (
            isinstance(sink, AmplitudeSink)
            and changes.amplitude is not None
            and changes.amplitude != sink.settings
        ):
            sink.update(changes.amplitude)
            delivery.renew(sink)
            mended.append(sink.name)
    return mended
