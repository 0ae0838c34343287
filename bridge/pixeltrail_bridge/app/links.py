"""The ways to the devices: the broker inside, when there is one, and the sources."""

from __future__ import annotations

from ..config import Config
from ..errors import ConfigError
from ..ingest import Ingest
from ..keys.files import BRIDGE_CERT, BRIDGE_KEY
from ..keys.ring import BRIDGE_USER, KeyRing
from ..sources.base import Source
from ..sources.nats_server import NatsServer
from ..sources.tls import Tls
from . import exposure

_BROKER_FOLDER = "broker"


class Links:
    """Both methods block; call them in a thread. stop() also ends what a failed start() left."""

    def __init__(self, config: Config, bridge_id: bytes) -> None:
        self._config = config
        self._bridge_id = bridge_id
        self._broker: NatsServer | None = None
        self._sources: list[Source] = []

    def start(self, ingest: Ingest) -> None:
        """Raises LocalError when the broker inside cannot be started or a source's settings make no sense."""
        mqtt = self._config.mqtt
        if mqtt.enabled and not mqtt.url:
            folder = self._config.bridge.data_dir / _BROKER_FOLDER
            self._broker = NatsServer(
                folder,
                host=mqtt.host,
                port=mqtt.port,
                on_state=ingest.note,
                door=exposure.Doorkeeper(self._config),
            )
            self._broker.start()
        for source in self._make_sources():
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

    def addresses(self) -> list[str]:
        return [source.name for source in self._sources]

    def _make_sources(self) -> list[Source]:
        mqtt, serial = self._config.mqtt, self._config.serial
        sources: list[Source] = []
        if mqtt.enabled:
            from ..sources.mqtt import MqttSource

            url = self._broker.url if self._broker is not None else mqtt.url
            user, password = login_of(self._config)
            sources.append(
                MqttSource(url, self._bridge_id, tls=tls_of(self._config), user=user, password=password)
            )
        if serial.ports:
            from ..sources.serial import SerialSource

            sources += [SerialSource(port, self._bridge_id, baud=serial.baud) for port in serial.ports]
        if not sources:
            raise ConfigError("no device can reach the bridge; set mqtt.enabled = true, or serial.ports")
        return sources


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
