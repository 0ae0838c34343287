# WIDTH HEIGHT FORMAT EXACT PORT SCENARIO FOLDER CLOCK: does what an app does, with a mark (steps.c) around each step of
# the recorder. Kinds: 2 nothing at all, 3 poll, 4 the refresh, 5 a call of the app, 6 to 8 the same before the recorder
# first came to rest: with the first connection, the first records and the first picture; 9 a poll that exchanges keys.
# The recorder's microseconds are executed instructions, its milliseconds are turned by hand.
import gc
import sys
import time

import ffi
import micropython
import panel as panels
import parts
import pixeltrail

EMPTY, POLL, SHOW, CALL, BUSY = 2, 3, 4, 5, 9
START = 3  # added while it starts
LINE_MS = 10

width, height, format, is_exact, port = [int(word) for word in sys.argv[1:6]]
scenario, folder, clock_path = sys.argv[6:9]
libc = ffi.open("libc.so.6")
_syscall = libc.func("i", "syscall", "ii")
_page = libc.func("i", "mmap", "iiiiii")(0, 4096, 1, 1, libc.func("i", "open", "si")(clock_path, 0), 0)
PROPERTIES = {"cups": 2, "size": "gro\u00df", "hot": True, "temperature": 91.5, "steps": [1, 2, {"a": None}]}


def mark(kind):
    _syscall(64, kind)


@micropython.viper
def us() -> int:
    page = ptr32(int(_page))
    return page[1] * 42949673 + ((page[0] >> 2) & 0x3FFFFFFF) // 25 & 0x3FFFFFFF


class Ticks(panels.Hands):
    """Milliseconds are turned by hand, microseconds are instructions: both as cheap to read as those of a board."""

    def __init__(self):
        super().__init__(us)


@micropython.viper
def noise(buffer, size: int, seed: int):
    out = ptr8(buffer)
    x = int(seed | 1)
    for i in range(size):
        x = (x * 69069 + 12345) & 0xFFFFFF
        out[i] = x >> 11


class App:
    def __init__(self, line, **settings):
        self.panel = panels.Panel(width, height, format, 0)
        self.ticks = Ticks()
        self.recorder = pixeltrail.Recorder(
            pixeltrail.tap(self.panel, format=format, pitch=self.panel.pitch),
            line,
            device_id="steps-1",
            sample_rate=1.0,
            clock=self.ticks.clock,
            exact=bool(is_exact),
            log_level=0,
            on_busy=self._on_busy,
            **settings,
        )
        self.is_apart = False  # keys were exchanged in this poll
        self.is_busy = False
        self.turn = 0
        self.phase = START
        gc.collect()
        gc.disable()  # a collection is the app's: the recorder gives no reason for one

    def _on_busy(self, is_busy):
        self.is_busy = is_busy
        self.is_apart = True

    def poll(self, times, ms=LINE_MS):
        recorder, ticks = self.recorder, self.ticks
        for _ in range(times):
            ticks.turn(ms)
            self.is_apart = False
            mark(1)
            recorder.poll()
            mark(BUSY if self.is_apart else POLL + self.phase)

    def show(self):
        panel = self.panel
        mark(1)
        panel.show()
        mark(SHOW + self.phase)

    def call(self):
        recorder = self.recorder
        mark(1)
        recorder.track("Brew Started", PROPERTIES)
        mark(CALL + self.phase)
        mark(1)
        recorder.touch(self.turn & 63, 5)
        mark(CALL + self.phase)

    def animate(self, turns, polls=10):
        """A noisy patch that wanders over what else is drawn."""
        buffer = self.panel.buffer
        for _ in range(turns):
            self.turn += 1
            at = self.turn * 977 % (len(buffer) - 700)
            noise(memoryview(buffer)[at : at + 600], 600, self.turn)
            self.show()
            self.poll(polls)

    def settle(self):
        self.show()
        for _ in range(12000):
            self.poll(1, 20)
            if self.recorder.idle and self.recorder.drained:
                self.phase = 0
                return
        raise ValueError("never at rest: %r" % self.recorder.stats())


def idle():
    app = App(parts.Line())
    app.settle()
    app.poll(300, 250)


def animation():
    app = App(parts.Line())
    app.settle()
    app.animate(40)


def keyframe():
    app = App(parts.Line())
    noise(app.panel.buffer, len(app.panel.buffer), 1)
    app.settle()
    for i in range(0, len(app.panel.buffer), 3):
        app.panel.buffer[i] ^= 0x55
    app.settle()


def scrolling():
    """All of it moves, first as a whole, then each column of 32 pixels by itself."""
    app = App(parts.Line())
    buffer = app.panel.buffer
    noise(buffer, len(buffer), 1)
    app.settle()
    before = bytearray(len(buffer))
    pages = app.panel.pages if format == 0 else height
    row = len(buffer) // pages
    for turn in range(6):
        before[:] = buffer
        step = 32 * (row // width)
        for left in range(0, row, step):
            rows = 1 + (turn * 19 + (left // step * 5 if turn > 2 else 0)) % (pages // 5)
            for y in range(pages - rows):
                at = y * row + left
                buffer[at : at + step] = memoryview(before)[at + rows * row : at + rows * row + step]
        gc.collect()
        app.settle()


def calls():
    app = App(parts.Line())
    app.settle()
    for _ in range(30):
        app.turn += 1
        for _ in range(10):
            app.call()
        app.poll(3)


def outbox_full():
    line = parts.Line()
    app = App(line)
    app.settle()
    line.acks = False
    for _ in range(30):
        app.animate(1, 5)
        app.call()
    line.acks = True
    app.animate(20)


def serial_host_gone():
    line = parts.Line()
    app = App(line)
    app.settle()
    line.needs_host_hello = True
    for _ in range(20):
        app.animate(1, 5)
        app.call()
    app.poll(50, 100)


def sessions():
    app = App(parts.Line(), session_timeout_ms=1000, lifecycle_events=True)
    app.settle()
    for _ in range(6):
        app.animate(1)
        app.poll(10, 200)
        app.call()
        app.poll(5)
        mark(1)
        app.recorder.new_session()
        mark(CALL)
        app.poll(5)


def opt_out():
    line = parts.Line()
    app = App(line, flash_spool_bytes=65536, flash_spool_folder=folder + "/spool")
    app.settle()
    line.acks = False
    for is_out in (True, False, True):
        for _ in range(20):
            app.animate(1, 5)
            for _ in range(3):
                app.call()
        mark(1)
        app.recorder.opt_out(is_out)
        mark(CALL)
        app.poll(200)
    line.acks = True
    app.poll(200)


def opt_out_of_much():
    """An outbox of 128 KB, full of calls and frames."""
    line = parts.Line()
    app = App(line, outbox_bytes=131072)
    app.settle()
    line.acks = False
    for _ in range(250):
        app.animate(1, 2)
        for _ in range(3):
            app.call()
    mark(1)
    app.recorder.opt_out(True)
    mark(CALL)
    app.poll(40)
    if app.recorder.stats()["outbox_bytes"] < 60_000:
        raise ValueError("too little was left: %r" % app.recorder.stats())


def _sockets(seconds, host="127.0.0.1", **line):
    app = App(pixeltrail.MQTT(host, port, **line) if "dns" not in line else pixeltrail.MQTT(host, **line))
    app.show()
    app.poll(20)
    app.phase = 0
    for _ in range(seconds * 4):
        app.animate(1, 5)
        app.call()
        app.poll(2, 100)


def broker_gone():
    _sockets(10)


def unresponsive_socket():
    _sockets(15)


def dns_hanging():
    _sockets(15, "broker.example.org", dns="127.0.0.1:%d" % port)


def tls_stalled():
    _sockets(25, tls={"verify": False})


def tls():
    line = pixeltrail.MQTT("127.0.0.1", port, tls={"ca": folder + "/ca.pem", "server_name": "broker.test"})
    app = App(line)
    for _ in range(20000):
        app.is_apart = False
        app.ticks.turn(1)
        mark(1)
        app.recorder.poll()
        mark(BUSY if app.is_apart or app.is_busy else POLL + START)
        if line.connected:
            break
        time.sleep_ms(1)
    app.phase = 0
    for _ in range(40):
        app.animate(1, 10)
        app.call()
        time.sleep_ms(1)
    if not app.recorder.stats()["acks"]:
        raise ValueError("no bridge: %s %r" % (line.trouble, app.recorder.stats()))


def _spooled(where, size, turns):
    line = parts.Line()
    line.connected = False
    app = App(line, flash_spool_bytes=size, flash_spool_folder=where)
    app.show()
    app.poll(20)
    app.phase = 0
    for _ in range(turns):
        app.animate(1, 5)
        for _ in range(4):
            app.call()
    refused = app.recorder.stats()["refused_calls"]
    if not refused:
        raise ValueError("there was always room: %r" % app.recorder.stats())
    line.connected = True
    app.poll(100, 20)


def spool_full():
    _spooled(folder + "/spool", 8192, 80)


def spool_failing():
    _spooled("/dev/null/spool", 65536, 60)


def heap_used_up():
    app = App(parts.Line())
    app.settle()
    pieces, size = None, 4096
    gc.collect()
    while size:
        try:
            piece = [None] * size
            piece[0] = pieces
            pieces = piece
        except MemoryError:
            size //= 2
    recorder, panel, ticks = app.recorder, app.panel, app.ticks
    for turn in range(60):
        panel.buffer[turn * 13] ^= 255
        mark(1)
        panel.show()
        mark(SHOW)
        mark(1)
        recorder.touch(3, 5)
        mark(CALL)
        for _ in range(5):
            ticks.turn(10)
            mark(1)
            recorder.poll()
            mark(POLL)


def main():
    for _ in range(20):
        mark(1)
        mark(EMPTY)
    globals()[scenario]()


main()
