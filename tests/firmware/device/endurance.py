"""CALLS FRAMES: so many calls and refreshes, with acks, silences and resends; prints what they left on the heap."""

import gc
import sys

import steady


def run(rig, first, end, calls_a_turn):
    display, line, ticks, recorder = rig
    for turn in range(first, end):
        steady.draw(display.buffer, turn)
        display.show()
        for n in range(calls_a_turn):
            if n & 1:
                recorder.touch(turn & 127, n & 63)
            else:
                recorder.track("Brew Started", steady.PROPERTIES)
            if n & 3 == 3:
                ticks.ms += 5
                recorder.poll()
        line.acks = turn % 200 < 160
        for _ in range(3):
            ticks.ms += 30
            recorder.poll()


def main(calls, frames):
    before = 0
    rig = steady.make(False, steady.DATE)
    run(rig, 0, 400, calls // frames)
    gc.collect()
    before = gc.mem_alloc()
    run(rig, 400, 400 + frames, calls // frames)
    gc.collect()
    left = gc.mem_alloc() - before
    stats = rig[3].stats()
    print("left", left)
    for name in ("errors", "frames", "refused_calls", "resent", "acks", "chunks"):
        print(name, stats[name])


main(int(sys.argv[1]), int(sys.argv[2]))
