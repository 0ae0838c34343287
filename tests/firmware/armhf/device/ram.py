# WIDTH HEIGHT FORMAT: prints the heap that a recorder takes beyond the framebuffer, with its tap and its clock, that of
# its encoder alone, and that of its outbox. Modules, display and transport are there before. A first recorder loads
# what is loaded late.
import gc
import sys

import panel as panels
import parts
import pixeltrail
from pixeltrail.codec.encoder import Encoder
from pixeltrail.outbox import Outbox

width, height, format = [int(word) for word in sys.argv[1:4]]
panel = panels.Panel(width, height, format)
line = parts.Line()


def recorder():
    tap = pixeltrail.tap(panel, format=format, hook="")
    return pixeltrail.Recorder(
        tap, line, device_id="ram-1", sample_rate=1.0, references=128, outbox_bytes=4096
    )


def encoder():
    return Encoder(panel.buffer, width, height, format, references=128)


def outbox():
    return Outbox(4096)


def weigh(make):
    gc.collect()
    before = gc.mem_alloc()
    made = make()
    gc.collect()
    return gc.mem_alloc() - before if made else 0


recorder()
print(weigh(recorder), weigh(encoder), weigh(outbox))
