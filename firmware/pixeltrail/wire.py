"""Numbers of the wire contract, as the device uses them.

Names and values follow schema/wire.cddl; tests/wire compares the two. This
module imports nothing but `const` and holds no behaviour.
"""

from micropython import const

VERSION = const(1)
U30_LIMIT = const(1 << 30)  # integers from here on are heap objects on 32-bit boards
STREAM_ID_BYTES = const(8)
BRIDGE_ID_BYTES = const(8)
MAX_CHUNK = const(4096)
DEFAULT_CHUNK = const(1024)
MAX_NAME = const(200)
MAX_TEXT = const(1024)
MAX_DEPTH = const(8)
DEFAULT_WINDOW = const(16)

# second item of a message that is not a chunk
SYNC = const(1)
ACK = const(2)
SESSION = const(3)
CONFIG = const(4)
KEYFRAME_REQUEST = const(5)
TIME = const(6)
OPT_OUT_ORDER = const(7)
NEW_STREAM = const(8)
HOST_HELLO = const(9)

# kinds of record
HELLO = const(1)
DISPLAY = const(2)
SESSION_START = const(3)
SESSION_END = const(4)
TOUCH = const(5)
KEY = const(6)
TRACK = const(7)
SCREEN = const(8)
IDENTIFY = const(9)
GROUP = const(10)
ALIAS = const(11)
GAP = const(12)
VITALS = const(13)
LOG = const(14)
MASKS = const(15)
UNKNOWN_AREA = const(16)
OPT_OUT = const(17)

# flags byte of a frame; bits 5..7 are the payload type
FRAME_KEY = const(1)
FRAME_FIRST = const(2)
FRAME_LAST = const(4)
FRAME_MIXED = const(8)
FRAME_RESET = const(16)
FRAME_TYPE_SHIFT = const(5)
PAYLOAD_PX = const(0)
PAYLOAD_CX = const(1)
FRAME_CHECKSUM_BYTES = const(4)

# pixel formats, in the byte order of the display's buffer
MONO_VLSB = const(0)
MONO_HLSB = const(1)
MONO_HMSB = const(2)
GS2_HMSB = const(3)
GS4_HMSB = const(4)
GS8 = const(5)
RGB565 = const(6)  # little-endian, as framebuf stores it
RGB565S = const(7)  # big-endian, as panels take it
RGB332 = const(8)

# touch and key phases
DOWN = const(0)
MOVE = const(1)
UP = const(2)
CANCEL = const(3)
TURN = const(4)

# reasons of a gap record
GAP_OUTBOX_FULL = const(1)
GAP_OPT_OUT = const(2)
GAP_ENCODER = const(3)
GAP_TOO_LARGE = const(4)
GAP_FREED = const(5)  # made by the bridge: freed before this store existed

# reasons of a boot
BOOT_UNKNOWN = const(0)
BOOT_POWER_ON = const(1)
BOOT_RESET = const(2)
BOOT_WATCHDOG = const(3)
BOOT_DEEP_SLEEP = const(4)
BOOT_SOFT_RESET = const(5)

# quality of the device's own clock
CLOCK_NONE = const(0)
CLOCK_ESTIMATED = const(1)
CLOCK_GOOD = const(2)

# keys of the vitals map
VITAL_HEAP_FREE = const(1)
VITAL_HEAP_USED = const(2)
VITAL_FRAMES = const(3)
VITAL_SKIPPED = const(4)
VITAL_REFUSED = const(5)
VITAL_MIXED = const(6)
VITAL_BYTES = const(7)
VITAL_LONGEST_STEP_US = const(8)
VITAL_RSSI = const(9)
VITAL_BATTERY_MV = const(10)
VITAL_ERRORS = const(11)
VITAL_RESENT = const(12)
VITAL_REFUSED_CALLS = const(13)
