"""`pixeltrail up`: run the bridge until it is told to end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from .options import ConfigOption, SetOption, load_config


class Role(StrEnum):
    ALL = "all"
    WORKER = "worker"
    VIEWER = "viewer"


RoleOption = Annotated[
    Role | None,
    typer.Option(help="What this one does in a cluster, in place of bridge.role. See docs/cluster.md."),
]


def run(config: ConfigOption = None, set_: SetOption = None, role: RoleOption = None) -> None:
    """Run the bridge. Ctrl-C or SIGTERM ends it; devices keep what it has not confirmed. SIGHUP reads the settings."""
    overrides = [*(set_ or ()), *([f"bridge.role={role.value}"] if role is not None else ())]
    settings = load_config(config, overrides)
    import asyncio
    import contextlib
    import os
    import sys
    import threading

    import structlog

    from ..app import Bridge, set_up_logging, until_signal
    from ..errors import ConfigError, StoreFailure
    from ..watch.systemd import Notifier

    # What it writes are recordings: for its own user alone, as deploy/ has it for the service
    os.umask(0o077)
    set_up_logging(settings.bridge)
    log = structlog.get_logger(__name__)
    systemd = Notifier()

    def end(reason: object) -> NoReturn:
        with contextlib.suppress(OSError, ValueError):
            print(f"pixeltrail: {reason}", file=sys.stderr, flush=True)
        os._exit(1)

    def end_with_it(what: threading.ExceptHookArgs) -> None:
        """A bridge with a thread less looks well and is deaf, or sends nothing: whoever runs it starts it again.

        At once: what was accepted is durable, and an orderly end might wait for that very thread.
        """
        if what.exc_type is SystemExit:
            return
        name = what.thread.name if what.thread is not None else "unknown"
        log.error("a thread ended", thread=name, exc_info=what.exc_value or what.exc_type())
        end(
            f"the thread {name!r} ended with {what.exc_type.__name__}; please report it with the log, and start again"
        )

    async def serve() -> None:
        again = asyncio.Event()
        threading.excepthook = end_with_it
        with until_signal(again.set) as ended:
            async with Bridge(settings, ended) as bridge:
                for line in bridge.addresses():
                    print(line, flush=True)
                systemd.ready(bridge.summary())
                feeding = asyncio.create_task(systemd.feed(lambda: bridge.turns))
                await wait(bridge, ended, again)
                threading.excepthook = threading.__excepthook__  # from here on they end anyway
                systemd.stopping()
                feeding.cancel()

    async def wait(bridge: Bridge, ended: asyncio.Event, again: asyncio.Event) -> None:
        end = asyncio.ensure_future(ended.wait())
        while not ended.is_set():
            hangup = asyncio.ensure_future(again.wait())
            await asyncio.wait((end, hangup, bridge.failed), return_when=asyncio.FIRST_COMPLETED)
            hangup.cancel()
            if bridge.failed.done():
                raise StoreFailure(bridge.failed.result())
            if again.is_set():
                again.clear()
                systemd.reloading()
                try:
                    file = config or settings.file  # one that is gone meanwhile is no wish for the defaults
                    await bridge.reload(await asyncio.to_thread(load_config, file, overrides))
                except ConfigError as error:
                    log.error("settings were not read again, the earlier ones stay", error=str(error))
                    bridge.settings_problem = str(error)
                systemd.ready(bridge.summary())

    try:
        asyncio.run(serve())
    except asyncio.CancelledError:
        log.info("told to end before the database was there")
    except StoreFailure as error:
        # An orderly end closes the database, which would sync again what a sync has just failed for
        end(error)
