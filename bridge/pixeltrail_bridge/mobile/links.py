"""How an app and a device find each other: a short token that the device shows, as text or as a QR code.

The token is made of the device's session on both sides, so nothing has to be told to the device: seven letters and
digits (Crockford's base 32, without I, L, O and U) of xxHash32 over "link:" and the Replay ID. It is good while that
session runs. It keeps strangers from guessing, not a person who can see the display.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final

from ..sessions.sampling import xxh32
from ..store import apps
from ..store.sql import Connection

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TOKEN_CHARACTERS: Final = 7
MOST_SESSIONS: Final = 10_000  # that are looked at for a token
_LOOKALIKES: Final = str.maketrans("ILO", "110", "- ")


def link_token(replay_id: str) -> str:
    """The token of a session, `replay_id` being <device>/<session>."""
    value = xxh32(b"link:" + replay_id.encode())
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(TOKEN_CHARACTERS)))


def clean_token(text: str) -> str:
    """As a person may have typed it: case, spaces and look-alikes do not matter."""
    return text[:40].upper().translate(_LOOKALIKES)


def find_device(db: Connection, token: str, now_ms: int) -> str | None:
    """The device whose running session has this token; None for none, and for two."""
    wanted = clean_token(token)
    if len(wanted) != TOKEN_CHARACTERS or not wanted.isascii():
        return None
    found = {
        device_id
        for device_id, session_id in apps.open_sessions(db, now_ms, MOST_SESSIONS)
        if hmac.compare_digest(link_token(f"{device_id}/{session_id}"), wanted)
    }
    return found.pop() if len(found) == 1 else None


def own_message_id(key: str, content: bytes | str) -> str:
    """A message ID for an event that brings none, or one that is not its to take."""
    digest = blake2b(digest_size=16)
    for part in (key.encode("utf-8", "replace"), content if isinstance(content, bytes) else content.encode()):
        digest.update(len(part).to_bytes(4) + part)
    return f"app-{digest.hexdigest()}"
