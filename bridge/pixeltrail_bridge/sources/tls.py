"""TLS towards a broker: whom to trust, and who we are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. `ca`: the authority to trust in place of the system's; `cert` and `key`: this bridge's own."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, certificate and host name checked. ConfigError: a file is missing or no such thing."""
        if self.cert is None and self.key is not None:
            raise ConfigError("mqtt.key_file is the key of a certificate; name that in mqtt.cert_file")
        try:
            context = ssl.create_default_context(cafile=self.ca)
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


def _fault(name: str, path: Path | None, error: Exception, expected: str) -> ConfigError:
    why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
    return ConfigError(f"mqtt.{name} = {path}: {why}; expected {expected}")
