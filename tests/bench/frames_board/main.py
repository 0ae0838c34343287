"""An app that draws 30 frames a second by its own clock, and writes down when each was due, begun and done.

main.py LINK --frames N --strike N --out FILE, and what else a scenario of frames_faults.py names. LINK is `none` for
the app without its recorder, `mqtt:HOST:PORT` or `serial:PATH`. It prints `strike` when the fault may come, at the end
its counts, and ends when somebody closes its standard input.

Of each frame it keeps, in us: when it was due, begun and done; its longest poll, and its longest without what the
system let this process wait for a processor in it; its longest poll while `on_busy` says that keys are exchanged, less
such waits; its refresh, and that less such waits; its call; how long the process had waited so far.
"""

import array
import gc
import json
import os
import sys
import time

import vfs
from simulation import Display, Options

PERIOD_US = 33_333
SIDE = 240
COLUMNS = 10  # numbers kept of a frame
BARS = 40
CALM_MS = 60_000  # within which a link that works has its first ack, whatever else the machine does
SLICE_US = 1000  # the longest sleep between two polls
BLOCK, BLOCKS = 4096, 32

ticks_us, ticks_diff, ticks_add = time.ticks_us, time.ticks_diff, time.ticks_add


class Flash:
    """128 KB of flash, for littlefs; it takes no time."""

    def __init__(self):
        self._bytes = bytearray(BLOCK * BLOCKS)
        self.refusals = 0

    def readblocks(self, number, buffer, at=0):
        at += number * BLOCK
        buffer[:] = memoryview(self._bytes)[at : at + len(buffer)]

    def writeblocks(self, number, buffer, at=0):
        at += number * BLOCK
        self._bytes[at : at + len(buffer)] = buffer

    def ioctl(self, order, _):
        return {4: BLOCKS, 5: BLOCK}.get(order, 0)

    def fill(self, path):
        """Until nothing fits, as a logger of the app would."""
        line = bytes(256)
        try:
            with open(path, "ab") as file:
                while True:
                    file.write(line)
                    file.flush()
        except OSError:
            self.refusals += 1


class Waits:
    """How long the system let this process wait for a processor so far, where it tells."""

    def __init__(self):
        self._line = bytearray(80)
        try:
            self._file = open("/proc/self/schedstat", "rb", buffering=0)  # noqa: SIM115
        except OSError:
            self._file = None

    def us(self):
        if self._file is None:
            return 0
        line, number, at = self._line, 0, 0
        self._file.seek(0)
        self._file.readinto(line)
        while line[at] != 32:
            at += 1
        at += 1
        while line[at] != 32:
            number = number * 10 + line[at] - 48
            at += 1
        return number // 1000


class Hunger:
    """An app that takes all of the heap, keeps it for a while, and gives it back."""

    def __init__(self):
        self.times = 0
        self._held = None

    def eat(self):
        gc.collect()
        size = 4096
        while size:
            try:
                piece = [None] * size
                piece[0] = self._held
                self._held = piece
            except MemoryError:
                size //= 2
        self.times += 1

    def digest(self):
        self._held = None
        gc.collect()


class App:
    """A chart that moves, a ball that bounces and a counter; what it draws depends on the frame's number alone."""

    def __init__(self, display):
        self.display = display
        self.text = "frame 0"

    def step(self, number, is_starved):
        self._chart(number)
        self._ball(number)
        if not is_starved and number % 9 == 0:
            self.text = "frame " + str(number)
        self.display.fill_rect(0, 0, SIDE, 12, 0x1082)
        self.display.text(self.text, 4, 2, 0xFFFF)

    def _chart(self, number):
        display = self.display
        for bar in range(BARS):
            height = 10 + (bar * 37 + number * (1 + bar % 3)) % 70
            display.fill_rect(bar * 6, 150, 6, 90 - height, 0x0000)
            display.fill_rect(bar * 6, 240 - height, 5, height, 0x07E0 + bar)

    def _ball(self, number):
        display = self.display
        x, y = number * 3 % 400, number * 2 % 180
        x = 210 - abs(x - 200)
        y = 120 - abs(y - 90)
        display.fill_rect(0, 12, SIDE, 138, 0x0008)
        display.ellipse(max(x, 16), max(y, 32), 14, 14, 0xFD20, True)


class Tape:
    """What is kept of each frame."""

    def __init__(self, frames):
        self.data = array.array("q", bytes(8 * COLUMNS * frames))
        self.poll = self.own_poll = self.busy = self.call = 0
        self.is_busy = self.was_busy = False

    def on_busy(self, is_busy):
        self.is_busy = is_busy
        self.was_busy = True

    def polled(self, us, waited):
        if self.was_busy or self.is_busy:
            self.was_busy = False
            self.busy = max(self.busy, us - waited)
        else:
            self.poll = max(self.poll, us)
            self.own_poll = max(self.own_poll, us - waited)

    def shown(self, at, us, waited, waited_so_far):
        data = self.data
        data[at + 6] = us
        data[at + 7] = us - waited
        data[at + 9] = waited_so_far

    def keep(self, at, due, begun, done):
        data = self.data
        data[at] = due
        data[at + 1] = begun
        data[at + 2] = done
        data[at + 3] = self.poll
        data[at + 4] = self.own_poll
        data[at + 5] = self.busy
        data[at + 8] = self.call
        self.poll = self.own_poll = self.busy = self.call = 0


def record(options, display, tape):
    """The recorder, with every setting as it comes but those that the scenario needs."""
    import pixeltrail

    kind, _, where = options.url.partition(":")
    settings = {}
    if kind == "serial":
        link = pixeltrail.Serial(where)
    else:
        host, _, port = where.partition(":")
        tls = None
        if options.text("ca"):
            tls = {"ca": options.text("ca"), "server_name": "broker.test"}
        link = pixeltrail.MQTT(host, int(port), tls=tls, dns=options.text("dns"), keepalive_s=4)
    if options.text("spool"):
        settings["flash_spool_bytes"] = 2 * BLOCK * BLOCKS  # more than there is
        settings["flash_spool_folder"] = options.text("spool")
        settings["outbox_bytes"] = 4096  # so that flash has to take what comes
    return pixeltrail.Recorder(
        display,
        link,
        device_id=options.text("device-id"),
        sample_rate=1.0,
        app="Frames",
        state_file="",
        log_level=0,
        on_busy=tape.on_busy,
        **settings,
    )


def run(options):
    frames, strike = int(options.number("frames", 300)), int(options.number("strike", 75))
    display = Display(SIDE, SIDE)
    flash = None
    if options.text("spool"):
        flash = Flash()
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/flash")
    hunger = Hunger() if options.text("hungry") else None
    app, tape, waits = App(display), Tape(frames), Waits()
    recorder = None
    if options.url != "none":
        recorder = record(options, display, tape)
    if recorder and options.text("calm"):
        connect(recorder)
    gc.collect()
    draw(frames, strike, app, recorder, tape, waits, flash, hunger)
    if hunger:
        hunger.digest()
    with open(options.text("out"), "wb") as file:
        file.write(tape.data)
    counts = recorder.stats() if recorder else {}
    counts["refusals"] = flash.refusals if flash else 0
    counts["spooled"] = len(os.listdir(options.text("spool"))) if flash and recorder else 0
    counts["meals"] = hunger.times if hunger else 0
    print(json.dumps(counts))
    sys.stdin.read()


def connect(recorder):
    """Until the bridge has answered."""
    began = time.ticks_ms()
    while not recorder.stats()["acks"] and time.ticks_diff(time.ticks_ms(), began) < CALM_MS:
        recorder.poll()
        time.sleep_ms(1)


def draw(frames, strike, app, recorder, tape, waits, flash, hunger):
    show = app.display.show  # with a recorder, its hook
    origin = ticks_us()
    due = PERIOD_US
    is_starved = False
    for number in range(frames):
        if number == strike:
            print("strike")
            if flash:
                flash.fill("/flash/log")
                due = ticks_diff(ticks_us(), origin) + PERIOD_US  # the app's own pause, as a meal is
        if hunger and number >= strike and (number - strike) % 15 == 0:
            is_starved = not is_starved
            if is_starved:
                hunger.eat()
            else:
                hunger.digest()
            due = ticks_diff(ticks_us(), origin) + PERIOD_US
        while True:
            if recorder:
                waited, began = waits.us(), ticks_us()
                recorder.poll()
                took = ticks_diff(ticks_us(), began)
                tape.polled(took, waits.us() - waited)
            left = due - ticks_diff(ticks_us(), origin)
            if left <= 0:
                break
            time.sleep_us(min(left, SLICE_US))
        begun = ticks_diff(ticks_us(), origin)
        app.step(number, is_starved)
        if recorder and number % 10 == 5:
            began = ticks_us()
            recorder.touch(number % SIDE, 20)
            tape.call = ticks_diff(ticks_us(), began)
        waited, began = waits.us(), ticks_us()
        show()
        took = ticks_diff(ticks_us(), began)
        tape.keep(number * COLUMNS, due, begun, ticks_diff(ticks_us(), origin))
        now = waits.us()
        tape.shown(number * COLUMNS, took, now - waited, now)
        due += PERIOD_US


run(Options())
