"""TLS: whom to trust, and who we are, towards a broker and as a server."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError

_BEGIN_OF_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. `ca`: the authority to trust in place of the system's; `cert` and `key`: this bridge's own.

    `pin`: the very certificate that is expected, for a server of our own whose file we have; its host name then does
    not matter.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    pin: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, certificate and host name checked. ConfigError: a file is missing or no such thing."""
        if self.cert is None and self.key is not None:
            raise ConfigError("mqtt.key_file is the key of a certificate; name that in mqtt.cert_file")
        try:
            context = pinned(self.pin) if self.pin is not None else ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise _fault("ca_file", self.ca, error, "the certificate of an authority, in PEM") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            try:
                # A key with a passphrase would stop the bridge to ask for it
                context.load_cert_chain(self.cert, self.key, password=lambda: b"")
            except (OSError, ssl.SSLError) as error:
                expected = "a certificate, and mqtt.key_file its key without a passphrase, in PEM"
                raise _fault("cert_file", self.cert, error, expected) from None
        return context


def pinned(cert: Path) -> ssl.SSLContext:
    """Trusts the first certificate of a file alone: what others its authority signed counts for nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        first, end, _ = cert.read_text(encoding="ascii").partition(_END_OF_CERTIFICATE)
        context.load_verify_locations(cadata=first[first.find(_BEGIN_OF_CERTIFICATE) :] + end)
    except (OSError, ValueError, ssl.SSLError) as error:
        raise _fault("server_cert_file", cert, error, "a certificate, in PEM") from None
    return context


def server_context(cert: Path, key: Path | None, section: str) -> ssl.SSLContext:
    """For a server of ours: TLS 1.2 or newer. ConfigError: the files are no certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
        raise ConfigError(
            f"{section}.cert_file = {cert}: {why}; expected a certificate, and {section}.key_file its key without a "
            "passphrase, in PEM"
        ) from None
    return context


def _fault(name: str, path: Path | None, error: Exception, expected: str) -> ConfigError:
    why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
    return ConfigError(f"mqtt.{name} = {path}: {why}; expected {expected}")
