"""Stand-ins for displays' drivers: their methods' names and arguments, buffers and byte orders; the panel is an array.

Each says which driver it stands for. They draw with `pixel` alone, where the drivers inherit from framebuf, so that
they run on CPython as well.
"""
