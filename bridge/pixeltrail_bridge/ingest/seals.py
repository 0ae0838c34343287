"""Signatures at the door: what comes signed is checked and unwrapped, and what goes to a device that signs is signed.

Nothing that is refused here comes any further: it is not acked, names no route, and takes no place. A device that
means what it sent sends it again. `pixeltrail_bridge.wire.signed` has the form, schema/wire.md says what it defends.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..errors import WireError
from ..sources.base import Arrival, Presence
from ..wire import messages as m
from ..wire import signed
from ..wire.decode import decode_uplink
from ..wire.signed import DeviceKeys, Seal

NOT_GENUINE: Final = "not_genuine"  # counter of messages that were refused here
REPEATED: Final = "repeated_syncs"  # of signed ones that came late, or again
LETTER: Final = "signature"  # kind of the dead letter that tells of them

Decoded = tuple[Arrival, m.Chunk | m.Sync | WireError]
KeysOf = Callable[[str], DeviceKeys | None]  # None: the device does not sign

UNSIGNED: Final = (
    "messages came that are not signed, and must be; give the device its key, or see who sends them"
)
FORGED: Final = (
    "messages came whose signature is wrong: the device has another key, or somebody forged or altered them"
)
UNKNOWN_KEY: Final = (
    "messages came that are signed with a key that holds no longer; give the device the one that does"
)


def nobody_signs(device_id: str) -> DeviceKeys | None:
    return None


def decode(arrival: Arrival) -> Decoded:
    try:
        return arrival, decode_uplink(arrival.data)
    except WireError as error:
        return arrival, error


@dataclass(slots=True)
class Opened:
    """What of a batch may go on, and how often something else came: by device and reason."""

    items: list[Decoded | Presence] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown_lines: int = 0  # messages of a line that has not said yet who is there


class Seals:
    """`open` is the committer's; `note` and `close` may be called from any thread."""

    def __init__(
        self, keys_of: KeysOf, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._keys_of, self._now_ms = keys_of, now_ms
        self._lines: dict[int, str] = {}  # who is at the other end of a line, by its channel's id()
        self._answers: dict[str, Seal | None] = {}  # seal of each device's newest sync
        self._number = 0
        self._lock = threading.Lock()

    # ---- up -------------------------------------------------------------------

    def open(self, items: Sequence[Arrival | Presence]) -> Opened:
        opened = Opened()
        for item in items:
            if isinstance(item, Presence):
                opened.items.append(item)
            else:
                self._open(item, opened)
        return opened

    def _open(self, arrival: Arrival, opened: Opened) -> None:
        if signed.is_signed(arrival.data):
            self._open_signed(arrival, opened)
            return
        decoded = decode(arrival)
        device_id = self._sender(decoded)
        keys = self._keys_of(device_id) if device_id else None
        if keys is not None and keys.is_required:
            opened.refused[device_id, UNSIGNED] += 1
            return
        self._pass(decoded, arrival, opened)

    def _open_signed(self, arrival: Arrival, opened: Opened) -> None:
        try:
            envelope = signed.parse(arrival.data)
        except WireError as error:
            self._refuse_malformed(arrival, error, opened)
            return
        inner = replace(arrival, data=envelope.message, seal=Seal(envelope.key, envelope.number))
        _, message = decode(inner)
        device_id = self._sender((inner, message))
        if not device_id:
            opened.unknown_lines += 1
            return
        keys = self._keys_of(device_id)
        key = keys.keys.get(envelope.key) if keys is not None else None
        if key is None:
            opened.refused[device_id if keys is not None else "", UNKNOWN_KEY] += 1
        elif not signed.is_genuine(envelope, key, signed.from_device(device_id)):
            opened.refused[device_id, FORGED] += 1
        else:
            self._pass((replace(inner, device_id=device_id), message), arrival, opened)

    def _refuse_malformed(self, arrival: Arrival, error: WireError, opened: Opened) -> None:
        """Nobody vouches for it: of a device that must sign it is worth no more than what is not signed."""
        device_id = self._sender((arrival, error))
        keys = self._keys_of(device_id) if device_id else None
        if keys is not None:
            opened.refused[device_id, FORGED] += 1
        else:
            opened.items.append((arrival, error))

    def _sender(self, decoded: Decoded) -> str:
        """The transport's word, else what the line has said, or says now; empty when it has not."""
        arrival, message = decoded
        if arrival.device_id is not None:
            return arrival.device_id
        if isinstance(message, m.Sync):
            return message.device_id
        return self._lines.get(id(arrival.channel), "")

    def _pass(self, decoded: Decoded, came: Arrival, opened: Opened) -> None:
        message = decoded[1]
        if came.device_id is None and isinstance(message, m.Sync):
            self._lines[id(came.channel)] = message.device_id
        opened.items.append(decoded)

    # ---- down -----------------------------------------------------------------

    def note(self, answers: dict[str, Seal | None]) -> None:
        """Seals of the newest syncs, as they were committed."""
        self._answers.update(answers)

    def close(self, device_id: str, data: bytes) -> bytes | None:
        """A message as this device takes it; None when there is none that it would: it has to send a sync first."""
        keys = self._keys_of(device_id)
        if keys is None:
            return data
        seal = self._answers.get(device_id)
        if seal is None:
            return None if keys.is_required else data
        key = keys.keys.get(seal.key)
        if key is None:
            return None
        number = self._next_number().to_bytes(signed.NUMBER_BYTES)
        return signed.sign(key, seal.key, number, signed.to_device(device_id, seal.number), data)

    def _next_number(self) -> int:
        """Larger than any before, also of another worker or an earlier start as far as clocks agree."""
        with self._lock:
            self._number = max(self._number + 1, self._now_ms())
            return self._number


def is_repeated(last: tuple[int, bytes] | None, now_ms: int, seal: Seal) -> bool:
    """Whether a signed sync of a stream is one that was seen: `last` is the time and number of its newest."""
    return last is not None and (now_ms < last[0] or (now_ms == last[0] and seal.number == last[1]))
