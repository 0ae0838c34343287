# Runs on MicroPython, with a terminal for its input and output: COUNT. An app whose recorder speaks over the line that
# it prints on, through a link. Chunks and prints alternate; it ends when the bridge has every chunk.
import sys
import time

import pixeltrail
from pixeltrail import message
from pixeltrail.chunk import Chunk
from pixeltrail.link import Link
from pixeltrail.outbox import CALLS, Outbox

count = int(sys.argv[1])
serial = pixeltrail.Serial("repl")
serial.attach("repl-0001")
outbox = Outbox(8192)
chunk = Chunk(outbox, 1024)
link = Link(outbox, chunk, serial, "repl-0001", 0, lambda: None)
link.begin_stream(b"stream-r", 0)
start = time.ticks_ms()
print("app begins")
done = 0
try:
    while done < count or not link.is_drained():
        now = time.ticks_diff(time.ticks_ms(), start)
        link.step(now, now)
        if done < count and serial.can_send() and chunk.open(False, CALLS, now):
            message.track(
                chunk.begin_record(now), "Turn", {"n": done, "text": "\x03\x00" * (done % 200)}, None
            )
            if chunk.end_record():
                print("print %d of the app" % done)
                done += 1
            else:
                chunk.drop_record()
            chunk.close()
        time.sleep_ms(1)
    end = "drained %d resent %d errors %d" % (link.streams[0].acked, link.resent, serial.errors)
except KeyboardInterrupt:
    end = "interrupted by the user"
serial.close()
try:
    print(end)
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted after close")
