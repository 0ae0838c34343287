"""The REPL of a board, as tools speak to it: `repl.py [raw]` runs boot.py and main.py, then answers on its console.

Raw mode as mpremote uses it: Ctrl-A, code, Ctrl-D; `OK`, what the code printed, Ctrl-D, its traceback, Ctrl-D. Ctrl-C
interrupts, Ctrl-D at a prompt is a soft reset: the process ends with 4, and whoever started it starts it again, with
`raw` if it was in raw mode (5). machine.reset() ends it with 3.
"""

import io
import sys
import termios

RESET, SOFT_RESET, RAW_SOFT_RESET = 3, 4, 5
_ISIG = 0x0001
_ICANON_ECHO_IEXTEN = 0x800A
_OPOST = 0x0001
_WINDOW = 2048

_out = sys.stdout.buffer
_in = sys.stdin.buffer
_names = {"__name__": "__main__"}


def _keyboard():
    """Bytes come as they are, and Ctrl-C interrupts."""
    modes = termios.tcgetattr(0)
    modes[1] &= ~_OPOST
    modes[3] = modes[3] & ~_ICANON_ECHO_IEXTEN | _ISIG
    termios.tcsetattr(0, termios.TCSANOW, modes)


def _say(text):
    _out.write(text.encode())


def _byte():
    while True:
        try:
            got = _in.read(1)
            if not got:
                sys.exit(0)
            return got[0]
        except KeyboardInterrupt:
            return 3


def _run_file(name):
    try:
        with open(name) as file:
            source = file.read()
    except OSError:
        return
    try:
        exec(compile(source, name, "exec"), _names)
    except SystemExit:
        raise
    except BaseException as error:
        sys.print_exception(error)
    _keyboard()


def _paste():
    """Code in raw paste mode: a byte 1 for each window that was taken, so that the host need not wait."""
    _out.write(b"R\x01" + bytes((_WINDOW & 0xFF, _WINDOW >> 8)) + b"\x01")
    source = bytearray()
    while True:
        byte = _byte()
        if byte == 4:
            _out.write(b"\x04")
            return source
        source.append(byte)
        if len(source) % _WINDOW == 0:
            _out.write(b"\x01")


def _raw_exec(source, greeting=b"OK"):
    _out.write(greeting)
    told = b""
    try:
        exec(compile(source.decode(), "<stdin>", "exec"), _names)
    except SystemExit:
        raise
    except BaseException as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        told = text.getvalue().encode()
    _keyboard()
    _out.write(b"\x04" + told + b"\x04>")


def raw():
    """Until Ctrl-B."""
    _say("raw REPL; CTRL-B to exit\r\n>")
    line = bytearray()
    while True:
        byte = _byte()
        if byte == 1:
            line = bytearray()
            _say("raw REPL; CTRL-B to exit\r\n>")
        elif byte == 2:
            _say("\r\n")
            return
        elif byte == 3:
            line = bytearray()
        elif byte == 4:
            if not line:
                _say("OK\r\nMPY: soft reboot\r\n")
                sys.exit(RAW_SOFT_RESET)
            _raw_exec(line)
            line = bytearray()
        elif byte == 5 and not line:
            _byte(), _byte()
            _raw_exec(_paste(), b"")
        else:
            line.append(byte)


def friendly():
    line = bytearray()
    _say("\r\nMicroPython simulated\r\n>>> ")
    while True:
        byte = _byte()
        if byte == 1:
            raw()
            _say("MicroPython simulated\r\n>>> ")
        elif byte == 4:
            _say("\r\nMPY: soft reboot\r\n")
            sys.exit(SOFT_RESET)
        elif byte in (2, 3):
            line = bytearray()
            _say("\r\n>>> ")
        elif byte == 13:
            if line:
                _say("\r\n")
                try:
                    exec(line.decode(), _names)
                except SystemExit:
                    raise
                except BaseException as error:
                    sys.print_exception(error)
            line = bytearray()
            _say("\r\n>>> ")
        else:
            line.append(byte)


_keyboard()
sys.path.pop(0)  # the folder of this file
sys.path.insert(0, "")
if sys.argv[-1] == "raw":
    raw()
else:
    _run_file("boot.py")
    _run_file("main.py")
friendly()
