"""A short session in which everything happens that the page can show: one per page view would tell less."""

from __future__ import annotations

from collections.abc import Iterator

from pixeltrail_bridge.wire import messages as m

from .recorded import Film, Site, Timed

DEVICE = "script-board"
WIDTH, HEIGHT = 60, 40
IDLE = (20_000, 50_000)  # in which nothing happens
END_MS = 60_000


def picture(value: int) -> bytes:
    """RGB565: a bar that grows with `value`, and a corner that tells its parity."""
    row = bytes((x * 4 if x < value % WIDTH else 40, 200)[byte] for x in range(WIDTH) for byte in (0, 1))
    corner = bytes((255 if value % 2 else 0, 0xF8)) * 6 + row[12:]
    return corner * 6 + row * (HEIGHT - 6)


def shown() -> Iterator[tuple[int, bytes]]:
    for number, at_ms in enumerate([*range(200, IDLE[0], 400), *range(IDLE[1], END_MS + 1, 400)]):
        yield at_ms, picture(number)


def marks(said: str = "") -> list[Timed]:
    """What happened beside the pictures; `said` is part of every string that comes from outside."""
    return [
        (100, m.Identify(f"resident-7{said}", {"plan": f"home{said}"})),
        (900, m.Screen(f"Home{said}", {})),
        *touch(2_000, 10, 10),
        (2_100, m.Track(f"Setpoint Changed{said}", {"to": 21.5, "note": f"warm{said}"})),
        *drag(4_000, 5, 30, 50),
        (5_000, m.Key(f"up{said}", m.Phase.DOWN, 1)),
        (6_000, m.Log(1, f"sensor is slow{said}")),
        (7_000, m.Screen(f"Menu{said}", {})),
        *vitals(),
        (9_000, m.Track(f"Away Changed{said}", {"on": True})),
        (12_000, m.Gap(900, 901, 3, 1, 0, m.GapReason.OUTBOX_FULL)),
        (52_000, m.Masks(((0, 0, 32, 8),))),
        (54_000, m.Track(f"Unit Changed{said}", {"unit": "F"})),
    ]


def touch(at_ms: int, x: int, y: int) -> list[Timed]:
    return [(at_ms, m.Touch(x, y, m.Phase.DOWN)), (at_ms + 80, m.Touch(x, y, m.Phase.UP))]


def drag(at_ms: int, x: int, y: int, to_x: int) -> list[Timed]:
    moves = [(at_ms + 50 * n, m.Touch(x + (to_x - x) * n // 5, y, m.Phase.MOVE)) for n in range(1, 5)]
    down, up = m.Touch(x, y, m.Phase.DOWN), m.Touch(to_x, y, m.Phase.UP)
    return [(at_ms, down), *moves, (at_ms + 300, up)]


def vitals() -> list[Timed]:
    return [
        (at_ms, m.Vitals({1: 90_000 - at_ms, 9: -60 + at_ms // 6_000}))
        for at_ms in range(1_500, 60_000, 6_000)
    ]


def record(site: Site, device_id: str = DEVICE, said: str = "") -> Film:
    film = site.record(
        device_id, WIDTH, HEIGHT, m.PixelFormat.RGB565, list(shown()), marks(said), {12_200},
        board=f"Test board{said}", app=f"Thermostat{said}", app_version=f"1.4{said}", os=f"MicroPython{said}",
    )  # fmt: skip
    site.deliver(device_id, "sent", 200, "", [f"Setpoint Changed{said}", f"Unit Changed{said}"])
    site.deliver(device_id, "dead", 400, f"invalid event{said}", [f"Away Changed{said}"])
    return film
