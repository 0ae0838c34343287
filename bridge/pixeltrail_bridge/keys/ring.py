"""The keys of devices, as hashes, in `devices.json`; and the password of the bridge itself at the broker.

A key is 32 letters and digits of the system's randomness (160 bits), so that its hash needs no slow function: who has
the hash would have to guess the key itself. bcrypt is what NATS reads, PBKDF2-SHA512 what Mosquitto reads.

While a device's key is changed it has two, each with a user name of its own: `kitchen-01` and `kitchen-01.2`. No device
ID has a dot, so no name of one device is another's; and none begins with `_`, as the bridge's own does.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ..errors import ConfigError, LocalError
from ..reading import MOST_RING_BYTES, read_file
from ..wire.limits import DEVICE_ID
from .files import locked, write_private

RING_NAME: Final = "devices.json"
BRIDGE_USER: Final = "_bridge"
BRIDGE_PASSWORD: Final = "bridge.password"
BRIDGE_HASH: Final = "bridge.hash"
_KEY_BYTES: Final = 20
_BCRYPT_COST: Final = (
    5  # a broker checks every connected device again when one changes; see above why it is enough
)
_MOSQUITTO_ROUNDS: Final = 101  # as mosquitto_passwd does
_MOSQUITTO_SALT: Final = 12


class Key(msgspec.Struct, frozen=True):
    number: int
    made_ms: int
    bcrypt: str
    mosquitto: str


class DeviceKeys(msgspec.Struct, frozen=True):
    """`keys`: one, or two while the device is being given the second."""

    keys: tuple[Key, ...]
    next: int


class _Ring(msgspec.Struct):
    version: int = 1
    devices: dict[str, DeviceKeys] = {}


def user_name(device_id: str, number: int) -> str:
    return device_id if number == 1 else f"{device_id}.{number}"


class KeyRing:
    """The file of a folder. Every method reads it anew, and those that change it hold a lock meanwhile.

    LocalError: the folder cannot be used; ConfigError: the device is no device, or in the wrong state.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / RING_NAME

    def devices(self) -> dict[str, DeviceKeys]:
        """By device ID, in its order; empty when there is no file."""
        return dict(sorted(self._read().devices.items()))

    def add(self, device_id: str, now_ms: int) -> str:
        """The key of a new device: the only moment at which it is known."""
        if not DEVICE_ID.fullmatch(device_id):
            raise ConfigError(
                f"{device_id[:80]!r} is no device ID; "
                "expected 5 to 64 letters, digits, - and _, a letter or digit first"
            )
        with self._changing() as ring:
            if device_id in ring.devices:
                raise ConfigError(
                    f"{device_id} has a key; `pixeltrail keys rotate {device_id}` makes another"
                )
            secret = _new_secret()
            ring.devices[device_id] = DeviceKeys((_key(1, secret, now_ms),), 2)
        return secret

    def rotate(self, device_id: str, now_ms: int) -> tuple[str, str]:
        """User name and key besides the one in use, which holds until finish()."""
        with self._changing() as ring:
            one = self._known(ring, device_id)
            if len(one.keys) > 1:
                raise ConfigError(
                    f"{device_id} is between two keys; `pixeltrail keys rotate {device_id} --finish` drops the older"
                )
            secret = _new_secret()
            ring.devices[device_id] = DeviceKeys((*one.keys, _key(one.next, secret, now_ms)), one.next + 1)
        return user_name(device_id, one.next), secret

    def finish(self, device_id: str) -> None:
        """Drop the older of two keys."""
        with self._changing() as ring:
            one = self._known(ring, device_id)
            if len(one.keys) < 2:
                raise ConfigError(
                    f"{device_id} has one key; `pixeltrail keys rotate {device_id}` makes another"
                )
            ring.devices[device_id] = DeviceKeys(one.keys[-1:], one.next)

    def revoke(self, device_id: str) -> None:
        """All keys of the device."""
        with self._changing() as ring:
            self._known(ring, device_id)
            del ring.devices[device_id]

    def bridge_password(self) -> str:
        """Of the bridge at its broker; made on first use."""
        path = self.folder / BRIDGE_PASSWORD
        with self._changing():
            try:
                return _read_line(path)
            except FileNotFoundError:
                made = _new_secret()
                write_private(path, made.encode() + b"\n")
                return made

    def bridge_hash(self) -> str:
        """Of that password, with bcrypt: the same each time, so that a configuration made of it stays the same."""
        path = self.folder / BRIDGE_HASH
        password = self.bridge_password()
        with self._changing():
            try:
                found = _read_line(path)
            except FileNotFoundError:
                found = ""
            if not matches(password, found):
                found = bcrypt_of(password)
                write_private(path, found.encode() + b"\n")
        return found

    @staticmethod
    def _known(ring: _Ring, device_id: str) -> DeviceKeys:
        try:
            return ring.devices[device_id]
        except KeyError:
            raise ConfigError(
                f"{device_id[:80]} has no key; `pixeltrail keys list` shows those that do"
            ) from None

    def _read(self) -> _Ring:
        try:
            return msgspec.json.decode(read_file(self.path, MOST_RING_BYTES), type=_Ring)
        except FileNotFoundError:
            return _Ring()
        except (OSError, ValueError, RecursionError) as error:  # msgspec's own is a ValueError
            raise LocalError(
                f"{self.path} cannot be read: {error}; restore it, or delete it and begin anew"
            ) from None

    @contextmanager
    def _changing(self) -> Iterator[_Ring]:
        with locked(self.folder):
            ring = self._read()
            before = msgspec.json.encode(ring)
            yield ring
            after = msgspec.json.encode(ring)
            if after != before:
                write_private(self.path, after)


def _read_line(path: Path) -> str:
    """FileNotFoundError; LocalError: it cannot be read."""
    try:
        return read_file(path).decode("ascii").strip()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"{path} cannot be read: {error}; delete it, and it is made anew") from None


def bcrypt_of(secret: str) -> str:
    import bcrypt

    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()


def matches(secret: str, hashed: str) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(secret.encode(), hashed.encode())
    except ValueError:
        return False


def mosquitto_of(secret: str) -> str:
    """As in a file of `mosquitto_passwd`: $7$rounds$salt$hash of PBKDF2-HMAC-SHA512, in base64."""
    salt = os.urandom(_MOSQUITTO_SALT)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, _MOSQUITTO_ROUNDS)
    texts = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("$7", str(_MOSQUITTO_ROUNDS), *texts))


def _key(number: int, secret: str, now_ms: int) -> Key:
    return Key(number, now_ms, bcrypt_of(secret), mosquitto_of(secret))


def _new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(_KEY_BYTES)).decode().lower()
