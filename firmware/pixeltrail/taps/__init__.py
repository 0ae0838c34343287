"""Taps hand the recorder a display's buffer and tell it of every refresh, without a copy.

A tap is any object with these attributes, so one for another kind of driver is a few lines:

    buffer, width, height, format, pitch    as the encoder takes them: `format` one of the numbers of wire.py, `pitch`
                                            the bytes from one row to the next, 0 when rows lie without gaps
    palette, rotation                       R, G, B bytes of each index or None; quarter turns
    attach(refreshed)                       call refreshed() after each refresh, when buffer and panel are the same
    detach()                                leave the display as it was
"""
