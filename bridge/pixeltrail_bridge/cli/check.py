"""`pixeltrail check`: would `up` work here?"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, PixeltrailError
from .check_amplitude import find as find_amplitude
from .check_amplitude import read_samples
from .check_amplitude import show as show_samples
from .check_replays import find as find_replays
from .check_rules import find as find_rules
from .check_rules import show as show_rules
from .options import ConfigOption, SetOption, load_config, printable

if TYPE_CHECKING:
    from ..config import Config

_TIMEOUT_S = 5.0
Finding = tuple[bool, str, str]
"""Whether it is well, what was looked at, and what was found or is to be done."""


def run(
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing outside of this machine.")] = False,
    sample: Annotated[
        Path | None,
        typer.Option(
            "--sample", help="Events, as JSON lines, to try the rules and the mappings to Amplitude on."
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show what Amplitude would get of sample events, before and after.")
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Check settings, folders, ports, broker, keys and mappings. Exit code 0 when `up` would work, else 1."""
    settings = load_config(config, set_)
    samples = read_samples(sample) if sample else None
    is_well = True
    for ok, what, found in _findings(settings, offline, samples):
        is_well &= ok
        print(f"{'ok' if ok else 'FAULT':5}  {what}: {printable(found)}")
    show_rules(settings, samples)
    for text in show_samples(settings, samples) if show or sample else ():
        print(text)
    raise typer.Exit(0 if is_well else 1)


def _findings(settings: Config, offline: bool, samples: list[dict[str, Any]] | None) -> Iterator[Finding]:
    where = str(settings.file) if settings.file else "no file, defaults and environment"
    yield True, "settings", where
    yield _data_folder(settings.bridge.data_dir)
    yield _store(settings, offline)
    yield from _exposure("outward", settings, "check_outward")
    if settings.packing.enabled:
        yield _packing(settings, offline)
    yield from _cluster(settings, offline)
    yield from _mqtt(settings, offline)
    for port in settings.serial.ports:
        yield _serial(port)
    if not (settings.mqtt.enabled or settings.serial.ports or settings.cluster.nats_urls):
        yield False, "sources", "no device can reach the bridge; set mqtt.enabled or serial.ports"
    yield from find_rules(settings)
    yield from _segment(settings, offline)
    yield from find_amplitude(settings, offline, samples)
    yield from find_replays(settings)
    if settings.jsonl.path is not None:
        yield _writable("jsonl.path", settings.jsonl.path.parent, "jsonl.path")
    if settings.web.enabled:
        yield from _page(settings)
    if settings.mobile.enabled:
        yield from _mobile(settings)


def _data_folder(folder: Path) -> Finding:
    return _writable("data", folder, "bridge.data_dir")


def _store(settings: Config, offline: bool) -> Finding:
    url = settings.store.url
    if not url:
        free_mb, least_mb = _free_mb(settings.bridge.data_dir), settings.store.min_free_mb
        if free_mb < least_mb:
            return False, "store", f"{free_mb} MB of disk are free and {least_mb} MB must be; make room"
        return True, "store", f"{settings.bridge.database} ({free_mb} MB of disk are free)"
    from ..store.opening import probe

    try:
        return True, "store", probe(url, "" if offline else settings.store.password.reveal(), offline)
    except PixeltrailError as error:
        return False, "store", str(error)


def _packing(settings: Config, offline: bool) -> Finding:
    """Keeps an object there for a moment."""
    from ..app.parts import make_objects
    from ..store.objects import probe

    try:
        objects = make_objects(settings)
        if offline and settings.packing.url:
            return True, "packing", f"{objects.place} not asked (--offline)"
        probe(objects)
    except PixeltrailError as error:
        return False, "packing", str(error)
    return True, "packing", f"{objects.place}, {settings.packing.after_h:g} h after a session's end"


def _free_mb(folder: Path) -> int:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return shutil.disk_usage(existing).free >> 20


def _writable(what: str, folder: Path, key: str) -> Finding:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return False, what, f"{existing} cannot be written ({error.strerror}); change its owner or set {key}"
    return True, what, str(folder) if existing == folder else f"{folder} will be made"


def _cluster(settings: Config, offline: bool) -> Iterator[Finding]:
    """Whether its settings fit together, and whether each server takes us; `doctor` asks for more."""
    from ..app import cluster
    from ..app.diagnosis import jetstream

    at = settings.cluster
    try:
        cluster.check(settings)
        login = cluster.login_of(settings)
        login.check()
    except ConfigError as error:
        yield False, "cluster", str(error)
        return
    if not at.nats_urls:
        return
    if offline:
        yield True, "cluster", f"{login.place} not asked (--offline)"
        return
    state = jetstream.ask(login, cluster.stream_settings(settings))
    for url, why in state.away.items():
        yield (
            False,
            "cluster",
            f"{url} cannot be reached ({why}); check cluster.nats_urls, and that the server runs",
        )
    yield True, "cluster", f"{state.addresses - len(state.away)} of {state.addresses} NATS servers take us"


def _mqtt(settings: Config, offline: bool) -> Iterator[Finding]:
    mqtt = settings.mqtt
    if not mqtt.enabled or (settings.cluster.nats_urls and not mqtt.url):
        return
    yield from _exposure("broker", settings, "check_broker")
    if not mqtt.url:
        yield _embedded_broker(mqtt.host, mqtt.port)
    elif offline:
        yield True, "broker", f"{mqtt.url} not asked (--offline)"
    else:
        yield _broker(settings, mqtt.url)


def _embedded_broker(host: str, port: int) -> Finding:
    from ..sources.nats_server import find_program

    try:
        find_program()
    except ConfigError as error:
        return False, "broker inside", str(error)
    return _free(host, port, "broker inside", "mqtt.port")


def _exposure(what: str, settings: Config, look: str) -> Iterator[Finding]:
    """A fault where something would be reached from elsewhere without encryption or without anybody being asked."""
    from ..app import exposure

    try:
        getattr(exposure, look)(settings)
    except PixeltrailError as error:
        yield False, what, str(error)


def _broker(settings: Config, url: str) -> Finding:
    from urllib.parse import urlsplit

    from ..app.links import tls_of
    from ..sources.tls import Tls

    try:
        parts = urlsplit(url)
        host, is_secure = parts.hostname or "", parts.scheme == "mqtts"
        context = (tls_of(settings) or Tls()).context() if is_secure else None
        with socket.create_connection(
            (host, parts.port or (8883 if is_secure else 1883)), timeout=_TIMEOUT_S
        ) as line:
            if context is not None:
                context.wrap_socket(line, server_hostname=host).close()
            return True, "broker", f"{url} can be reached" + (" and trusted" if context else "")
    except ConfigError as error:
        return False, "broker", str(error)
    except (OSError, ValueError) as error:
        return False, "broker", f"{url} cannot be reached ({error}); check mqtt.url and that the broker runs"


def _free(host: str, port: int, what: str, key: str) -> Finding:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        return False, what, f"{host}:{port}: {reason}; is a bridge running? Else set {key}"
    return True, what, f"{host}:{port or 'any free port'} is free"


def _serial(port: str) -> Finding:
    if port.startswith("usb:"):
        from ..sources.serial import parse_usb

        try:
            parse_usb(port)
        except ConfigError as error:
            return False, "serial", str(error)
        return True, "serial", f"{port} will be looked for while `up` runs"
    try:
        found = os.stat(port)
        is_memory = sys.platform == "linux" and os.major(found.st_rdev) == 1  # /dev/null, /dev/zero
        is_device = stat.S_ISCHR(found.st_mode) and not is_memory
    except OSError as error:
        return False, "serial", f"{port}: {error.strerror}; is the device plugged in?"
    if not is_device:
        return False, "serial", f"{port} is no serial port; check serial.ports"
    if not os.access(port, os.R_OK | os.W_OK):
        return False, "serial", f"{port} may not be opened; join the group that owns it (often dialout)"
    return True, "serial", port


def _segment(settings: Config, offline: bool) -> Iterator[Finding]:
    from ..app.parts import has_segment, segment_settings, sink_names

    if not has_segment(settings):
        instead = "; events go to a file of JSON lines" if sink_names(settings) == ["jsonl"] else ""
        yield True, "segment", f"no write key, so nothing goes there{instead}"
        return
    files = [settings.segment.write_key_file, *(rule.write_key_file for rule in settings.lists.keys)]
    for file in files:
        if file is not None and file.exists() and file.stat().st_mode & 0o077:
            yield False, "segment", f"{file} can be read by others; run: chmod 600 {file}"
    try:
        segment = segment_settings(settings)
        url = segment.url()
    except ConfigError as error:
        yield False, "segment", str(error)
        return
    if segment.dry_run:
        yield True, "segment", "segment.dry_run is on, so nothing is sent"
    for source in segment.all_sources():
        if offline:
            yield True, "segment", f"{source.setting} is set, not asked (--offline)"
        else:
            yield _ask_segment(url, source.write_key, source.setting)


def _ask_segment(url: str, key: str, setting: str) -> Finding:
    """Send a batch without events: it says whether the key is refused and leaves nothing behind."""
    import base64
    import json
    import urllib.error
    import urllib.request

    token = base64.b64encode(f"{key}:".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    body = json.dumps({"batch": [], "writeKey": key}).encode()
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            status = int(answer.status)
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        return False, "segment", f"{url} cannot be reached ({error}); check the network and segment.host"
    if status in (401, 403):
        return False, "segment", f"{url} refused {setting} ({status}); check it and segment.zone"
    if status >= 404:
        return False, "segment", f"{url} answered {status}; check segment.host"
    return True, "segment", f"{url} did not refuse {setting} ({status})"


def _page(settings: Config) -> Iterator[Finding]:
    from ..app import exposure

    web = settings.web
    yield from _exposure("page", settings, "check_page")
    yield _free(web.host, web.port, "page", "web.port")
    try:
        exposure.page_tls(settings)
    except ConfigError as error:
        yield False, "page", str(error)
    for words in exposure.warnings(settings):
        yield True, "exposed", f"note: {words}"


def _mobile(settings: Config) -> Iterator[Finding]:
    from ..app.mobile import api_settings, intake_settings

    mobile = settings.mobile
    try:
        api_settings(settings)
        intake_settings(settings)
    except ConfigError as error:
        yield False, "apps", str(error)
        return
    yield from _exposure("apps", settings, "check_apps")
    yield _free(mobile.host, mobile.port, "apps", "mobile.port")
