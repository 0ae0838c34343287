# Runs on MicroPython: FOLDER. Chunks go through flash with a real file system, are sent and resent with the heap
# locked, and another start delivers what the first one left.
import sys

import micropython
import parts
from pixeltrail import message
from pixeltrail.backlog import Backlog
from pixeltrail.chunk import Chunk
from pixeltrail.faults import Faults
from pixeltrail.flash import FlashLink
from pixeltrail.outbox import CALLS, Outbox
from pixeltrail.spool import Spool

PROPERTIES = {"text": "x" * 60}


def no_date():
    return None


class Device:
    def __init__(self, name):
        self.line = parts.Line()
        self.outbox = Outbox(4096)
        self.chunk = Chunk(self.outbox, 512)
        self.link = FlashLink(self.outbox, self.chunk, self.line, "device-1", 1, no_date)
        self.link.begin_stream(name, 0)
        self.spool = Spool(sys.argv[1], 65536, 512)
        self.link.use_backlog(Backlog(self.spool, self.outbox), Faults())
        self.now = 0

    def put(self, count):
        for _ in range(count):
            if self.chunk.open(False, CALLS, self.now):
                message.track(self.chunk.begin_record(self.now), "Event", PROPERTIES, None)
                self.chunk.end_record()
                self.chunk.close()
            self.step(3)

    def step(self, count):
        for _ in range(count):
            self.now += 20
            self.link.step(self.now, self.now)


device = Device(b"stream-1")
device.line.connected = False
device.put(100)
device.line.connected = True
device.line.acks = False
device.step(20)  # opens the first segment
micropython.heap_lock()
device.step(600)  # sends, waits, resends
micropython.heap_unlock()
print("kept", len(device.spool.segments) > 2, "resent", device.link.resent > 30)
left = device.chunk.seq - device.outbox.count
device.line.connected = False

after = Device(b"stream-2")
after.step(400)
print("earlier", after.line.next == left > 60, "drained", after.link.is_drained())
print("faults", device.spool.faults + after.spool.faults, "files", len(after.spool.segments))
