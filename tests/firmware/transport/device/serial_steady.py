# Runs on MicroPython: PATH COUNT [lossy]. Sends COUNT messages and takes an answer to each, with the heap locked.
# On a lossy line an answer may fail to come: it goes on after some idle steps.
import sys
import time

import micropython
from pixeltrail.transport.serial import Serial

count = int(sys.argv[2])
lossy = len(sys.argv) > 3
serial = Serial(sys.argv[1])
serial.attach("dev-00001")
serial.poll(0)
message = bytearray(1100)
for index in range(len(message)):
    message[index] = index & 15
rx = serial.rx
result = [0, 0, 0]


def exchange():
    sent = received = wrong = idle = 0
    last = -1
    while sent < count or (received < sent and idle < 40):
        serial.poll(sent)
        if serial.can_send() and (sent == received or idle >= 40):
            message[3] = sent >> 8
            message[4] = sent & 255
            if serial.send(message, 3, 2 + sent * 5):
                sent += 1
                idle = 0
        length = serial.receive()
        if length:
            number = rx[3] << 8 | rx[4]
            if length != 5 or rx[0] != 97 or rx[1] != 99 or rx[2] != 107 or number <= last:
                wrong += 1
            last = number
            received += 1
        elif lossy and sent > received:
            idle += 1
            time.sleep_ms(1)
            if idle >= 40:
                received = sent  # it was lost; counted below
                result[1] -= 1
    result[0] = sent
    result[1] += received
    result[2] = wrong


micropython.heap_lock()
exchange()
micropython.heap_unlock()
print("sent", result[0], "received", result[1], "wrong", result[2])
print("errors", serial.errors, "skipped", serial.skipped)
