# Runs on MicroPython: PORT CA SERVER_NAME [COUNT]. Connects with TLS; if it gets through, sends COUNT messages and
# takes as many answers with the heap locked. Otherwise says what was wrong with the first try.
import sys
import time

import micropython
from pixeltrail.transport.mqtt import MQTT

asked = {"ca": sys.argv[2], "server_name": sys.argv[3]}
count = int(sys.argv[4]) if len(sys.argv) > 4 else 0
client = MQTT("127.0.0.1", int(sys.argv[1]), tls=asked)
client.attach("dev-00001")
busy = []
client.on_busy = busy.append
for now in range(9000):
    client.poll(now)
    if client.connected or client.errors:
        break
    time.sleep_ms(1)


def exchange():
    sent = received = 0
    for _ in range(200000):
        client.poll(now)
        if sent < count and client.can_send():
            message[0] = sent >> 8
            message[1] = sent & 255
            if client.send(message, 0, 2 + sent * 37 % 4000):
                sent += 1
        if client.receive():
            received += 1
        if received == count:
            break
    result[0] = sent
    result[1] = received


result = [0, 0]
message = bytearray(4096)
if client.connected:
    micropython.heap_lock()
    exchange()
    micropython.heap_unlock()
print("connected", client.connected, "busy", busy, "refused", client.tls_refused, "errors", client.errors)
print("sent", result[0], "received", result[1])
print(client.trouble)
client.close()
