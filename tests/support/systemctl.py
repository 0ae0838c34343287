"""Stands in for systemd where it is not process 1: starts, reloads and stops one service as its unit says.

    SANDBOX=FOLDER python systemctl.py start|stop|restart|reload|status|enable|daemon-reload [--now] NAME

Only what the unit of the bridge uses: ExecStart, ExecReload, Environment with %S, Type=notify, stopping by SIGTERM.
Like systemd it waits for READY=1, and fails when the process ends or says nothing. The unit's paths lie in the sandbox.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SANDBOX = Path(os.environ["SANDBOX"])
LIMIT_S = 120.0


def unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    text = (SANDBOX / "etc/systemd/system" / f"{name}.service").read_text()
    text = re.sub(r"(?<![\w.])/(opt|etc/pixeltrail)", rf"{SANDBOX}/\1", text).replace(
        "%S", f"{SANDBOX}/var/lib"
    )
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def pid_file(name: str) -> Path:
    return SANDBOX / f"{name}.pid"


def pid_of(name: str) -> int | None:
    try:
        pid = int(pid_file(name).read_text())
        os.kill(pid, 0)
        is_zombie = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, ValueError):
        return None
    return None if is_zombie else pid


def listen() -> socket.socket:
    path = SANDBOX / "notify"
    path.unlink(missing_ok=True)
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(path))
    heard.settimeout(0.2)
    return heard


def await_ready(heard: socket.socket, name: str) -> None:
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        try:
            if b"READY=1" in heard.recv(4_096):
                return
        except TimeoutError:
            if pid_of(name) is None:
                break
    sys.exit(f"Job for {name}.service failed; see {SANDBOX / 'journal'}")


def start(name: str) -> None:
    described = unit(name)
    environment = dict(os.environ) | {"NOTIFY_SOCKET": str(SANDBOX / "notify")}
    for words in described["Environment"]:
        environment |= dict([words.split("=", 1)])
    with listen() as heard, (SANDBOX / "journal").open("ab") as journal:
        command = shlex.split(described["ExecStart"][0])
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=journal,
            stderr=journal,
            start_new_session=True,
        )
        pid_file(name).write_text(str(process.pid))
        await_ready(heard, name)


def stop(name: str) -> None:
    pid = pid_of(name)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    end_s = time.monotonic() + LIMIT_S
    while pid_of(name) is not None:
        if time.monotonic() > end_s:
            sys.exit(f"{name} did not end")
        time.sleep(0.05)


def reload(name: str) -> None:
    pid = pid_of(name)
    if pid is None:
        sys.exit(f"{name}.service is not active, cannot reload.")
    with listen() as heard:
        subprocess.run(unit(name)["ExecReload"][0].replace("$MAINPID", str(pid)), shell=True, check=True)
        await_ready(heard, name)


def main() -> None:
    command, *rest = sys.argv[1:]
    name = rest[-1] if rest else ""
    if command in ("start", "restart") or (command == "enable" and "--now" in rest):
        stop(name)
        start(name)
    elif command == "stop":
        stop(name)
    elif command == "reload":
        reload(name)
    elif command == "status":
        print(f"{name}.service: {'active (running)' if pid_of(name) else 'inactive (dead)'}")
        sys.exit(0 if pid_of(name) else 3)
    elif command != "daemon-reload":
        sys.exit(f"Unknown command verb {command}.")


if __name__ == "__main__":
    main()
