# WIDTH HEIGHT FORMAT: prints the modules that a recorder on such a display, with a serial line, has loaded.
import sys

import panel as panels
import pixeltrail.transport.serial  # noqa: F401 - a board has one transport at least

width, height, format = [int(word) for word in sys.argv[1:4]]
panels.settle(*panels.make(width, height, format))
for name in sorted(sys.modules):
    if name.startswith("pixeltrail"):
        print(name)
