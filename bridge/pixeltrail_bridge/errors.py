"""The bridge's exception tree: whose fault it is, and what to do.

`LocalError`: we, or the person who set the bridge up, misused something.
`PeerError`: a device, a broker or a file sent it. `StoreError`: the database.
Messages name what was read, the field, what was expected and what came, and
end in a remedy where there is one.
"""

from __future__ import annotations


class PixeltrailError(Exception):
    """Base of every error that the bridge raises on purpose."""


class LocalError(PixeltrailError):
    """Wrong use or set-up on this machine."""


class ConfigError(LocalError):
    """A setting that is missing, unknown or wrong."""


class InUseError(LocalError):
    """Another process has what only one may have at a time."""


class PeerError(PixeltrailError):
    """Something that another party sent breaks the contract."""


class StoreError(PixeltrailError):
    """The database cannot be opened, read or written."""


class StoreAway(StoreError):
    """The database's server does not answer, or not yet."""


class StoreFailure(StoreError):
    """The database must not be used again by this process: a write failed below it, or it is damaged."""


class WireError(PeerError):
    """A message that cannot be read as a whole.

    `message` is the kind of message, `field` what is wrong in it. `stream` and
    `seq` are set when a chunk's head could be read all the same, so that a
    receiver can count the chunk as come.
    """

    def __init__(
        self,
        message: str,
        field: str,
        expected: str,
        got: object,
        *,
        offset: int | None = None,
        stream: bytes | None = None,
        seq: int | None = None,
    ) -> None:
        self.message, self.field, self.expected = message, field, expected
        self.offset, self.stream, self.seq = offset, stream, seq
        self.got = shorten(got)
        super().__init__(message, field, expected)

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at byte {self.offset}"
        return (
            f"{self.message}: {self.field}{where} must be {self.expected}, got {self.got}; "
            "see schema/wire.cddl, and update the device library if it is older than the bridge"
        )


class UnknownMessageError(WireError):
    """A message of a kind that this version does not know: counted, not kept."""


class FrameError(PeerError):
    """A frame that cannot be painted: a bad payload, or a picture that fails its checksum."""


def shorten(value: object, limit: int = 60) -> str:
    """`value` as text of bounded length, safe to print: bytes as hex."""
    if isinstance(value, bytes | bytearray | memoryview):
        head = bytes(value[: limit // 2])
        text = f"{head.hex()} ({len(value)} bytes)"
    else:
        text = repr(value) if isinstance(value, int | str | float | None) else type(value).__name__
    return text if len(text) <= limit + 20 else text[:limit] + "..."
