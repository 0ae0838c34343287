# WIDTH HEIGHT FORMAT LINK: prints bytes of heap: of code and data together of a recorder on such a display with this
# link, then of the recorder with its tap and an outbox of 4,096 bytes, its encoder, that outbox, and the transport.
# measures.weigh runs it, having imported the library; `empty` is the heap before that.
# ruff: noqa: F821
import gc
import sys

import pixeltrail

BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
width, height, format = [int(word) for word in words[:3]]
row = width if format == 0 else (width * BITS[format] + 7) // 8
buffer = bytearray(row * ((height + 7) // 8 if format == 0 else height))


class Panel:
    def __init__(self):
        self.width = width
        self.height = height
        self.buffer = buffer

    def show(self):
        pass


def transport():
    if words[3] == "serial":
        return pixeltrail.Serial(sys.stdin.buffer)
    if words[3] == "mqtt":
        return pixeltrail.MQTT("127.0.0.1", 1)
    if words[3] == "mqtts":
        from pixeltrail.transport import secure  # noqa: F401 - which naming `tls` loads

        return pixeltrail.MQTT("127.0.0.1", 1)
    return None


def attached():
    made = transport()
    if made is not None:
        made.attach("weighed-1", 1024)
    return made


class Nowhere:
    needs_host_hello = True
    write_only = connected = False
    generation = errors = skipped = 0
    rx = b""

    def attach(self, device_id, max_message=1024):
        pass

    def poll(self, now_ms):
        pass

    def can_send(self):
        return True

    def receive(self):
        return 0

    def close(self):
        pass


panel = Panel()
nowhere = Nowhere()


def recorder():
    tap = pixeltrail.tap(panel, format=format, hook="")
    return pixeltrail.Recorder(
        tap, nowhere, device_id="weighed-1", sample_rate=1.0, references=128, outbox_bytes=4096
    )


def encoder():
    from pixeltrail.codec.encoder import Encoder

    return Encoder(buffer, width, height, format, references=128)


def outbox():
    from pixeltrail.outbox import Outbox

    return Outbox(4096)


def weigh(make):
    gc.collect()
    before = gc.mem_alloc()
    made = make()
    gc.collect()
    return gc.mem_alloc() - before if made is not None else 0


kept = recorder(), attached()
gc.collect()
total = gc.mem_alloc() - empty - len(buffer)
kept = None
print(total, weigh(recorder), weigh(encoder), weigh(outbox), weigh(attached))
