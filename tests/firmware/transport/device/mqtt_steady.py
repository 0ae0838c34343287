# Runs on MicroPython: PORT COUNT [crash]. Connects, then sends COUNT messages and takes an answer to each with the heap
# locked. The clock runs fast, so that pings happen too.
import sys

import micropython
from pixeltrail.transport.mqtt import MQTT

count = int(sys.argv[2])
client = MQTT("127.0.0.1", int(sys.argv[1]), keepalive_s=10)
client.attach("dev-00001")
now = 0
while not client.connected:
    client.poll(now)


def exchange(count):
    global now
    sent = received = wrong = idle = 0
    while (received < count or idle < 3) and client.connected:
        client.poll(now)
        if sent < count and client.can_send():
            message[3] = sent >> 8
            message[4] = sent & 255
            if client.send(message, 3, 2 + sent % 900):
                sent += 1
        length = client.receive()
        if length:
            if length != 5 or rx[0] != 97 or rx[1] != 99 or rx[2] != 107:
                wrong += 1
            if rx[3] << 8 | rx[4] != received:
                wrong += 1
            received += 1
        if received == count and client.can_send() and not client._pinged:
            now += 5000  # due for a ping
            idle += 1
        if now > (1 << 29):
            break
    result[0] = sent
    result[1] = received
    result[2] = wrong


message = bytearray(1024)
rx = client.rx
result = [0, 0, 0]
if len(sys.argv) < 4:
    micropython.heap_lock()
    exchange(count)
    micropython.heap_unlock()
    print("sent", result[0], "received", result[1], "wrong", result[2])
    print("errors", client.errors, "generation", client.generation)
    client.close()
