"""Whether this port runs viper code."""

import sys

has_viper = False
if sys.implementation.name == "micropython":
    try:
        from .kernels import fnv as _probe  # noqa: F401

        has_viper = True
    except (SyntaxError, ValueError):  # no emitter: from source, from .mpy
        pass
