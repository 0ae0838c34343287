"""A small authority: its certificate, and those that it signs for servers and for devices.

    ca.pem, ca.key             the authority; the key is needed only to sign
    server.pem, server.key     of the broker inside and of the page
    bridge.pem, bridge.key     of the bridge towards a broker that asks for one

Keys are of the curve P-256, which every TLS library of a board knows. A certificate says what it is for, so that a
device's never passes for a server's, and the authority may sign no further ones.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import ConfigError, LocalError
from ..wire.limits import DEVICE_ID
from .files import (
    BRIDGE_CERT,
    BRIDGE_KEY,
    CA_CERT,
    CA_KEY,
    SERVER_CERT,
    SERVER_KEY,
    make_private_folder,
    write_private,
)

CA_DAYS: Final = 3_650
SERVER_DAYS: Final = 825  # what the strictest of browsers accept of an authority of one's own
DEVICE_DAYS: Final = 3_650  # a board has nobody to renew it
_EARLIER: Final = datetime.timedelta(hours=1)  # clocks that are a little slow
_HOST: Final = re.compile(
    r"(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, both in PEM."""

    cert: bytes
    key: bytes


class Authority:
    """The one of a folder. `open` raises LocalError when there is none, `make` when there is one already."""

    def __init__(self, folder: Path, cert: x509.Certificate, key: _Key) -> None:
        self.folder, self._cert, self._key = folder, cert, key

    @classmethod
    def make(cls, folder: Path, now: datetime.datetime | None = None) -> Authority:
        if (folder / CA_KEY).exists():
            raise LocalError(
                f"{folder} has an authority already; `pixeltrail keys renew` makes a server certificate"
            )
        make_private_folder(folder)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Pixeltrail authority {x509.random_serial_number() & 0xFFFFFF:06x}")
        builder = _builder(name, name, key, now or _now(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        cert = builder.sign(key, hashes.SHA256())
        write_private(folder / CA_KEY, _pem_key(key))
        write_private(folder / CA_CERT, cert.public_bytes(serialization.Encoding.PEM), 0o644)
        return cls(folder, cert, key)

    @classmethod
    def open(cls, folder: Path) -> Authority:
        try:
            cert = x509.load_pem_x509_certificate((folder / CA_CERT).read_bytes())
            key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
        except FileNotFoundError:
            raise LocalError(f"{folder} has no authority; `pixeltrail keys init HOST` makes one") from None
        except (OSError, ValueError, TypeError) as error:
            raise LocalError(f"{folder}: {CA_CERT} and {CA_KEY} cannot be read: {error}") from None
        assert isinstance(key, _Key)
        return cls(folder, cert, key)

    def issue_server(self, hosts: Sequence[str], now: datetime.datetime | None = None) -> None:
        """Write a server's certificate for these names and addresses. ConfigError: one of them is neither."""
        issued = self._issue(
            _name("Pixeltrail server"),
            [_general_name(host) for host in hosts],
            SERVER_DAYS,
            ExtendedKeyUsageOID.SERVER_AUTH,
            now,
        )
        write_private(self.folder / SERVER_KEY, issued.key)
        write_private(self.folder / SERVER_CERT, issued.cert, 0o644)

    def issue_bridge(self, now: datetime.datetime | None = None) -> None:
        """Write the bridge's own, for a broker that takes only clients with one."""
        issued = self._issue(
            _name("Pixeltrail bridge"), [], DEVICE_DAYS, ExtendedKeyUsageOID.CLIENT_AUTH, now
        )
        write_private(self.folder / BRIDGE_KEY, issued.key)
        write_private(self.folder / BRIDGE_CERT, issued.cert, 0o644)

    def issue_device(self, device_id: str, now: datetime.datetime | None = None) -> Issued:
        """For one device. `device_id` has been checked."""
        assert DEVICE_ID.fullmatch(device_id)
        return self._issue(_name(device_id), [], DEVICE_DAYS, ExtendedKeyUsageOID.CLIENT_AUTH, now)

    def _issue(
        self,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        days: int,
        purpose: x509.ObjectIdentifier,
        now: datetime.datetime | None,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._cert.subject, key, now or _now(), days)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for extension, is_critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.ExtendedKeyUsage([purpose]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ):
            builder = builder.add_extension(extension, is_critical)
        cert = builder.sign(self._key, hashes.SHA256())
        return Issued(cert.public_bytes(serialization.Encoding.PEM), _pem_key(key))


def server_names(cert_file: Path) -> list[str]:
    """The hosts that a certificate is for. LocalError: it cannot be read."""
    try:
        cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (OSError, ValueError) as error:
        raise LocalError(f"{cert_file}: {error}; expected a certificate in PEM") from None
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def ends_at(cert_file: Path) -> datetime.datetime:
    """When a certificate is over, in UTC. LocalError: it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(cert_file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise LocalError(f"{cert_file}: {error}; expected a certificate in PEM") from None


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ConfigError(
            f"{host[:60]!r} is no host name or address; write broker.example.org or 192.168.1.10"
        )
    return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _EARLIER).not_valid_after(now + datetime.timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_key(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
