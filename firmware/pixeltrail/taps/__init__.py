"""Taps hand the recorder a display's buffer and tell it of every refresh, without a copy.

A tap is any object with these attributes, so one for another kind of driver is a few lines:

    buffer, width, height, format, pitch    as the encoder takes them: `format` one of the numbers of wire.py, `pitch`
                                            the bytes from one row to the next, 0 when rows lie without gaps. `buffer`
                                            None: nobody sees the pixels, and the display is reported as unknown
    palette, rotation                       R, G, B bytes of each index or None; quarter turns
    attach(refreshed)                       call refreshed() after each refresh, when buffer and panel are the same
    detach()                                leave the display as it was

Two more for displays that change while they run: look(), which the recorder calls at each refresh, and `version`, which
look() counts up when an attribute above is another one. And one for displays without a refresh, which show at once what
is drawn: `is_changed`, set by the tap and cleared by the recorder, which then takes a picture at its own pace.

And one for displays that change in known places alone: `areas` (areas.py), where the tap notes each one before it
calls refreshed(); what lies elsewhere is not hashed.

An error in attach is the application's to see. Later ones are contained, and three in a row turn the tap off. A tap
that does more inside the application's drawing than to call refreshed() keeps its errors (net.py) for look() to raise.
"""
