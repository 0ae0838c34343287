"""Wi-Fi and a broker, as settings.json names them: wifi, password, broker, port, and with a key user, key, tls.

`pixeltrail keys add` gives user, key and the authority's certificate; tls is then {"ca": "ca.pem"}.
"""

import time

import network
import pixeltrail

_JOIN_MS = 15_000


def join(settings):
    """Begin to join; the recorder waits for it by itself. With TLS this waits, because a certificate has dates."""
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.connect(settings["wifi"], settings["password"])
    if settings.get("tls"):
        _set_clock(wlan)
    return wlan


def _set_clock(wlan):
    import ntptime

    began = time.ticks_ms()
    while not wlan.isconnected() and time.ticks_diff(time.ticks_ms(), began) < _JOIN_MS:
        time.sleep_ms(100)
    try:
        ntptime.settime()
    except OSError as error:  # the broker's certificate is refused until the clock is right
        print("the clock is not set:", error)


def link(settings):
    return pixeltrail.MQTT(
        settings["broker"],
        settings.get("port"),
        settings.get("user"),
        settings.get("key"),
        settings.get("tls"),
    )
