"""Where packed sessions lie: a folder, or S3-compatible storage.

An object is written once and never changed; its name is the digest of its bytes, so that writing it again changes
nothing and no name comes from outside. Whatever goes wrong is an ObjectError that names the place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast
from urllib.parse import urlsplit

from ..errors import ConfigError, StoreError

if TYPE_CHECKING:
    from obstore.store import S3Store

SUFFIX: Final = ".ptr"
_PART: Final = ".part"


class ObjectError(StoreError):
    """An object cannot be written or read now, or is damaged."""


class Objects(Protocol):
    """All methods block. `name` is hexadecimal."""

    place: str

    def scratch(self) -> Path:
        """A folder for a file that is to be put."""
        ...

    def put(self, name: str, file: Path) -> None:
        """Take a file; it is durable when this returns. The file itself may be gone afterwards."""
        ...

    def get(self, name: str, start: int, end: int) -> bytes: ...
    def delete(self, name: str) -> None: ...
    def names(self) -> Iterator[str]: ...


class FolderObjects:
    """`folder/ab/abcd....ptr`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def scratch(self) -> Path:
        with self._explained("cannot be written"):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def put(self, name: str, file: Path) -> None:
        with self._explained("cannot be written"):
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as written:
                os.fsync(written.fileno())
            file.replace(path)
            for folder in (path.parent, self._folder):
                _sync_folder(folder)

    def get(self, name: str, start: int, end: int) -> bytes:
        with self._explained("cannot be read"), self.path(name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def delete(self, name: str) -> None:
        with self._explained("cannot be deleted"), suppress(FileNotFoundError):
            self.path(name).unlink()

    def names(self) -> Iterator[str]:
        with self._explained("cannot be read"):
            yield from sorted(path.stem for path in self._folder.glob(f"??/*{SUFFIX}"))

    def path(self, name: str) -> Path:
        return self._folder / name[:2] / (name + SUFFIX)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            named = error.filename or self.place
            raise ObjectError(f"{named} {what}: {error.strerror}; packed recordings lie there") from error


class S3Objects:
    """`s3://bucket/prefix`; `endpoint` for a service other than Amazon's. Without a key, obstore looks for one."""

    def __init__(
        self,
        url: str,
        *,
        scratch: Path,
        endpoint: str = "",
        region: str = "",
        key_id: str = "",
        secret: str = "",
    ) -> None:
        try:
            from obstore.store import S3Store
        except ImportError:
            raise ConfigError(
                f"packing.url = {url} needs obstore, which is not installed: pip install 'pixeltrail[s3]'"
            ) from None
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
            raise ConfigError(
                f"packing.url = {url}: expected s3://bucket/prefix, or nothing for the data folder"
            )
        self.place, self._scratch = url, scratch
        given = {"endpoint": endpoint, "region": region, "access_key_id": key_id, "secret_access_key": secret}
        options: dict[str, Any] = {name: value for name, value in given.items() if value}
        if endpoint.startswith("http://"):
            options["client_options"] = {"allow_http": True}
        prefix = parts.path.strip("/")
        self._store: S3Store = S3Store(parts.netloc, prefix=prefix or None, retry_config=_RETRIES, **options)

    def scratch(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def put(self, name: str, file: Path) -> None:
        import obstore

        with self._explained("cannot be written"):
            obstore.put(self._store, name + SUFFIX, file)

    def get(self, name: str, start: int, end: int) -> bytes:
        import obstore

        with self._explained("cannot be read"):
            return bytes(obstore.get_range(self._store, name + SUFFIX, start=start, end=end))

    def delete(self, name: str) -> None:
        import obstore

        with self._explained("cannot be deleted"), suppress(FileNotFoundError):
            obstore.delete(self._store, name + SUFFIX)

    def names(self) -> Iterator[str]:
        import obstore

        with self._explained("cannot be listed"):
            for some in obstore.list(self._store):
                yield from (str(one["path"]).removesuffix(SUFFIX) for one in some)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            words = " ".join(str(error).split())[:200]
            raise ObjectError(f"{self.place} {what}: {words}; packed recordings lie there") from error


_RETRIES: Final[Any] = {"max_retries": 2}


@contextmanager
def scratch_file(objects: Objects) -> Iterator[BinaryIO]:
    """A file to be put; it goes with the block where it still lies there."""
    folder = objects.scratch()
    try:
        with tempfile.NamedTemporaryFile("w+b", dir=folder, suffix=_PART, delete=False) as file:
            try:
                yield cast(BinaryIO, file)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(file.name)
    except OSError as error:
        raise ObjectError(
            f"{folder} cannot be written: {error.strerror}; packed recordings lie there"
        ) from error


def probe(objects: Objects) -> None:
    """Put an object, read it and delete it. ObjectError: the place would not do."""
    data = b"pixeltrail checks whether objects can be kept here"
    name = blake2b(data + os.urandom(16), digest_size=20).hexdigest()
    with scratch_file(objects) as file:
        file.write(data)
        file.flush()
        objects.put(name, Path(file.name))
    if objects.get(name, 0, len(data)) != data:
        raise ObjectError(
            f"{objects.place} gives back other bytes than it was given; packed recordings lie there"
        )
    objects.delete(name)


def sweep_scratch(objects: Objects) -> None:
    """Remove what a killed process left; only while nobody else packs into the same folder."""
    for path in objects.scratch().glob(f"*{_PART}"):
        with suppress(OSError):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
