"""`pixeltrail up`: run the bridge until it is told to end."""

from __future__ import annotations

from .options import ConfigOption, SetOption, load_config


def run(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Run the bridge. Ctrl-C or SIGTERM ends it; devices keep what it has not confirmed."""
    settings = load_config(config, set_)
    import asyncio

    from ..app import Bridge, set_up_logging, until_signal

    set_up_logging(settings.bridge)

    async def serve() -> None:
        with until_signal() as ended:
            async with Bridge(settings) as bridge:
                for line in bridge.addresses():
                    print(line, flush=True)
                await ended.wait()

    asyncio.run(serve())
