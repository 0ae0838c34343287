"""Remote settings: which device is told what, and when. Pure: time is an argument.

Rules are for devices by pattern of their ID and for a share of them. A device belongs to a share by a hash of the
rule's name and its ID: the same ones at each start and on each bridge, more of them as the share grows and none
dropped, and others for a rule of another name. Where several rules fit, the later one's settings win; what is told is
valid for the shortest of their times.

A device hears its settings in answer to a sync: on a new stream, when they have changed, and after half of their time.
Nothing confirms a `config` message, so each is repeated once, at the next sync.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any

import msgspec

from ..errors import ConfigError, LocalError, WireError
from ..wire.decode import decode_downlink
from ..wire.encode import encode_downlink
from ..wire.messages import Config
from .sampling import xxh32

REPEATS = 2
WITHDRAWN_TTL_S = 60  # no settings at all: what the device was told before ends


@dataclass(frozen=True, slots=True)
class RemoteRule:
    """`devices` are patterns of device IDs, none meaning all; `share` of those that fit."""

    name: str = ""
    devices: tuple[str, ...] = ()
    share: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    ttl_s: int = 86_400

    def fits(self, device_id: str) -> bool:
        if self.devices and not any(fnmatchcase(device_id, pattern) for pattern in self.devices):
            return False
        return xxh32(f"{self.name}/{device_id}".encode()) % 1_000_000 / 1_000_000 < self.share


class Told(msgspec.Struct):
    """What a device was told last; kept in its state."""

    stream: str  # hex
    digest: str
    sent_ms: int  # host time
    times: int = 1


def check_rules(rules: Sequence[RemoteRule]) -> None:
    """ConfigError when the settings of all rules together cannot be sent to a device."""
    together = {name: value for rule in rules for name, value in rule.settings.items()}
    try:
        decode_downlink(encode_downlink(Config(together, 60)))
    except (LocalError, WireError) as error:
        raise ConfigError(f"[[config]]: no device could read these settings: {error}") from None


def config_for(rules: Sequence[RemoteRule], device_id: str) -> Config | None:
    """What a device shall be told; None when no rule fits it."""
    fitting = [rule for rule in rules if rule.fits(device_id)]
    if not fitting:
        return None
    settings = {name: value for rule in fitting for name, value in rule.settings.items()}
    return Config(settings, min(rule.ttl_s for rule in fitting))


def config_reply(
    rules: Sequence[RemoteRule], device_id: str, stream: bytes, told: Told | None, now_ms: int
) -> tuple[Config | None, Told | None]:
    """The message to answer a sync with, if any is due, and what to remember."""
    found = config_for(rules, device_id)
    if found is None and told is None:
        return None, None
    config = found or Config({}, WITHDRAWN_TTL_S)
    digest = blake2b(
        msgspec.json.encode([config.settings, config.ttl_s], order="sorted"), digest_size=8
    ).hexdigest()
    if told is None or told.digest != digest or told.stream != stream.hex():
        return config, Told(stream.hex(), digest, now_ms)
    if told.times < REPEATS:
        return config, Told(told.stream, digest, told.sent_ms, told.times + 1)
    if found is None:
        return None, None  # withdrawn, and said so twice
    if abs(now_ms - told.sent_ms) >= config.ttl_s * 500:  # also when the host's clock was set back
        return config, Told(told.stream, digest, now_ms)
    return None, told
