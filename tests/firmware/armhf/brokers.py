"""What the sockets of the steps talk to: somebody silent, or a broker that speaks TLS with a bridge behind it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import trustme

from tests.firmware.model import ModelBridge
from tests.support.services import LOOPBACK, free_port, mosquitto, wait_for_port

_WAIT_S = 10.0


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """A port of this machine where nobody listens."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        yield listener.getsockname()[1]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port where somebody listens who never says a word."""
    with socket.create_server((LOOPBACK, 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def silent_dns() -> Iterator[int]:
    """The port of a name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        yield server.getsockname()[1]


@contextlib.contextmanager
def secure(folder: Path) -> Iterator[int]:
    """The port of a broker with TLS, whose authority is folder/ca.pem, and a bridge that acks what is published."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert = authority.issue_cert("broker.test")
    cert.private_key_pem.write_to_path(folder / "broker.key")
    for number, blob in enumerate(cert.cert_chain_pems):
        blob.write_to_path(folder / "broker.pem", append=number > 0)
    port = free_port()
    lines = (f"listener {port} {LOOPBACK}", f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key")
    # Started by root, Mosquitto would become another user, who may read nothing of ours
    with mosquitto("user root\n" + "\n".join(lines) + "\n") as broker:
        wait_for_port(port)
        with bridge(broker.port):
            yield port


@contextlib.contextmanager
def bridge(port: int) -> Iterator[None]:
    model = ModelBridge(judge=False)
    subscribed = threading.Event()

    def answer(client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        for down in model.receive(message.payload):
            client.publish(message.topic[:-2] + "down", down)

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("pt/v1/+/up")
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = answer
    client.connect(LOOPBACK, port)
    client.loop_start()
    try:
        if not subscribed.wait(_WAIT_S):
            raise RuntimeError("the broker took no subscription")
        yield
    finally:
        client.disconnect()
        client.loop_stop()
