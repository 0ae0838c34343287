"""Who may look and what they may do: a file of names, roles and hashes of passwords, kept by `pixeltrail users`.

Hashes are argon2id with the library's parameters, which are those of RFC 9106 for machines with little memory. A name
that nobody has costs the same time as a wrong password, so that names cannot be found out.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ..errors import ConfigError, LocalError
from ..keys.files import make_private_folder, write_private
from ..reading import MOST_BYTES, read_file

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")  # each may all that those before it may
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
SHORTEST: Final = 10  # characters of a password
LONGEST: Final = 1_024  # more would only cost time


class User(msgspec.Struct, frozen=True):
    """`password` is a hash, empty for somebody whom a proxy lets in. Logins from before `changed_ms` are over."""

    role: Role
    password: str
    changed_ms: int


class _File(msgspec.Struct):
    version: int = 1
    users: dict[str, User] = {}


def may(role: str | None, wanted: Role) -> bool:
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)


class Users:
    """The file is read again when it has changed. LocalError: it cannot be used; ConfigError: the person's mistake."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._users: Mapping[str, User] = {}

    def all(self) -> Mapping[str, User]:
        """By name, in their order."""
        stamp = self._look()
        if stamp != self._stamp:
            self._users = dict(sorted(self._read().users.items()))
            self._stamp = stamp
        return self._users

    def get(self, name: str) -> User | None:
        return self.all().get(name)

    def check(self, name: str, password: str) -> User | None:
        """The user, if that is the password. Takes tens of ms on purpose: for a thread."""
        user = self.get(name)
        hashed = user.password if user is not None else ""
        is_right = _verify(hashed or _nobodys(), password[:LONGEST]) and len(password) <= LONGEST
        return user if is_right and hashed else None

    def add(self, name: str, role: str, password: str | None) -> None:
        """Without a password only a proxy lets them in."""
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name[:80]!r} is no user name; expected up to 64 letters, digits and . _ @ + -"
            )
        checked = _role(role)
        with self._changing() as file:
            if name in file.users:
                raise ConfigError(
                    f"{name} is there already; `pixeltrail users passwd {name}` gives another password"
                )
            file.users[name] = User(checked, _hash(password) if password is not None else "", _now_ms())

    def change(self, name: str, *, password: str | None = None, role: str | None = None) -> None:
        """Ends the logins of that user."""
        with self._changing() as file:
            user = self._known(file, name)
            hashed = _hash(password) if password is not None else user.password
            file.users[name] = User(_role(role) if role else user.role, hashed, _now_ms())

    def remove(self, name: str) -> None:
        with self._changing() as file:
            self._known(file, name)
            del file.users[name]

    @staticmethod
    def _known(file: _File, name: str) -> User:
        try:
            return file.users[name]
        except KeyError:
            raise ConfigError(
                f"there is no user {name[:80]}; `pixeltrail users list` shows those there are"
            ) from None

    def _look(self) -> tuple[int, ...]:
        try:
            state = self.path.stat()
        except OSError:
            return ()
        return state.st_mtime_ns, state.st_ino, state.st_size

    def _read(self) -> _File:
        try:
            return msgspec.json.decode(read_file(self.path, MOST_BYTES), type=_File)
        except FileNotFoundError:
            return _File()
        except (OSError, ValueError, RecursionError) as error:  # msgspec's own is a ValueError
            raise LocalError(
                f"{self.path} cannot be read: {error}; restore it, or delete it and begin anew"
            ) from None

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        if not self.path.parent.is_dir():
            make_private_folder(self.path.parent)
        with open(self.path.with_name(f".{self.path.name}.lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self._read()
            yield file
            write_private(self.path, msgspec.json.encode(file))


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise ConfigError(f"role {text[:40]!r}: expected one of {', '.join(ROLES)}")


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys() -> str:
    return str(_hasher().hash("the password of nobody"))


def _hash(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(f"a password has {SHORTEST} to {LONGEST:,} characters; choose another")
    return str(_hasher().hash(password))


def _verify(hashed: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return bool(_hasher().verify(hashed, password))
    except (Argon2Error, InvalidHashError):
        return False


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
