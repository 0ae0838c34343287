# Runs on MicroPython. A second CDC interface as micropython-lib's usb-device-cdc has it: a stream written in Python,
# whose write takes a buffer alone, and as much of it as its ring has room for. Messages go out and come back through it
# with the heap locked; it is unplugged and plugged in again in the middle.
import io
import select

import micropython
from pixeltrail.transport.serial import Serial

_POLL = 3


class CDC(io.IOBase):
    """The ring of 256 bytes towards the host is looped back to the ring from it."""

    def __init__(self):
        self.ring = bytearray(256)
        self.head = self.count = 0
        self.is_plugged = True
        self.offered = self.largest = 0

    def ioctl(self, op, arg):
        if op != _POLL:
            return 0
        events = 0
        if self.is_plugged and self.count < 256:
            events |= select.POLLOUT & arg
        if self.is_plugged and self.count:
            events |= select.POLLIN & arg
        return events

    def write(self, buf):
        self.largest = max(self.largest, len(buf))
        taken = 0
        while self.is_plugged and taken < len(buf) and self.count < 256:
            self.ring[(self.head + self.count) & 255] = buf[taken]
            self.count += 1
            taken += 1
        return taken

    def readinto(self, buf):
        if not self.count:
            return None
        buf[0] = self.ring[self.head]
        self.head = (self.head + 1) & 255
        self.count -= 1
        if len(buf) > 1:
            self.offered += 1
        return 1


cdc = CDC()
serial = Serial(cdc)
serial.attach("cdc-00001")
message = bytearray(1024)
for i in range(len(message)):
    message[i] = i * 7 & 255
result = [0, 0]


def exchange(count):
    sent = received = wrong = 0
    for now in range(count * 400):
        serial.poll(now)
        if (
            sent < count
            and serial.can_send()
            and sent == received
            and serial.send(message, 5, 1 + sent * 17 % 500)
        ):
            sent += 1
        length = serial.receive()
        if length:
            if length != 1 + received * 17 % 500 or serial.rx[0] != message[5]:
                wrong += 1
            received += 1
        if received == count:
            break
    result[0] = received
    result[1] = wrong


exchange(2)
micropython.heap_lock()
exchange(60)
micropython.heap_unlock()
print("received", result[0], "wrong", result[1], "errors", serial.errors, "largest", cdc.largest, cdc.offered)
serial.send(message, 0, 400)
cdc.is_plugged = False
for now in range(50):
    serial.poll(now)
print("unplugged", serial.can_send(), serial.connected)
cdc.is_plugged = True
for now in range(200):
    serial.poll(now)
    if serial.receive() == 400:
        print("whole again", serial.can_send())
