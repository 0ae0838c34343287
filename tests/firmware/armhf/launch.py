# SCRIPT ...: runs a script with the library loaded before. This port takes 4 KB of its 40 KB of stack for each level of
# import, a microcontroller's takes a tenth of that, and scripts that import each other would end at its limit.
import sys

try:
    import pixeltrail  # noqa: F401
except ImportError:
    pass
sys.argv.pop(0)
sys.path[0] = sys.argv[0].rpartition("/")[0]
with open(sys.argv[0]) as _script:
    exec(compile(_script.read(), sys.argv[0], "exec"), {"__name__": "__main__"})
