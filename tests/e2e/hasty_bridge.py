"""A bridge that is broken on purpose: it acks a chunk when it comes, and commits it a moment later.

test_crash.py runs it to prove that its judgement finds the loss. It is the product in everything else, with the
committer's interval between receipt and commit drawn out, as a slow disk does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pixeltrail_bridge import cli
from pixeltrail_bridge.app import bridge
from pixeltrail_bridge.ingest import Arrival, Ingest
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


bridge.Ingest = HastyIngest  # type: ignore[misc]
cli.main()
