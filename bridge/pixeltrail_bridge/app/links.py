"""The ways to the devices: the broker inside, when there is one, and the sources."""

from __future__ import annotations

from ..config import Config, MqttSettings
from ..errors import ConfigError
from ..ingest import Ingest
from ..sources.base import Source
from ..sources.nats_server import NatsServer
from ..sources.tls import Tls

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
            self._broker = NatsServer(folder, host=mqtt.host, port=mqtt.port, on_state=ingest.note)
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
            tls = tls_of(mqtt) if self._broker is None else None
            login = {"user": mqtt.user, "password": mqtt.password.reveal()}
            sources.append(MqttSource(url, self._bridge_id, tls=tls, **login))
        if serial.ports:
            from ..sources.serial import SerialSource

            sources += [SerialSource(port, self._bridge_id, baud=serial.baud) for port in serial.ports]
        if not sources:
            raise ConfigError("no device can reach the bridge; set mqtt.enabled = true, or serial.ports")
        return sources


def tls_of(mqtt: MqttSettings) -> Tls:
    """What is set for TLS towards one's own broker."""
    return Tls(mqtt.ca_file, mqtt.cert_file, mqtt.key_file)
