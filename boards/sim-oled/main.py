"""An espresso machine that never existed: the app as it was, and the lines that record it."""

import time

import pixeltrail  # 1
from espresso import App
from simulation import Clock, Options, Person, drain
from ssd1306 import SSD1306

options = Options()
clock = Clock(options.number("duration", 0))

# What this person does with the knob: wait in ms, then turn it by so many clicks, or press it.
HABITS = (
    (9000, "turn", 1),
    (500, "turn", 1),
    (900, "turn", -1),
    (900, "press"),
    (9000, "turn", -1),
    (700, "press"),
    (7000, "turn", 3),
    (600, "turn", 1),
    (900, "press"),
    (2000, "press"),
    (20_000, "press"),
)


def main():
    oled = SSD1306(dump=options.text("dump"))
    rec = pixeltrail.Recorder(  # 2
        oled,
        options.transport(),
        device_id=options.text("device-id"),
        sample_rate=options.number("sample-rate", 1),
        app="Espresso",
        app_version="2.0.1",
        board="Simulated espresso machine",
    )
    app = App(oled, rec.screen, rec.track)

    def turn(clicks):
        rec.key("knob", pixeltrail.TURN, clicks)
        app.turn(clicks)

    def press():
        rec.key("knob", pixeltrail.DOWN)
        rec.key("knob", pixeltrail.UP)
        app.press()

    person = Person(HABITS, {"turn": turn, "press": press})
    while not clock.is_over():
        now = clock.now()
        person.step(now)
        if app.step(now):
            oled.show()
        rec.poll()  # 3
        time.sleep_ms(20)
    drain(rec)


if options.text("play"):
    from player import play

    play(options)
else:
    main()
