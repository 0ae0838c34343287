"""TLS: whom to trust, and who we are, towards a broker and as a server."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..errors import ConfigError
from ..reading import check_file, read_file

log = structlog.get_logger(__name__)

_BEGIN_OF_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. `ca`: the authority to trust in place of the system's; `cert` and `key`: this bridge's own.

    `pin`: the very certificate that is expected, for a server of our own whose file we have; its host name then does
    not matter. `section`: of the settings that name the files.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    pin: Path | None = None
    section: str = "mqtt"

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, certificate and host name checked. ConfigError: a file is missing or no such thing."""
        if self.cert is None and self.key is not None:
            raise ConfigError(
                f"{self.section}.key_file is the key of a certificate; name that in {self.section}.cert_file"
            )
        try:
            if self.ca is not None:
                check_file(self.ca)
            context = pinned(self.pin) if self.pin is not None else ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise _fault(
                f"{self.section}.ca_file", self.ca, error, "the certificate of an authority, in PEM"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            try:
                _load_chain(context, self.cert, self.key)
            except (OSError, ssl.SSLError) as error:
                expected = f"a certificate, and {self.section}.key_file its key without a passphrase, in PEM"
                raise _fault(f"{self.section}.cert_file", self.cert, error, expected) from None
        return context


def pinned(cert: Path) -> ssl.SSLContext:
    """Trusts the first certificate of a file alone: what others its authority signed counts for nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        first, end, _ = read_file(cert).decode("ascii").partition(_END_OF_CERTIFICATE)
        context.load_verify_locations(cadata=first[first.find(_BEGIN_OF_CERTIFICATE) :] + end)
    except (OSError, ValueError, ssl.SSLError) as error:
        raise _fault("mqtt.server_cert_file", cert, error, "a certificate, in PEM") from None
    return context


class ServerTls:
    """What a server of ours shows, read again by `renew` when its files have changed. ConfigError: as server_context.

    `context` stays the same one: whoever connects from then on sees the new certificate, and nobody is dropped, as long
    as `renew` runs where connections begin.
    """

    def __init__(self, cert: Path, key: Path | None, section: str) -> None:
        self._files = (cert, key, section)
        self._seen = self._stamps()
        self.context = server_context(*self._files)

    def renew(self) -> None:
        """Files that make no pair, as while they are written, change nothing until they are others again."""
        seen = self._stamps()
        if seen == self._seen:
            return
        self._seen, (cert, key, section) = seen, self._files
        try:
            server_context(*self._files)
            _load_chain(self.context, cert, key)
        except (ConfigError, OSError) as error:
            log.error("the certificate was not read again, the earlier one stays", error=str(error))
        else:
            log.info("certificate read again", section=section)

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple(stamp(path) for path in self._files[:2] if path is not None)


def stamp(path: Path) -> tuple[int, int]:
    """Differs when a file has been written or exchanged; the same while there is none."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_ino


def server_context(cert: Path, key: Path | None, section: str) -> ssl.SSLContext:
    """For a server of ours: TLS 1.2 or newer. ConfigError: the files are no certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _load_chain(context, cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{section}.cert_file = {cert}: {_why(error)}; expected a certificate, and {section}.key_file its key "
            "without a passphrase, in PEM"
        ) from None
    return context


def _load_chain(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """OSError, ssl.SSLError. A key with a passphrase would stop the bridge to ask for it."""
    for file in (cert, key):
        if file is not None:
            check_file(file)
    context.load_cert_chain(cert, key, password=lambda: b"")


def _fault(name: str, path: Path | None, error: Exception, expected: str) -> ConfigError:
    return ConfigError(f"{name} = {path}: {_why(error)}; expected {expected}")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    return str(error)
