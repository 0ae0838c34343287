"""What a simulated board has instead of hardware: a display in memory, a person, and options in place of settings."""

import sys
import time

import framebuf


class Display(framebuf.FrameBuffer):
    """A panel of RGB565 pixels; `show` would send them. With `dump` it appends every picture shown to a file."""

    def __init__(self, width, height, dump=None):
        self.width = width
        self.height = height
        self.mode = framebuf.RGB565
        self.buffer = bytearray(2 * width * height)
        self._dump = open(dump, "wb") if dump else None
        super().__init__(self.buffer, width, height, framebuf.RGB565)

    def show(self):
        if self._dump:
            self._dump.write(self.buffer)
            self._dump.flush()


class Options:
    """`main.py URL --name value ... --flag ...`"""

    FLAGS = ("pace", "loop")

    def __init__(self, argv=None):
        words = list(sys.argv[1:] if argv is None else argv)
        if not words:
            raise SystemExit(
                "usage: main.py mqtt[s]://HOST:PORT | serial:///PATH | file:///PATH [--device-id ID] ..."
            )
        self.url = words.pop(0)
        self._values = {}
        while words:
            name = words.pop(0)[2:]
            self._values[name] = True if name in self.FLAGS else words.pop(0)

    def text(self, name, default=None):
        return self._values.get(name, default)

    def number(self, name, default):
        return float(self._values.get(name, default))

    def transport(self):
        """The transport that the URL names."""
        import pixeltrail

        scheme, _, rest = self.url.partition("://")
        if scheme in ("mqtt", "mqtts"):
            login, _, address = rest.rpartition("@")
            user, _, password = login.partition(":")
            host, _, port = address.partition(":")
            tls = None
            if scheme == "mqtts":
                tls = {"ca": self.text("ca"), "server_name": self.text("server-name", host)}
            return pixeltrail.MQTT(host, int(port) if port else None, user or None, password or None, tls)
        if scheme == "serial":
            return pixeltrail.Serial(rest)  # a path, or `repl`
        if scheme == "file":
            from pixeltrail.transport.file import File

            return File(rest)
        raise SystemExit("unknown link %r" % self.url)


class Person:
    """Somebody who does the same things over and over: a list of (wait in ms, action, arguments...).

    `acts` has a function for each action. Where it has "down", "move" and "up", taps and drags are made of those:
    ("tap", (x, y)) and ("drag", (x, y), to_x).
    """

    TAP_MS = 90
    MOVE_MS = 30
    MOVES = 8

    def __init__(self, habits, acts):
        self._acts = acts
        self._coming = self._forever(habits)
        self._next = next(self._coming)
        self._due = self._next[0]

    def _forever(self, habits):
        while True:
            for wait, action, *what in habits:
                if action == "tap":
                    yield wait, "down", what[0]
                    yield self.TAP_MS, "up", what[0]
                elif action == "drag":
                    (x, y), to_x = what
                    yield wait, "down", (x, y)
                    for move in range(1, self.MOVES + 1):
                        yield self.MOVE_MS, "move", (x + (to_x - x) * move // self.MOVES, y)
                    yield self.MOVE_MS, "up", (to_x, y)
                else:
                    yield wait, action, what

    def step(self, now):
        """Do what is due at `now` ms, at most one thing."""
        if now >= self._due:
            _, action, what = self._next
            self._next = next(self._coming)
            self._due = now + self._next[0]
            self._acts[action](*what)


class Clock:
    """ms since the start, and whether the time that was asked for is over."""

    def __init__(self, duration_s):
        self._start = time.ticks_ms()
        self._end = duration_s * 1000 if duration_s else None

    def now(self):
        return time.ticks_diff(time.ticks_ms(), self._start)

    def is_over(self):
        return self._end is not None and self.now() >= self._end


def drain(rec, timeout_ms=5000):
    """Let the recorder hand over what it still has."""
    clock = Clock(timeout_ms / 1000)
    while not rec.drained and not clock.is_over():
        rec.poll()
        time.sleep_ms(1)
