"""The mobile bridge as a part of the bridge: its settings, its address, its life."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import Config
from ..errors import ConfigError
from ..mobile.desk import Desk
from ..mobile.enrichment import EnrichSettings
from ..mobile.intake import BlockRules, Intake, IntakeSettings, Network
from ..store.database import SqlStore
from . import exposure, parts

if TYPE_CHECKING:  # imported with the bridge that serves them: settings are checked without
    from ..mobile.api import ApiSettings


class MobileBridge:
    """`start` raises ConfigError for settings it cannot work with, LocalError for an address it cannot have."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        is_ready: Callable[[], bool],
        on_events: Callable[[set[str]], None],
    ) -> None:
        from ..mobile import api
        from ..web.server import WebServer

        mobile = config.mobile
        self._desk = Desk(store, Intake(intake_settings(config)), is_ready, on_events)
        tls = exposure.apps_tls(config)
        app = api.build(self._desk, api_settings(config))
        self._server = WebServer(app, mobile.host, mobile.port, tls, "mobile")
        self._scheme, self._host = "https" if tls else "http", parts.reachable(mobile.host)

    async def start(self) -> None:
        self._desk.start()
        try:
            await self._server.start()
        except BaseException:
            await self._desk.stop()
            raise

    async def stop(self) -> None:
        await self._server.stop()
        await self._desk.stop()

    def update(self, config: Config) -> None:
        """Go on with other settings; those of the address and the key count from the next start."""
        self._desk.intake.settings = intake_settings(config)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self._host}:{self.port}"


def api_settings(config: Config) -> ApiSettings:
    from ..mobile.api import ApiSettings

    mobile = config.mobile
    if not mobile.write_key:
        raise ConfigError(
            "mobile.write_key_file is not set and mobile.enabled is; name a file with the key that your apps send"
        )
    return ApiSettings(
        write_keys=(mobile.write_key.reveal(),),
        origins=mobile.origins,
        max_events_per_s=mobile.max_events_per_s,
        proxies=mobile.proxies,
        public_url=mobile.public_url,
    )


def intake_settings(config: Config) -> IntakeSettings:
    mobile = config.mobile
    return IntakeSettings(
        enrich=EnrichSettings(
            sample_rate=mobile.sample_rate,
            auto_start=mobile.auto_start,
            track_sessions=mobile.track_sessions,
            session_events=mobile.session_events,
            app_timeout_ms=mobile.app_timeout_s * 1000,
            browser_timeout_ms=mobile.browser_timeout_s * 1000,
            classic=config.segment.amplitude_classic,
            debug_key=mobile.debug_key.reveal(),
        ),
        block=BlockRules(
            tuple(_network(text) for text in mobile.block_ips),
            mobile.block_user_agents,
            mobile.block_devices,
            mobile.block_users,
        ),
        keep_ip=mobile.keep_ip,
        truncate_ip=mobile.truncate_ip,
    )


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f'mobile.block_ips has "{text[:60]}"; write addresses or networks, such as 203.0.113.0/24'
        ) from None
