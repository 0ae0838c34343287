# VECTORS WHAT N: one signed message, N times.
#   send  1,000 bytes to a line that does nothing, not signed, to subtract    sign  the same, signed
#   sign_short  100 bytes    check  an ack that comes
# `ram` prints instead what the module, and then one signer of messages up to 1,024 bytes, take of the heap.
# ruff: noqa: E402
import gc
import hashlib  # noqa: F401 -- built into the port
import json
import sys
from binascii import unhexlify

import pixeltrail.clock  # noqa: F401 -- as everything else of the library, it is there already

gc.collect()
before = gc.mem_alloc()
import pixeltrail.signing as signing  # noqa: PLR0402 -- `from` would ask the package, which has names of its own

gc.collect()
code = gc.mem_alloc() - before
with open(sys.argv[1]) as file:
    told = json.load(file)
what = sys.argv[2]


class Wire:
    write_only = False
    refused = 0

    def __init__(self, come):
        self.rx = bytearray(come)
        self.come = come

    def attach(self, device_id, max_message):
        pass

    def can_send(self):
        return True

    def send(self, buf, start, length):
        return True

    def receive(self):
        self.rx[:] = self.come
        return len(self.come)


ack = [row for row in told["vectors"] if row["name"] == "ack"][0]
sync = unhexlify(told["vectors"][0]["message"])
number = unhexlify(told["sync_number"])
message = bytearray(1000)
size = 100 if what == "sign_short" else 1000
wire = Wire(unhexlify(ack["hex"]))
if what != "send":
    signing.new_stream_id = lambda: number[:7] + bytes((number[7] - 1,))
    signing.signed(wire, "1:" + told["keys"]["1"])
    wire.attach(told["device_id"], 1024)
    wire.send(sync, 0, len(sync))


if what == "ram":
    other = Wire(b"")
    key = "1:" + told["keys"]["1"]
    gc.collect()
    before = gc.mem_alloc()
    signing.signed(other, key)
    other.attach(told["device_id"], 1024)
    gc.collect()
    print(code, gc.mem_alloc() - before)
    sys.exit()


def repeat(do, count):
    for _ in range(count):
        do()


def send():
    wire.send(message, 0, size)


def check():
    if not wire.receive():
        raise ValueError("not taken")


repeat(check if what == "check" else send, int(sys.argv[3]))
