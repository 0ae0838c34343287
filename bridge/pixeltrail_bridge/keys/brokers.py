"""What brokers read: who may connect, and to which topics of his own.

A device may write its `up` and `state` and read its `down`; the bridge the other way about, and the announcements of
bridges. Everything else is denied, so that no device hears or speaks for another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .files import CA_CERT, SERVER_CERT, SERVER_KEY, write_private
from .ring import BRIDGE_USER, DeviceKeys, bcrypt_of, mosquitto_of, user_name

MAX_PACKET_BYTES: Final = 65_536  # 16 of the largest messages; a broker buffers what it is sent

_BRIDGE_WRITES = ("pt/v1/+/down", "pt/v1/_bridge/+")
# What workers and viewer nodes tell each other, and the stream's own subjects with the answers to what is asked there.
_CLUSTER = ("pt/v1/_live/+", "pt/v1/_forgotten", "$JS/API/>", "$JS/ACK/>", "_INBOX/>")
_BRIDGE_READS = ("pt/v1/+/up", "pt/v1/+/state", "pt/v1/_bridge/+")


def _writes(device_id: str) -> tuple[str, ...]:
    return f"pt/v1/{device_id}/up", f"pt/v1/{device_id}/state"


def _reads(device_id: str) -> tuple[str, ...]:
    return (f"pt/v1/{device_id}/down",)


def nats_authorization(
    devices: Mapping[str, DeviceKeys], bridge_hash: str, more: tuple[str, ...] = ()
) -> str:
    """The block `authorization` of a NATS server's configuration. `more`: what else a bridge may write and read."""
    lines = [_nats_user(BRIDGE_USER, bridge_hash, _BRIDGE_WRITES + more, _BRIDGE_READS + more)]
    for device_id, one in devices.items():
        for key in one.keys:
            name = user_name(device_id, key.number)
            lines.append(_nats_user(name, key.bcrypt, _writes(device_id), _reads(device_id)))
    return "authorization {\n  users: [\n" + "".join(f"    {line}\n" for line in lines) + "  ]\n}\n"


def _nats_user(name: str, password: str, writes: tuple[str, ...], reads: tuple[str, ...]) -> str:
    allowed = (
        f"{what}: {json.dumps([_subject(one) for one in topics])}"
        for what, topics in (("publish", writes), ("subscribe", reads))
    )
    return f"{{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{ {', '.join(allowed)} }} }}"


def _subject(topic: str) -> str:
    """A topic of MQTT as NATS names it; no level of ours has a dot."""
    return topic.replace("+", "*").replace("/", ".")


def mosquitto_passwords(devices: Mapping[str, DeviceKeys], bridge_hash: str) -> str:
    lines = [f"{BRIDGE_USER}:{bridge_hash}"]
    lines += [
        f"{user_name(device_id, key.number)}:{key.mosquitto}"
        for device_id, one in devices.items()
        for key in one.keys
    ]
    return "\n".join(lines) + "\n"


def mosquitto_acl(devices: Mapping[str, DeviceKeys]) -> str:
    """Mosquitto denies what no line allows."""
    lines = [*_acl_user(BRIDGE_USER, _BRIDGE_WRITES, _BRIDGE_READS)]
    for device_id, one in devices.items():
        for key in one.keys:
            lines += _acl_user(user_name(device_id, key.number), _writes(device_id), _reads(device_id))
    return "\n".join(lines) + "\n"


def _acl_user(name: str, writes: tuple[str, ...], reads: tuple[str, ...]) -> Iterator[str]:
    yield f"user {name}"
    yield from (f"topic write {topic}" for topic in writes)
    yield from (f"topic read {topic}" for topic in reads)


def write_mosquitto(
    folder: Path, keys: Path, devices: Mapping[str, DeviceKeys], bridge_password: str, port: int
) -> list[Path]:
    """`passwords`, `acl` and `pixeltrail.conf` in `folder`, the last to be included by mosquitto.conf."""
    folder = folder.absolute()
    passwords, acl, conf = folder / "passwords", folder / "acl", folder / "pixeltrail.conf"
    write_private(passwords, mosquitto_passwords(devices, mosquitto_of(bridge_password)).encode())
    write_private(acl, mosquitto_acl(devices).encode())
    lines = [
        f"listener {port}",
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {acl}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "set_tcp_nodelay true",  # else small packets wait for those before to be acknowledged, and devices for acks
    ]
    if (keys / SERVER_CERT).exists():
        lines += [
            f"cafile {keys.absolute() / CA_CERT}",
            f"certfile {keys.absolute() / SERVER_CERT}",
            f"keyfile {keys.absolute() / SERVER_KEY}",
            "tls_version tlsv1.2",  # and newer
        ]
    write_private(conf, ("\n".join(lines) + "\n").encode(), 0o644)
    return [passwords, acl, conf]


def write_nats(folder: Path, devices: Mapping[str, DeviceKeys], bridge_password: str) -> list[Path]:
    """`authorization.conf`, to be included by the configuration of every server of a cluster."""
    path = folder / "authorization.conf"
    write_private(path, nats_authorization(devices, bcrypt_of(bridge_password), _CLUSTER).encode())
    return [path]


def settings_snippet(
    device_id: str, user: str, secret: str, host: str, port: int, has_tls: bool, has_cert: bool
) -> str:
    """Lines for the device's main.py."""
    words = [json.dumps(host)]
    if port != (8883 if has_tls else 1883):
        words.append(f"port={port}")
    words += [f"user={json.dumps(user)}", f"password={json.dumps(secret)}"]
    if has_tls:
        own = ', "cert": "device.pem", "key": "device.key"' if has_cert else ""
        words.append(f'tls={{"ca": "ca.pem"{own}}}')
    link = "".join(f"    {word},\n" for word in words)
    named = f"device_id={json.dumps(device_id)}"
    return f"link = pixeltrail.MQTT(\n{link})\nrec = pixeltrail.Recorder(display, link, {named}, sample_rate=1.0)\n"
