"""TLS around a connected socket: what is verified, by which certificates, and what a refusal means.

Loaded only where it is asked for. `wrap` begins no key exchange: the first writes do, and return None until it is
done, so a peer that stalls in the middle of it holds nothing up. Each of those writes goes as far as the bytes that
came allow; on a microcontroller the longest computes for some hundred milliseconds.

The peer's certificate is always verified, unless `verify` is False: against `ca` and against `server_name`, by default
the host. MicroPython has no certificates of its own, so there `ca` must be given. Dates count as well: a board whose
clock was never set takes every certificate for one of the future.
"""

import sys

_KEYS = ("ca", "server_name", "cert", "key", "verify")
_IS_MICROPYTHON = sys.implementation.name == "micropython"


class Secure:
    """`asked`: True, a dict of ca, server_name, cert, key (each a path, or DER or PEM bytes) and verify, or a context
    of the port's own that was set up by the caller."""

    def __init__(self, asked, host):
        self._server_name = host
        if asked is True:
            asked = {}
        if not isinstance(asked, dict):
            if not hasattr(asked, "wrap_socket"):
                raise ValueError("MQTT tls must be True, a dict or an SSLContext, got %r" % (asked,))
            self._context = asked
            return
        for name in asked:
            if name not in _KEYS:
                raise ValueError("MQTT tls has no %r; it has %s" % (name, ", ".join(_KEYS)))
        if ("cert" in asked) != ("key" in asked):
            raise ValueError("MQTT tls needs both cert and key, or neither")
        self._server_name = asked.get("server_name", host)
        if _IS_MICROPYTHON:
            self._context = _small_context(asked)
        else:
            self._context = _context(asked)

    def wrap(self, sock):
        wrapped = self._context.wrap_socket(
            sock, server_hostname=self._server_name, do_handshake_on_connect=False
        )
        return wrapped if _IS_MICROPYTHON else _Stream(wrapped)


def explain(error):
    """What a person can do about an error of the key exchange."""
    text = getattr(error, "verify_message", None) or " ".join(str(error).split())
    low = text.lower()
    if "expired" in low:
        return "TLS: the broker's certificate has expired, or the device's clock is wrong (%s)" % text
    if "future" in low or "not yet valid" in low:
        return "TLS: the broker's certificate is not valid yet; is the device's clock set? (%s)" % text
    if "match" in low:
        return "TLS: the broker's certificate is for another host; see server_name (%s)" % text
    if "signed" in low or "issuer" in low:
        return "TLS: the broker's certificate is not signed by the given ca (%s)" % text
    return "TLS: %s" % text


def _small_context(asked):
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if not asked.get("verify", True):
        context.verify_mode = tls.CERT_NONE  # pyright: ignore[reportAttributeAccessIssue]
    elif "ca" in asked:
        context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore[reportAttributeAccessIssue]
        context.load_verify_locations(_der(asked["ca"]))
    else:
        raise ValueError(
            "MQTT tls needs the broker's ca, as tls={'ca': 'ca.pem'}: MicroPython has none of its own"
        )
    if "cert" in asked:
        context.load_cert_chain(_der(asked["cert"]), _der(asked["key"]))
    return context


def _der(given):
    """DER bytes of the first object in a file or of given bytes: few ports read PEM."""
    if isinstance(given, str):
        with open(given, "rb") as file:
            given = file.read()
    at = given.find(b"-----BEGIN ")
    if at < 0:
        return given
    at = given.find(b"\n", at)
    end = given.find(b"-----END ", at)
    if at < 0 or end < 0:
        raise ValueError("MQTT tls: a PEM file that ends early")
    import binascii

    return binascii.a2b_base64(given[at:end])


def _context(asked):
    import ssl

    ca = asked.get("ca")
    if isinstance(ca, bytes) and b"-----BEGIN " in ca:
        ca = ca.decode()
    if isinstance(ca, str) and "-----BEGIN " not in ca:
        context = ssl.create_default_context(cafile=ca)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        context = ssl.create_default_context(cadata=ca)  # pyright: ignore[reportAttributeAccessIssue]
    if not asked.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "cert" in asked:
        context.load_cert_chain(asked["cert"], asked["key"])
    return context


class _Stream:
    """CPython's TLS socket with the manners of MicroPython's: None for none now, 0 at the end."""

    def __init__(self, sock):
        import ssl

        self._socket = sock
        self._later = (
            ssl.SSLWantReadError,  # pyright: ignore[reportAttributeAccessIssue]
            ssl.SSLWantWriteError,  # pyright: ignore[reportAttributeAccessIssue]
        )

    def fileno(self):
        return self._socket.fileno()

    def readinto(self, buf):
        try:
            return self._socket.recv_into(buf)
        except self._later:
            return None

    def write(self, data):
        try:
            return self._socket.send(data)
        except self._later:
            return None

    def close(self):
        self._socket.close()
