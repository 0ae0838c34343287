"""Types of the device library, for editors and type checkers. The library itself carries none: they would cost memory.

docs/device.md says what each setting and call does, docs/taps.md what each tap is for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol, TypeAlias, TypedDict, TypeVar

from typing_extensions import Unpack

__all__ = (
    "CANCEL",
    "DOWN",
    "File",
    "MOVE",
    "MQTT",
    "Recorder",
    "Serial",
    "TURN",
    "UP",
    "c_tap",
    "direct_tap",
    "epaper_tap",
    "luma_tap",
    "lvgl_tap",
    "pico_tap",
    "signed",
    "tap",
)

DOWN: Final = 0
MOVE: Final = 1
UP: Final = 2
CANCEL: Final = 3
TURN: Final = 4

_Phase: TypeAlias = Literal[0, 1, 2, 3, 4]
_Rectangle: TypeAlias = tuple[int, int, int, int]  # x, y, width, height
_Properties: TypeAlias = Mapping[str, Any]
_Buffer: TypeAlias = bytearray | memoryview
_Format: TypeAlias = (
    Literal[
        "MONO_VLSB", "MONO_HLSB", "MONO_HMSB", "GS2_HMSB", "GS4_HMSB", "GS8", "RGB565", "RGB565S", "RGB332"
    ]
    | int
)
_Level: TypeAlias = Literal[0, 1, 2, 3, 4, "none", "error", "warn", "info", "debug"]

class _Tap(Protocol):
    """What a recorder asks of a tap; docs/device.md says how to write one."""

    @property
    def buffer(self) -> Any: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def format(self) -> int: ...
    @property
    def pitch(self) -> int: ...
    @property
    def palette(self) -> bytes | None: ...
    @property
    def rotation(self) -> int: ...
    def attach(self, refreshed: Callable[[], None]) -> None: ...
    def detach(self) -> None: ...

class _Transport(Protocol):
    """What a recorder asks of a transport, among other things."""

    def attach(self, device_id: str, max_message: int = ...) -> None: ...
    def poll(self, now_ms: int) -> None: ...
    def can_send(self) -> bool: ...

class _Line:
    needs_host_hello: bool
    write_only: bool
    errors: int
    connected: bool
    def attach(self, device_id: str, max_message: int = 1024) -> None: ...
    def poll(self, now_ms: int) -> None: ...
    def can_send(self) -> bool: ...
    def send(self, buf: _Buffer, start: int, length: int) -> bool: ...
    def receive(self) -> int: ...
    def close(self) -> None: ...

class _Settings(TypedDict, total=False):
    device_id: str | None
    app: str
    app_version: str
    board: str | None
    sample_rate: float
    auto_start: bool
    enabled: Callable[[], bool] | None
    session_timeout_ms: int
    lifecycle_events: bool
    enable_remote_config: bool
    opt_out: bool
    on_opt_out: Callable[[bool], None] | None
    masks: Sequence[_Rectangle]
    mask_all: bool | Sequence[_Rectangle]
    mask_keys: bool
    blind: Sequence[_Rectangle]
    max_fps: float
    max_step_ms: int
    keyframe_interval_s: int
    exact: bool | None
    references: int
    max_chunk: int
    linger_ms: int
    outbox_bytes: int | None
    flash_spool_bytes: int
    flash_spool_folder: str
    vitals_interval_s: int
    on_busy: Callable[[bool], None] | None
    state_file: str | None
    log_level: _Level
    debug_mode: bool
    clock: Any

class Recorder:
    """Records what a display shows. Raises ValueError for a setting that cannot be meant, and nothing afterwards."""

    errors: int
    """Errors contained since the recorder was made."""
    idle: bool
    """The newest refresh is wholly in chunks, or there is nothing to record."""
    drained: bool
    """The bridge has everything."""

    def __init__(self, display: _Tap | Any, transport: _Transport, **settings: Unpack[_Settings]) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def paused(self) -> AbstractContextManager[Any]: ...
    def quiet(self) -> AbstractContextManager[Any]: ...
    def background(self, is_background: bool = True) -> None: ...
    def new_session(self) -> None: ...
    def opt_out(self, is_out: bool = True) -> None: ...
    def mask(self, x: int, y: int, width: int, height: int) -> None: ...
    def unmask(self, x: int, y: int, width: int, height: int) -> None: ...
    def mark_dirty(self) -> None: ...
    def session_id(self) -> int: ...
    def replay_id(self) -> str | None: ...
    def track(self, event: str, properties: _Properties | None = None) -> None: ...
    def screen(self, name: str, properties: _Properties | None = None) -> None: ...
    def identify(self, user: str | None, traits: _Properties | None = None) -> None: ...
    def group(self, group_id: str, traits: _Properties | None = None) -> None: ...
    def alias(self, user: str, previous: str | None = None) -> None: ...
    def touch(self, x: int, y: int, phase: _Phase = 0) -> None: ...
    def key(self, name: str, phase: _Phase = 0, amount: int = 0) -> None: ...
    def log(self, text: str, level: int = 3) -> None: ...
    def crash(self, error: BaseException) -> None: ...
    def vitals(self, rssi: int | None = None, battery_mv: int | None = None) -> None: ...
    def capture(self) -> None: ...
    def flush(self) -> None: ...
    def poll(self) -> None: ...
    async def run(self) -> None: ...
    def stats(self) -> dict[str, Any]: ...

class MQTT(_Line):
    def __init__(
        self,
        host: str,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        tls: Any = None,
        dns: Any = None,
        keepalive_s: int = 30,
        prefix: str = "pt/v1",
        rx_bytes: int = 512,
    ) -> None: ...

class Serial(_Line):
    """`stream_or_path`: a UART or other stream, a path, or "repl"."""

    def __init__(self, stream_or_path: Any, rx_bytes: int = 512) -> None: ...
    def host_is(self, is_there: bool) -> None: ...

class File(_Line):
    def __init__(self, path: str, framed: bool = False) -> None: ...

_Signed = TypeVar("_Signed", bound=_Transport)

def signed(transport: _Signed, key: str) -> _Signed:
    """The same transport, which signs what it sends and takes only what is signed. `key`: NUMBER:HEX."""

class _Attributes:
    buffer: Any
    width: int
    height: int
    format: int
    pitch: int
    palette: bytes | None
    rotation: int
    version: int
    def attach(self, refreshed: Callable[[], None]) -> None: ...
    def detach(self) -> None: ...
    def look(self) -> None: ...

class tap(_Attributes):
    """A display that draws into a buffer and shows it with a method of its own."""

    def __init__(
        self,
        display: Any,
        buffer: _Buffer | None = None,
        format: _Format | None = None,
        width: int | None = None,
        height: int | None = None,
        pitch: int = 0,
        palette: Iterable[int] | None = None,
        rotation: int = 0,
        hook: str | None = None,
    ) -> None: ...
    def change(
        self,
        buffer: _Buffer | None = None,
        width: int | None = None,
        height: int | None = None,
        palette: Iterable[int] | None = None,
        rotation: int | None = None,
    ) -> None: ...
    def known(self, finder: Any, name: str, lut: Any = None) -> tap: ...

class direct_tap(_Attributes):
    """A driver in plain Python without a buffer: st7789py, gc9a01py, ili9341."""

    is_changed: bool
    def __init__(
        self,
        display: Any,
        shadow: bytearray | None = None,
        width: int | None = None,
        height: int | None = None,
        format: int = 7,
    ) -> None: ...

class c_tap(_Attributes):
    """A driver in C without a buffer: gc9a01_mpy, st7789_mpy. Draw through `display`."""

    display: Any
    unseen: int
    is_changed: bool
    def __init__(
        self,
        display: Any,
        shadow: bytearray | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None: ...

class lvgl_tap(_Attributes):
    """LVGL, through either binding."""

    def __init__(
        self,
        display: Any,
        shadow: _Buffer | None = None,
        flush: Callable[[Any, Any, Any], Any] | None = None,
        format: _Format = "RGB565",
        width: int | None = None,
        height: int | None = None,
        is_direct: bool = False,
    ) -> None: ...

class pico_tap(_Attributes):
    """PicoGraphics. Draw through `display`."""

    display: Any
    def __init__(
        self,
        graphics: Any,
        pen: int | str,
        shadow: bytearray | None = None,
        palette: Iterable[int] | None = None,
    ) -> None: ...

class epaper_tap(_Attributes):
    """E-paper drivers that are handed a picture."""

    def __init__(
        self,
        display: Any,
        format: _Format = "MONO_HLSB",
        buffer: bytearray | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None: ...

class luma_tap(_Attributes):
    """A device of luma.core, on CPython."""

    def __init__(self, device: Any) -> None: ...
