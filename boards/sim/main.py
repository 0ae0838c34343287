"""A thermostat that never existed: the app as it was, and the lines that record it."""

import time

import pixeltrail  # 1
from simulation import Clock, Display, Options, Person, drain

options = Options()
clock = Clock(options.number("duration", 0))

# What this person does, over and over: wait in ms, then tap at a place, or drag from it to another x.
LESS, MORE, DOTS, BACK = (40, 206), (200, 206), (120, 218), (30, 22)
HABITS = (
    (2000, "tap", MORE),
    (450, "tap", MORE),
    (450, "tap", MORE),
    (2500, "tap", LESS),
    (1800, "tap", DOTS),
    (1300, "tap", (120, 70)),  # history
    (3200, "tap", BACK),
    (900, "tap", (120, 160)),  # away
    (1200, "tap", BACK),
    (2600, "tap", DOTS),
    (700, "tap", (120, 160)),  # at home again
    (900, "tap", (120, 115)),  # settings
    (900, "drag", (160, 87), 80),
    (700, "drag", (80, 87), 190),
    (900, "tap", (200, 130)),  # Fahrenheit
    (1000, "tap", BACK),
    (600, "tap", BACK),
    (1800, "tap", DOTS),
    (700, "tap", (120, 115)),
    (700, "tap", (200, 130)),  # Celsius
    (700, "tap", BACK),
    (600, "tap", BACK),
)


def main():
    from thermostat import SIDE, App

    display = Display(SIDE, SIDE, options.text("dump"))
    rec = pixeltrail.Recorder(  # 2
        display,
        options.transport(),
        device_id=options.text("device-id"),
        sample_rate=options.number("sample-rate", 1),
        app="Thermostat",
        app_version="1.4.2",
        board="Simulated thermostat",
    )
    rec.identify("resident-7", {"plan": "home", "rooms": 4})
    app = App(display, rec.screen, rec.track)

    def touch(phase):
        def act(x, y):
            rec.touch(x, y, phase)
            app.touch(x, y, phase != pixeltrail.UP)

        return act

    person = Person(
        HABITS, {"down": touch(pixeltrail.DOWN), "move": touch(pixeltrail.MOVE), "up": touch(pixeltrail.UP)}
    )
    while not clock.is_over():
        now = clock.now()
        person.step(now)
        if app.step(now):
            display.show()
        rec.poll()  # 3
        time.sleep_ms(5)
    drain(rec)


if options.text("play"):
    from player import play

    play(options)
else:
    main()
