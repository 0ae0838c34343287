"""Packets of MQTT 3.1.1 that a client makes once for each connection; mqtt.py writes those of the messages itself.

Section numbers are those of the OASIS standard. Each function returns bytes.
"""

PINGREQ = b"\xc0\x00"  # 3.12
DISCONNECT = b"\xe0\x00"  # 3.14


def text(value):
    """A string as MQTT has it: two bytes of length, then the bytes."""
    return bytes((len(value) >> 8, len(value) & 255)) + value


def _packet(kind, body):
    size = len(body)
    length = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
    return bytes((kind,)) + length + body


def connect(client, will_topic, user, password, keepalive_s):
    flags = 0x02 | 0x04 | 0x20  # clean session; a will, retained
    body = text(client.encode()) + text(will_topic) + text(b"offline")
    if user is not None:
        flags |= 0x80
        body += text(user.encode())
    if password is not None:
        flags |= 0x40
        body += text(password.encode())
    head = text(b"MQTT") + bytes((4, flags, keepalive_s >> 8, keepalive_s & 255))
    return _packet(0x10, head + body)


def subscribe(topic):
    return _packet(0x82, b"\0\1" + text(topic) + b"\0")


def publish_retained(topic, payload):
    return _packet(0x31, text(topic) + payload)
