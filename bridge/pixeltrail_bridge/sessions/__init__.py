"""Time, identity and sampling of sessions. Pure: no I/O, no clock of its own."""
