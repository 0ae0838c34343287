"""`pixeltrail doctor`: what state is the bridge in, and what is to be done?

`check` asks whether `up` would work; `doctor` looks at what has happened since, also while the bridge runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import PixeltrailError
from . import check
from .options import ConfigOption, JsonOption, SetOption, load_config, open_store, printable

if TYPE_CHECKING:
    from ..app.diagnosis import Finding
    from ..config import Config
    from ..store.database import SqlStore

_HEALTH_S = 3.0


def run(
    as_json: JsonOption = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing outside of this machine.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Explain the state of the bridge and its devices. Exit code 1 when there is something to be done, else 0."""
    settings = load_config(config, set_)
    is_well = True
    for one in _findings(settings, offline):
        is_well &= one.level != "FAULT"
        if as_json:
            print(json.dumps({"level": one.level.lower(), "what": one.what, "text": one.text}))
        else:
            print(f"{one.level:5}  {one.what}: {printable(one.text)}")
    raise typer.Exit(0 if is_well else 1)


def _findings(settings: Config, offline: bool) -> Iterator[Finding]:
    from ..app import diagnosis
    from ..app.diagnosis import Finding

    folder = settings.bridge.data_dir
    yield _from_check(check._data_folder(folder))
    yield from diagnosis.check_secrets(settings)
    running = diagnosis.is_running(folder)
    yield Finding("ok", "bridge", "running") if running else Finding("note", "bridge", "not running")
    if running:
        yield from _ask_page(settings)
    own = ""
    if settings.store.url or settings.bridge.database.exists():
        try:
            with open_store(settings) as store:
                own = store.bridge_id.hex()
                yield from diagnosis.examine(settings, store, time.time_ns() // 1_000_000)
                yield from _cluster(settings, store, offline)
        except PixeltrailError as error:
            yield Finding("FAULT", "store", str(error))
            yield from _cluster(settings, None, offline)
    else:
        yield Finding("note", "store", f"there are no recordings in {folder} yet; start `pixeltrail up`")
    if settings.packing.enabled and settings.packing.url:
        yield _packing(settings, offline)
    for port in settings.serial.ports:
        yield _from_check(check._serial(port))
    yield from _broker(settings, own, running, offline)


def _cluster(settings: Config, store: SqlStore | None, offline: bool) -> Iterator[Finding]:
    from ..app import diagnosis

    if settings.cluster.nats_urls and not offline:
        yield from diagnosis.check_cluster(settings, store)


def _packing(settings: Config, offline: bool) -> Finding:
    """Whether objects can be kept, asked as `check` asks."""
    from ..app.diagnosis import Finding

    found = check._packing(settings, offline)
    if found[0]:
        return _from_check(found)
    text = f"{found[2]}. Until it can, others stay in the database, and those cannot be opened"
    remedy = "see to that store, and check packing.url, packing.endpoint and the key"
    return Finding("FAULT", "packing", f"{text}; {remedy}")


def _broker(settings: Config, own: str, running: bool, offline: bool) -> Iterator[Finding]:
    from ..app import diagnosis, exposure, parts

    mqtt = settings.mqtt
    if not mqtt.enabled:
        return
    scheme = "mqtts" if exposure.broker_certificate(settings) else "mqtt"
    inside = f"{scheme}://{parts.reachable(mqtt.host)}:{mqtt.port}"
    url = mqtt.url or (inside if running and mqtt.port else "")
    if not url or (mqtt.url and offline):
        return
    reachable = _from_check(check._broker(settings, url))
    yield reachable
    if reachable.level == "ok":
        yield diagnosis.check_bridges(url, own, settings)


def _from_check(found: check.Finding) -> Finding:
    from ..app.diagnosis import Finding

    ok, what, text = found
    return Finding("ok" if ok else "FAULT", what, text)


def _ask_page(settings: Config) -> Iterator[Finding]:
    """What the running bridge itself says, through its page."""
    import urllib.request

    from ..app.diagnosis import Finding
    from ..app.exposure import page_certificate
    from ..app.parts import reachable
    from ..sources.tls import pinned
    from ..store.shares import share_secret
    from ..web.access import local_token

    web = settings.web
    if not web.enabled or not web.port:
        return
    found = page_certificate(settings)
    url = f"{'https' if found else 'http'}://{reachable(web.host)}:{web.port}/"
    try:
        with open_store(settings) as store:
            headers = {"Authorization": f"Bearer {local_token(share_secret(store))}"}
        request = urllib.request.Request(f"{url}api/health", headers=headers)
        context = pinned(found.cert) if found else None
        with urllib.request.urlopen(request, timeout=_HEALTH_S, context=context) as answer:
            problems = json.load(answer)["problems"]
    except (OSError, ValueError, KeyError, PixeltrailError) as error:
        text = f"{url} does not answer ({error}), and the bridge runs; see its log"
        yield Finding("FAULT", "page", text)
        return
    for problem in problems:
        yield Finding("FAULT", "bridge", problem)
