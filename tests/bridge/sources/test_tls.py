"""The way to a broker over TLS: an authority of one's own, certificates of every kind, and one of the bridge."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.sources.tls import Tls

from tests.bridge.sources.kit import WAIT_S, Collector
from tests.support.services import LOOPBACK, free_port, mosquitto, wait_for_port

ID = b"bridge-1"
_LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


@dataclass
class Brokers:
    """One Mosquitto with a listener for each kind of certificate; `asking` wants one of its clients too."""

    folder: Path
    ports: dict[str, int]
    plain: int

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert("bridge.test").private_key_and_cert_chain_pem.write_to_path(folder / "bridge.pem")
    certs = {
        "good": ca.issue_cert(LOOPBACK),
        "asking": ca.issue_cert(LOOPBACK),
        "expired": ca.issue_cert(
            LOOPBACK, not_before=_LONG_AGO, not_after=_LONG_AGO + datetime.timedelta(days=1)
        ),
        "wrong host": ca.issue_cert("other.test"),
        "of nobody": trustme.CA().issue_cert(LOOPBACK),
    }
    lines, ports = ["user root"], {kind: free_port() for kind in certs}
    for kind, cert in certs.items():
        path = folder / f"{ports[kind]}.pem"
        cert.private_key_and_cert_chain_pem.write_to_path(path)
        lines += [f"listener {ports[kind]} {LOOPBACK}", f"certfile {path}", f"keyfile {path}"]
        lines += [f"cafile {folder / 'ca.pem'}", f"require_certificate {str(kind == 'asking').lower()}"]
    with mosquitto("\n".join(lines)) as broker:
        for port in ports.values():
            wait_for_port(port)
        yield Brokers(folder, ports, broker.port)


def started(brokers: Brokers, kind: str, tls: Tls) -> tuple[MqttSource, Collector]:
    source, collector = MqttSource(f"mqtts://{LOOPBACK}:{brokers.ports[kind]}", ID, tls=tls), Collector()
    source.start(collector.receive, collector.state)
    return source, collector


@pytest.mark.parametrize("kind", ["good", "asking"])
def test_messages_of_every_size_come_through(brokers: Brokers, kind: str) -> None:
    own = brokers.folder / "bridge.pem" if kind == "asking" else None
    source, collector = started(brokers, kind, Tls(brokers.ca, own))
    collector.wait_up()
    device = paho.Client(CallbackAPIVersion.VERSION2)
    device.connect(LOOPBACK, brokers.plain)
    device.loop_start()
    sent = [bytes([number]) * (2 + number * 37 % 4_000) for number in range(200)]
    for data in sent:
        device.publish("pt/v1/device-1/up", data).wait_for_publish(WAIT_S)
    collector.wait(lambda: len(collector.arrivals) == len(sent))
    assert [arrival.data for arrival in collector.arrivals] == sent
    device.disconnect()
    device.loop_stop()
    source.stop()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "certificate has expired"),
        ("wrong host", "IP address mismatch"),
        ("of nobody", "unable to get local issuer certificate"),
    ],
)
def test_a_broker_that_cannot_be_trusted_is_refused_and_named(brokers: Brokers, kind: str, why: str) -> None:
    source, collector = started(brokers, kind, Tls(brokers.ca))
    collector.wait_down(why)
    assert "mqtt.ca_file" in collector.links[-1].detail
    source.stop()


def test_without_the_setting_an_authority_of_ones_own_is_unknown(brokers: Brokers) -> None:
    source, collector = started(brokers, "good", Tls())
    collector.wait_down("certificate")
    source.stop()


def test_check_says_whether_a_broker_is_trusted(brokers: Brokers, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, words in (("good", "can be reached and trusted"), ("expired", "certificate has expired")):
        url = f"mqtt.url=mqtts://{LOOPBACK}:{brokers.ports[kind]}"
        overrides = [
            "bridge.data_dir=" + str(brokers.folder),
            "web.port=0",
            url,
            f"mqtt.ca_file={brokers.ca}",
        ]
        run(["check", *(word for override in overrides for word in ("--set", override))])
        assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        (Tls(Path("/none/ca.pem")), "mqtt.ca_file = /none/ca.pem: No such file"),
        (Tls(cert=Path("/none/own.pem")), "mqtt.cert_file = /none/own.pem: No such file"),
        (Tls(key=Path("own.key")), "name that in mqtt.cert_file"),
        (Tls(ca=Path(__file__)), "expected the certificate of an authority"),
    ],
)
def test_a_wrong_file_is_a_mistake_in_the_settings(tls: Tls, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        MqttSource("mqtts://broker.test", ID, tls=tls)


def test_certificates_without_encryption_are_a_mistake(brokers: Brokers) -> None:
    with pytest.raises(ConfigError, match="write mqtts://"):
        MqttSource("mqtt://broker.test", ID, tls=Tls(brokers.ca))
