"""Bridges that are broken on purpose, each in one way, to prove that the judgements of a run can fail.

    broken_bridge.py HOW up --config FILE

- hasty: acks a chunk when it comes, and commits it a moment later, as a slow disk would have it.
- forgetful: says of every ninth event that it was sent, and sends it nowhere.
- restless: gives a call another message ID each time it is made.
- stumbling: its thread that listens to the broker ends with an error at a device's first message.

In everything else each is the product.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from pixeltrail_bridge import cli
from pixeltrail_bridge.app import links, parts, worker
from pixeltrail_bridge.ingest import Arrival, Ingest
from pixeltrail_bridge.mapping import calls, chunks
from pixeltrail_bridge.mapping.calls import OutboxRow, Settled
from pixeltrail_bridge.sinks.segment import SegmentSink
from pixeltrail_bridge.sources import mqtt
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink
from pixeltrail_bridge.wire.messages import Ack, Chunk

COMMIT_TAKES_S = 0.2


class HastyIngest(Ingest):
    def receive(self, arrival: Arrival) -> bool:
        message = decode_uplink(arrival.data)
        if isinstance(message, Chunk) and arrival.device_id is not None:
            ack = Ack(message.stream, message.seq + 1, 16, self._store.bridge_id)
            arrival.channel.send(arrival.device_id, encode_downlink(ack))
        return super().receive(arrival)

    def _commit(self, items: Sequence[Any]) -> None:
        time.sleep(COMMIT_TAKES_S)
        super()._commit(items)


class ForgetfulSink(SegmentSink):
    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        forgotten = [row for row in rows if row.id % 9 == 0]
        sent = await super().deliver([row for row in rows if row.id % 9])
        return [*sent, *(Settled(row.id, "sent", 200, "ok") for row in forgotten)]


class StumblingSource(mqtt.MqttSource):
    def _take(self, topic: bytes, payload: bytes) -> bool:
        if topic.endswith(b"/up"):
            raise RuntimeError("it stumbled")
        return super()._take(topic, payload)


def restless_message_id(*_place: object) -> str:
    return f"px-{os.urandom(16).hex()}"


def put(owner: ModuleType, name: str, instead: Any, caller: ModuleType) -> None:
    """Where `caller` makes no use of the name the bridge would stay whole, and its judges would get the blame."""
    if not re.search(rf"\b(?<!def ){name}\(", inspect.getsource(caller)):
        sys.exit(f"{caller.__name__} does not call {name}: find out who does, and break that")
    setattr(owner, name, instead)


how = sys.argv.pop(1)
if how == "hasty":
    put(worker, "Ingest", HastyIngest, worker)
elif how == "forgetful":
    put(parts, "SegmentSink", ForgetfulSink, parts)
elif how == "stumbling":
    put(mqtt, "MqttSource", StumblingSource, links)
elif how == "restless":
    put(calls, "message_id", restless_message_id, chunks)
else:
    sys.exit(f"no bridge is broken like that: {how}")
cli.main()
