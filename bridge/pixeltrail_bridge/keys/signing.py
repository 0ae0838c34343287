"""The keys that devices sign with, in `signing.json`; and the bridge's look at them.

Unlike the keys for a broker these are kept as they are: both sides compute the same tags. So the file is for its owner
alone, as everything in the folder.

A device has one key, or two while it is given the second; the bridge answers with the one that the device used last.
Once signing is required, nothing takes that back but `set_rule` and `forget`: a device without any key is then one of
which nothing is taken, rather than one that need not sign.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from ..errors import ConfigError, LocalError
from ..reading import MOST_RING_BYTES, read_file
from ..wire.limits import DEVICE_ID
from ..wire.signed import KEY_BYTES, MOST_KEY_NUMBER, DeviceKeys
from .files import locked, write_private

SIGNING_NAME: Final = "signing.json"
_LOOK_S: Final = 1.0  # how old the bridge's look at the file may be

log = structlog.get_logger(__name__)


class Key(msgspec.Struct, frozen=True):
    number: int
    made_ms: int
    secret: str  # hex


class Signer(msgspec.Struct, frozen=True):
    """`next`: number of the next key."""

    keys: tuple[Key, ...]
    next: int
    required: bool = False


class _File(msgspec.Struct):
    version: int = 1
    devices: dict[str, Signer] = {}


def key_text(key: Key) -> str:
    """A key as a device is given it."""
    return f"{key.number}:{key.secret}"


class SigningRing:
    """The file of a folder; methods and errors as KeyRing's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / SIGNING_NAME

    def devices(self) -> dict[str, Signer]:
        """By device ID, in its order; empty when there is no file."""
        return dict(sorted(self._read().devices.items()))

    def add(self, device_id: str, now_ms: int) -> Key:
        """The first key of a device, which may sign from then on."""
        if not DEVICE_ID.fullmatch(device_id):
            raise ConfigError(
                f"{device_id[:80]!r} is no device ID; "
                "expected 5 to 64 letters, digits, - and _, a letter or digit first"
            )
        with self._changing() as ring:
            one = ring.devices.get(device_id, Signer((), 1))
            if one.keys:
                raise ConfigError(
                    f"{device_id} has a key to sign with; `pixeltrail keys signing rotate {device_id}` makes another"
                )
            return _give_key(ring, device_id, one, now_ms)

    def rotate(self, device_id: str, now_ms: int) -> Key:
        """A key besides the one in use, which holds until finish()."""
        with self._changing() as ring:
            one = _known(ring, device_id)
            if len(one.keys) != 1:
                raise ConfigError(
                    f"{device_id} has {len(one.keys)} keys to sign with; "
                    + (
                        "`pixeltrail keys signing add` makes one"
                        if not one.keys
                        else "finish with --finish first"
                    )
                )
            return _give_key(ring, device_id, one, now_ms)

    def finish(self, device_id: str) -> None:
        """Drop the older of two keys."""
        with self._changing() as ring:
            one = _known(ring, device_id)
            if len(one.keys) < 2:
                raise ConfigError(f"{device_id} is not between two keys to sign with")
            ring.devices[device_id] = msgspec.structs.replace(one, keys=one.keys[-1:])

    def revoke(self, device_id: str) -> None:
        """All keys of the device, of which nothing is taken from then on."""
        with self._changing() as ring:
            one = _known(ring, device_id)
            ring.devices[device_id] = msgspec.structs.replace(one, keys=(), required=True)

    def set_rule(self, device_id: str, is_required: bool) -> None:
        """Whether messages of the device that are not signed are refused."""
        with self._changing() as ring:
            one = _known(ring, device_id)
            ring.devices[device_id] = msgspec.structs.replace(one, required=is_required)

    def forget(self, device_id: str) -> None:
        """The device signs no longer, and need not."""
        with self._changing() as ring:
            _known(ring, device_id)
            del ring.devices[device_id]

    def _read(self) -> _File:
        try:
            return msgspec.json.decode(read_file(self.path, MOST_RING_BYTES), type=_File)
        except FileNotFoundError:
            return _File()
        except (OSError, ValueError, RecursionError) as error:  # msgspec's own is a ValueError
            raise LocalError(f"{self.path} cannot be read: {error}; restore it from a copy") from None

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        with locked(self.folder):
            ring = self._read()
            yield ring
            write_private(self.path, msgspec.json.encode(ring))


def _known(ring: _File, device_id: str) -> Signer:
    try:
        return ring.devices[device_id]
    except KeyError:
        raise ConfigError(
            f"{device_id[:80]} has no key to sign with; `pixeltrail keys signing add {device_id[:80]}` makes one"
        ) from None


def _give_key(ring: _File, device_id: str, one: Signer, now_ms: int) -> Key:
    key = Key(one.next, now_ms, secrets.token_hex(KEY_BYTES))
    following = one.next % MOST_KEY_NUMBER + 1
    ring.devices[device_id] = msgspec.structs.replace(one, keys=(*one.keys, key), next=following)
    return key


class SigningKeys:
    """What a running bridge knows of the file: looks at it once a second at most, and stays with what it had where it
    cannot be read. May be called from any thread. LocalError: it cannot be read at the start."""

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ring, self._now_s = SigningRing(folder), now_s
        self._looked_s = now_s()
        self._seen = self._stamp()
        self._devices = self._read()

    def __call__(self, device_id: str) -> DeviceKeys | None:
        """The keys of a device; None for one that does not sign."""
        now_s = self._now_s()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            try:
                self._look()
            except LocalError as error:
                log.error("keys to sign with were not read; those known before hold", error=str(error))
        return self._devices.get(device_id)

    def _look(self) -> None:
        seen = self._stamp()
        if seen != self._seen:
            self._devices, self._seen = self._read(), seen

    def _stamp(self) -> tuple[int, int]:
        try:
            state = self._ring.path.stat()
        except OSError:
            return 0, 0
        return state.st_mtime_ns, state.st_ino

    def _read(self) -> dict[str, DeviceKeys]:
        try:
            return {
                device_id: DeviceKeys(
                    {key.number: bytes.fromhex(key.secret) for key in one.keys}, one.required
                )
                for device_id, one in self._ring.devices().items()
            }
        except ValueError:
            raise LocalError(f"{self._ring.path}: a key is not in hex; restore it from a copy") from None
