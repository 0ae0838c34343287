"""zstd -19 --long over the whole recording: unlimited memory, no seeking, no times. Not a peer a device could be."""

from __future__ import annotations

import zstandard

_LEVEL = 19
_WINDOW_LOG = 27


def _size(data: bytes) -> int:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=len(data), window_log=_WINDOW_LOG, enable_ldm=True
    )
    compressed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    assert zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).decompress(compressed) == data
    return len(compressed)


def zstd_long(frames: list[bytes]) -> int:
    """Bytes for all frames but the first: of the frames as they are, or of their XORs, whichever is smaller."""
    import numpy as np

    arrays = [np.frombuffer(frame, np.uint8) for frame in frames]
    xors = [(b ^ a).tobytes() for a, b in zip(arrays, arrays[1:], strict=False)]
    first = _size(frames[0])
    return min(_size(b"".join(frames)), _size(frames[0] + b"".join(xors))) - first
