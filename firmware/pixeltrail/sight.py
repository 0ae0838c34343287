"""What a recorder sees: the display that a tap shows, and the encoder of its buffer.

The attributes are those of the display as it was taken last. A tap may become another at any refresh, and be found
wanting, so records tell of what was taken and not of what the tap says just now.
"""

from .codec.encoder import Encoder

_DISPLAY_BYTES = 96  # of a chunk with a display record, but for the palette


def check_palette(settings, palette):
    """ValueError when a display record with these colours would not fit a chunk."""
    if palette is not None and settings.max_chunk < _DISPLAY_BYTES + len(palette):
        raise ValueError(
            "max_chunk must be at least %d for this palette, got %d"
            % (_DISPLAY_BYTES + len(palette), settings.max_chunk)
        )


class Unseen:
    """In the place of an encoder where there is none: what a display record has to say."""

    strip_width = 8
    strip_rows = 1


class Sight:
    def __init__(self, tap, settings):
        self.tap = tap
        self._settings = settings
        self.is_versioned = hasattr(tap, "version")
        self.version = 0
        self._buffer = None
        self._shape = None  # of the encoder; None: there is none
        self.encoder = Unseen()
        self.width, self.height, self.format = tap.width, tap.height, tap.format
        self.palette, self.rotation = tap.palette, tap.rotation

    @property
    def is_blind(self):
        """True when there are no pixels to be had."""
        return self._shape is None

    def is_another(self):
        """True when the tap, which has looked at its display, found another. ValueError: none that can be told of."""
        if self.tap.version == self.version:
            return False
        check_palette(self._settings, self.tap.palette)
        return True

    def needs_encoder(self):
        """Let the encoder go if it is not the display's any more. True: everyone else should, before `take`."""
        if self._buffer is self.tap.buffer and self._shape == self._tap_shape():
            return False
        self.encoder = Unseen()
        self._shape = None
        return True

    def take(self):
        """Follow the tap. Allocates."""
        tap = self.tap
        if self._shape is None and tap.buffer is not None:
            shape = self._tap_shape()
            self.encoder = Encoder(
                tap.buffer,
                tap.width,
                tap.height,
                tap.format,
                pitch=tap.pitch,
                references=self._settings.references,
                areas=getattr(tap, "areas", None),
            )
            self._shape = shape
        self._buffer = tap.buffer
        self.width, self.height, self.format = tap.width, tap.height, tap.format
        self.palette, self.rotation = tap.palette, tap.rotation
        if self.is_versioned:
            self.version = tap.version

    def _tap_shape(self):
        tap = self.tap
        return tap.width, tap.height, tap.format, tap.pitch
