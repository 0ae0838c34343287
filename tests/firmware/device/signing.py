# Runs on MicroPython: VECTORS. Signs and takes what schema/vectors/signed.json has; then says what one message takes of
# the heap, each way.
import gc
import json
import sys
from binascii import unhexlify

import pixeltrail.signing as signing  # noqa: PLR0402 -- `from` would ask the package, which has names of its own

with open(sys.argv[1]) as file:
    told = json.load(file)
NUMBER = unhexlify(told["sync_number"])


class Wire:
    write_only = False
    refused = 0

    def __init__(self):
        self.rx = bytearray(512)
        self.sent = None
        self.end = 0
        self.come = b""
        self.length = 0

    def attach(self, device_id, max_message):
        pass

    def can_send(self):
        return True

    def send(self, buf, start, length):
        self.sent = buf
        self.end = length
        return True

    def receive(self):
        length = self.length
        for i in range(length):
            self.rx[i] = self.come[i]
        return length


def device(key, number=NUMBER):
    """A transport whose next message up has this number."""
    wire = Wire()
    signing.signed(wire, "%d:%s" % (key, told["keys"][str(key)]))
    before = int.from_bytes(number[4:], "big") - 1
    signing.new_stream_id = lambda: number[:4] + before.to_bytes(4, "big")
    wire.attach(told["device_id"], 2000)
    return wire


def synced(key):
    wire = device(key)
    wire.send(SYNC, 0, len(SYNC))
    return wire


def take(wire, data):
    wire.come = data
    wire.length = len(data)
    return bytes(wire.rx[: wire.receive()])


SYNC = bytearray(unhexlify(told["vectors"][0]["message"]))
right = wrong = 0
for row in told["vectors"]:
    data = unhexlify(row["hex"])
    message = unhexlify(row["message"])
    if row["direction"] == "up":
        wire = device(row["key"], unhexlify(row["number"]))
        wire.send(b"..." + message, 3, len(message))
        is_so = bytes(wire.sent[: wire.end]) == data
    else:
        is_so = take(synced(row["key"]), data) == message
    right += is_so
    if not is_so:
        print("not so:", row["name"])
for row in told["invalid"]:
    if row["direction"] == "down" and row["fault"] != "nested":
        wire = synced(1)
        if take(wire, unhexlify(row["hex"])) or wire.refused != 1:
            wrong += 1
            print("taken:", row["name"])
print("right", right, "of", len(told["vectors"]), "wrong", wrong)

wire = synced(1)
ack = [row for row in told["vectors"] if row["name"] == "ack"][0]
chunk = bytearray(1000)


def heap_of(do):
    do()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(10):
        do()
    after = gc.mem_alloc()
    gc.enable()
    return (after - before) // 10


def sign():
    wire.send(chunk, 0, 1000)


def check():
    wire.receive()


wire.come = unhexlify(ack["hex"])
wire.length = len(wire.come)
print("heap", heap_of(sign), heap_of(check))
