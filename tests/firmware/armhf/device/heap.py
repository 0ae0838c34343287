# TURNS: prints how many bytes of heap frames, calls, chunks, acks and resends took, none of it collected meanwhile.
import gc
import sys

import steady


def main(turns):
    rig = steady.make(False, steady.DATE)
    steady.work(*rig, 0, 20)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    steady.work(*rig, 20, 20 + turns)
    print(gc.mem_alloc() - before)
    stats = rig[3].stats()
    if stats["errors"] or not stats["resent"] or not stats["acks"]:
        raise ValueError("not what was meant: %r" % stats)


main(int(sys.argv[1]))
