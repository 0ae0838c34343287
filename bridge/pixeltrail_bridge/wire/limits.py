"""Limits of the wire contract (schema/wire.cddl), with the reason of each.

Everything here is checked before work is done on a message.
"""

import re
from typing import Final

VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 4096  # a device never sends more; above it TLS stacks of boards split writes
MAX_RECORDS: Final = 512  # records of a chunk; 8 bytes is the shortest useful one
MAX_DEPTH: Final = 8  # nesting of properties; Amplitude stops at 40, boards run out of stack at 20
MAX_ITEMS: Final = 2048  # CBOR items in one message, so that 4 KB of empty arrays is no bomb
MAX_NAME_BYTES: Final = 200
MAX_TEXT_BYTES: Final = 1024  # Amplitude cuts strings at 1,024
U30_MAX: Final = (1 << 30) - 1
I30_MIN: Final = -(1 << 30)
EPOCH_MAX: Final = (1 << 53) - 1  # an integer that JSON readers keep exact
MAX_SIDE_PX: Final = 1024
MAX_DISPLAY_PX: Final = 1024 * 1024
MAX_FRAME_RECTS: Final = 8192
STREAM_ID_BYTES: Final = 8
BRIDGE_ID_BYTES: Final = 8
DEVICE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{4,63}")
