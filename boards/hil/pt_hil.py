"""One scenario on a board: pt_hil.run(plan) records pictures of pt_scene, counts calls and times every step.

plan: device_id, width, height, format, scene, frames, interval_ms, link, and per scenario: first (number of the first
picture), calls (each picture), cut (from, to: pictures while the link is down), reset_at, hog (bytes of heap to leave).
What was measured goes out as the last event, "HIL Ended".
"""

import gc
import json
import sys
import time

import pixeltrail
import pt_scene

_BUCKETS = 20  # of powers of two, in microseconds
_DRAIN_MS = 20_000
_SETTLED = 6  # pictures, after which nothing more is made that stays


class Times:
    """Durations of one kind: how many, their sum, the longest, and how many below each power of two."""

    def __init__(self):
        self.count = self.total = self.longest = 0
        self.buckets = [0] * _BUCKETS

    def add(self, began):
        us = time.ticks_diff(time.ticks_us(), began)
        self.count += 1
        self.total += us
        if us > self.longest:
            self.longest = us
        bucket = 0
        while us > 1 and bucket < _BUCKETS - 1:
            us >>= 1
            bucket += 1
        self.buckets[bucket] += 1

    def told(self):
        mean = self.total // self.count if self.count else 0
        return {"count": self.count, "mean_us": mean, "longest_us": self.longest, "buckets": self.buckets}


class Panel:
    """A display in memory."""

    def __init__(self, width, height, size):
        self.width = width
        self.height = height
        self.buffer = bytearray(size)

    def show(self):
        pass


class Cut:
    """A transport whose line is pulled out and put back."""

    def __init__(self, transport):
        self._transport = transport
        self.is_cut = False

    def __getattr__(self, name):
        return getattr(self._transport, name)

    @property
    def connected(self):
        """A serial line does not tell; and the REPL's would take the host's bytes for Ctrl-C if it did."""
        is_silent = self._transport.needs_host_hello
        return self._transport.connected and (is_silent or not self.is_cut)

    def poll(self, now_ms):
        if not self.is_cut:
            self._transport.poll(now_ms)

    def can_send(self):
        return not self.is_cut and self._transport.can_send()

    def send(self, buf, start, length):
        return not self.is_cut and self._transport.send(buf, start, length)

    def receive(self):
        return 0 if self.is_cut else self._transport.receive()


def transport(link):
    if link.get("broker"):
        if link.get("wifi"):
            _join(link)
        return pixeltrail.MQTT(link["broker"], link.get("port"))
    return pixeltrail.Serial("repl")


def _join(link):
    import network

    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    if not wlan.isconnected():
        wlan.connect(link["wifi"], link["password"])
    began = time.ticks_ms()
    while not wlan.isconnected() and time.ticks_diff(time.ticks_ms(), began) < 20_000:
        time.sleep_ms(100)


def run(plan):
    gc.collect()
    free_before = gc.mem_free()
    row_bytes, rows = pt_scene.rows_of(plan["width"], plan["height"], plan["format"])
    panel = Panel(plan["width"], plan["height"], row_bytes * rows)
    line = Cut(transport(plan["link"]))
    rec = pixeltrail.Recorder(
        pixeltrail.tap(panel, format=plan["format"]),
        line,
        device_id=plan["device_id"],
        sample_rate=1.0,
        board=plan["board"],
        app="HIL",
        app_version=plan["scenario"],
        state_file="pt_hil",
        enable_remote_config=False,
    )
    hog = _hog(plan.get("hog"))
    polls, refreshes, calls = Times(), Times(), Times()
    began = time.ticks_ms()
    raised = used = 0
    gc.collect()
    used_before = gc.mem_alloc()
    try:
        used = _play(plan, panel, row_bytes, rows, rec, line, (polls, refreshes, calls))
    except MemoryError as error:  # of the app, which this scenario has starved; the recorder contains its own
        raised = 1
        sys.print_exception(error)
    gc.collect()
    grown = gc.mem_alloc() - (used or used_before)
    hog = None  # noqa: F841 - is free again
    took_ms = time.ticks_diff(time.ticks_ms(), began)
    _settle(rec, polls)
    stats = rec.stats()
    stats["off"] = len(stats["off"])
    gc.collect()
    rec.track(
        "HIL Ended",
        {
            "frames": plan["frames"],
            "took_ms": took_ms,
            "raised": raised,
            "free_before": free_before,
            "free_after": gc.mem_free(),
            "grown": grown,
            "polls": polls.told(),
            "refreshes": refreshes.told(),
            "calls": calls.told(),
            "stats": stats,
        },
    )
    rec.flush()
    _settle(rec, None)
    rec.stop()
    line.close()
    print("hil: ended", json.dumps(stats))


def _play(plan, panel, row_bytes, rows, rec, line, times):
    polls, refreshes, calls = times
    cut = plan.get("cut") or (-1, -1)
    rec.screen(plan["scenario"])
    due = time.ticks_ms()
    used = 0
    for number in range(plan["frames"]):
        if number == _SETTLED:
            gc.collect()
            used = gc.mem_alloc()
        if plan.get("reset_at"):
            _reset(plan["reset_at"] - number, rec)
        line.is_cut = cut[0] <= number < cut[1]
        if line.is_cut and number == cut[0] and plan["link"].get("broker"):
            line.close()  # not the REPL's: Ctrl-C would interrupt again, and the host's frames have that byte
        for call in range(plan.get("calls", 0)):
            t = time.ticks_us()
            rec.track("HIL Call", {"n": number * plan["calls"] + call})
            calls.add(t)
        if plan.get("touches"):
            rec.touch(number % plan["width"], number % plan["height"], pixeltrail.MOVE)
        pt_scene.draw(panel.buffer, row_bytes, rows, plan["scene"], number)
        t = time.ticks_us()
        panel.show()
        refreshes.add(t)
        due = time.ticks_add(due, plan["interval_ms"])
        while True:
            t = time.ticks_us()
            rec.poll()
            polls.add(t)
            if time.ticks_diff(time.ticks_ms(), due) >= 0:
                break
            time.sleep_ms(1)
    return used


def _reset(left, rec):
    """A few pictures ahead the host is told, and then the board goes down with what it has not sent."""
    if left == 5:
        rec.track("HIL Resets")
        rec.flush()
    elif left == 0:
        import machine

        machine.reset()


def _settle(rec, polls):
    """Until the bridge has everything, for a while at most."""
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < _DRAIN_MS and not (rec.idle and rec.drained):
        t = time.ticks_us()
        rec.poll()
        if polls:
            polls.add(t)
        time.sleep_ms(1)


def _hog(leave):
    """Take the heap but for one piece of so many bytes."""
    held = None  # a chain: a list would need a larger and larger piece of its own
    if leave is None:
        return held
    gc.collect()
    left = bytearray(leave)
    piece = 4096
    while piece >= 64:
        try:
            held = (bytearray(piece), held)
        except MemoryError:
            piece //= 2
    left = None  # noqa: F841 - is free again
    gc.collect()
    return held
