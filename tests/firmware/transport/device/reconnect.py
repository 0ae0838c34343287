# Runs on MicroPython: WAYS COUNT. A broker and a DNS server of a few lines in the same process fail in the ways
# named, in turn; says how much more of the heap is in use after COUNT connections than after the first few.
import gc
import socket
import sys

from pixeltrail.transport.mqtt import MQTT

ways = sys.argv[1].split(",")
count = int(sys.argv[2])


def bound(kind):
    for port in range(20000, 30000):
        sock = socket.socket(socket.AF_INET, kind)
        try:
            sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return sock, port
        except OSError:
            sock.close()


broker, port = bound(socket.SOCK_STREAM)
broker.listen(5)
broker.setblocking(False)
names, dns_port = bound(socket.SOCK_DGRAM)
names.setblocking(False)
tls = {"verify": False} if "tls" in ways else None
client = MQTT("broker.test", port, dns="127.0.0.1:%d" % dns_port, tls=tls)
client.attach("dev-00001")
clock = [0]
errors = [0] * len(ways)


def answer_query(is_good):
    try:
        query, peer = names.recvfrom(512)
    except OSError:
        return
    head = query[:2] + (b"\x81\x80\0\1\0\1" if is_good else b"\x81\x83\0\1\0\0") + query[8:]
    names.sendto(head + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1", peer)


def once(way):
    """One connection, from the dial to its end."""
    before = client.errors
    peer = None
    for _ in range(20000):
        clock[0] += 5000 if way == "silence" and peer else 50
        client.poll(clock[0] & 0x0FFFFFFF)
        if client.errors != before:
            break
        answer_query(way != "unknown")
        if peer is None:
            try:
                peer = broker.accept()[0]
                peer.setblocking(False)
            except OSError:
                continue
        if way == "silence":
            continue
        try:
            data = peer.recv(200)
        except OSError:
            continue
        if way == "login":
            if data[0] == 0x10:
                peer.send(b"\x20\x02\0\0")
            elif data[0] == 0x82:
                peer.send(b"\x90\x03\0\1\0")
                for _ in range(50):
                    client.poll(clock[0] & 0x0FFFFFFF)
                    if client.connected:
                        break
                peer.close()
        elif way == "refused":
            peer.send(b"\x20\x02\0\5")
        else:  # cut, tls
            peer.close()
    if peer is not None:
        peer.close()


def many(count):
    for turn in range(count):
        once(ways[turn % len(ways)])


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


many(2 * len(ways))
before = in_use()
many(count)
after = in_use()
print("errors", client.errors - 2 * len(ways) == count, "connected", client.generation > 0)
print("grown", after - before)
