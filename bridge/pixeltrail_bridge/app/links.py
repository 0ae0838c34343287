"""The ways to the devices: the broker inside, when there is one, and the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import Config
from ..division import Division
from ..errors import ConfigError
from ..ingest import Ingest
from ..ingest.penalties import Penalties
from ..keys.files import BRIDGE_CERT, BRIDGE_KEY
from ..keys.ring import BRIDGE_USER, KeyRing
from ..sources.base import Source
from ..sources.nats_server import NatsServer
from ..sources.tls import Tls
from . import exposure
from .cluster import stream_settings

if TYPE_CHECKING:
    from ..sources.nats_link import NatsLink

_BROKER_FOLDER = "broker"


class Links:
    """Both methods block; call them in a thread. stop() also ends what a failed start() left."""

    def __init__(
        self,
        config: Config,
        bridge_id: bytes,
        link: NatsLink | None = None,
        division: Division | None = None,
    ) -> None:
        self._config, self._link, self._division = config, link, division
        self._bridge_id = bridge_id
        self._broker: NatsServer | None = None
        self._penalties: Penalties | None = None
        self._sources: list[Source] = []

    def start(self, ingest: Ingest) -> None:
        """Raises LocalError when the broker inside cannot be started or a source's settings make no sense."""
        mqtt = self._config.mqtt
        if has_broker_inside(self._config):
            folder = self._config.bridge.data_dir / _BROKER_FOLDER
            self._penalties = Penalties(ingest.quotas, self._config.quotas.messages_per_s)
            self._broker = NatsServer(
                folder,
                host=mqtt.host,
                port=mqtt.port,
                on_state=ingest.note,
                door=exposure.Doorkeeper(self._config, self._penalties.kept_out),
            )
            self._broker.start()
        for source in self._make_sources():
            if (self._link is not None or mqtt.share) and ingest.reach is None:
                ingest.reach = source  # whoever heard a device: it is connected there
            source.start(ingest.receive, ingest.note)
            self._sources.append(source)

    def stop(self) -> None:
        while self._sources:
            self._sources.pop().stop()
        if self._broker is not None:
            self._broker.stop()
            self._broker = None

    def forget(self) -> None:
        """The broker inside keeps each device's last state on disk: it begins anew, and devices connect again."""
        if self._broker is not None:
            self._broker.wipe()

    @property
    def mqtt_port(self) -> int | None:
        return self._broker.port if self._broker is not None else None

    def kept_out(self) -> frozenset[str]:
        """Devices that the broker inside does not let in for a while, where they have a key."""
        return self._penalties.kept_out() if self._penalties is not None else frozenset()

    def addresses(self) -> list[str]:
        return [source.name for source in self._sources]

    def _make_sources(self) -> list[Source]:
        mqtt, serial = self._config.mqtt, self._config.serial
        sources: list[Source] = []
        if self._link is not None:
            from ..sources.jetstream import JetStreamSource

            division = self._division
            parts = None if division is None else lambda: division.parts
            sources.append(JetStreamSource(self._link, self._bridge_id, stream_settings(self._config), parts))
        if self._broker is not None or mqtt.url and mqtt.enabled:
            from ..sources.mqtt import MqttSource

            url = self._broker.url if self._broker is not None else mqtt.url
            user, password = login_of(self._config)
            sources.append(
                MqttSource(
                    url,
                    self._bridge_id,
                    tls=tls_of(self._config),
                    user=user,
                    password=password,
                    share=mqtt.share,
                )
            )
        if serial.ports:
            from ..sources.serial import SerialSource

            sources += [SerialSource(port, self._bridge_id, baud=serial.baud) for port in serial.ports]
        if not sources:
            raise ConfigError("no device can reach the bridge; set mqtt.enabled = true, or serial.ports")
        return sources


def has_broker_inside(config: Config) -> bool:
    """In a cluster the devices speak to its servers."""
    return config.mqtt.enabled and not config.mqtt.url and not config.cluster.nats_urls


def tls_of(config: Config) -> Tls | None:
    """Whom to trust: what is set for one's own broker, or the very certificate of the one inside."""
    mqtt = config.mqtt
    if mqtt.url:
        return Tls(mqtt.ca_file, mqtt.cert_file, mqtt.key_file)
    found = exposure.broker_certificate(config)
    if found is None:
        return None
    if not mqtt.client_certificates:
        return Tls(pin=found.cert)
    folder = exposure.keys_folder(config)
    return Tls(cert=folder / BRIDGE_CERT, key=folder / BRIDGE_KEY, pin=found.cert)


def login_of(config: Config) -> tuple[str, str]:
    """User and password of the bridge at its broker; empty where none are asked for."""
    mqtt = config.mqtt
    if mqtt.url:
        return mqtt.user, mqtt.password.reveal()
    ring = KeyRing(exposure.keys_folder(config))
    return (BRIDGE_USER, ring.bridge_password()) if ring.path.exists() else ("", "")
