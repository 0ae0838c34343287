"""A short token that pairs a companion app with what is on the display now: shown as text, or as a QR code.

    from pixeltrail.pairing import link_token

    oled.text(link_token(rec) or "...", 0, 0)

Seven letters and digits (Crockford's base 32: no I, L, O and U), made of device and session, so it changes with the
session and works for as long as that runs. The app hands it to the bridge, see docs/mobile-bridge.md. Costs nothing
unless imported.
"""

from micropython import const

from .xxh32 import xxh32

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = const(7)


def link_token(recorder):
    """The token, or None while nobody knows the session's ID. Allocates."""
    session_id = recorder.session_id()
    if session_id <= 0:
        return None
    return token_of("%s/%d" % (recorder._settings.device_id, session_id))


def token_of(replay_id):
    """The token of `<device ID>/<session ID>`."""
    value = xxh32(b"link:" + replay_id.encode())
    return "".join([_LETTERS[value >> 5 * i & 31] for i in range(_LENGTH - 1, -1, -1)])
