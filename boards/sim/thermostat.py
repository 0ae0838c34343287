"""A room thermostat with a touch display of 240x240 pixels: home, menu, history and settings.

The App draws only what changed since the last step and says whether the display must be shown. What it tells of itself
goes through `on_page(name)` and `on_event(name, properties)`; it knows nothing of who listens.
"""

import math

from paint import Paint, Ring, mix, rgb

NIGHT = rgb(11, 16, 28)
CARD = rgb(24, 33, 51)
PRESSED = rgb(44, 58, 86)
LINE = rgb(38, 50, 74)
TEXT = rgb(240, 244, 252)
FAINT = rgb(136, 150, 176)
WARM = rgb(255, 138, 60)
COOL = rgb(76, 168, 255)
GREEN = rgb(72, 208, 144)

SIDE = 240
COLDEST, WARMEST = 10.0, 30.0
SLOWER = 60  # one second here is a minute in the room


class Room:
    """How warm it is: it falls towards the outside, rises while heating, and the outside has day and night."""

    def __init__(self):
        self.minutes = 18 * 60 + 24
        self.warmth = 19.4
        self.target = 21.0
        self.is_heating = True
        self.history = []  # (room, target) every quarter of an hour
        warmth = 18.5
        for quarter in range(96):
            target = 21.0 if 26 <= quarter % 96 < 88 else 17.5
            warmth += (target - warmth) * 0.12 + 0.25 * math.sin(quarter / 3)
            self.history.append((warmth, target))

    def step(self, minutes):
        for _ in range(minutes):
            self.minutes += 1
            outside = 7 + 5 * math.sin((self.minutes / 1440 - 0.3) * 2 * math.pi)
            if self.warmth < self.target - 0.2:
                self.is_heating = True
            elif self.warmth > self.target + 0.1:
                self.is_heating = False
            self.warmth += (outside - self.warmth) * 0.0012 + (0.045 if self.is_heating else 0)
            if self.minutes % 15 == 0:
                self.history = self.history[1:] + [(self.warmth, self.target)]

    @property
    def clock(self):
        return "%02d:%02d" % (self.minutes // 60 % 24, self.minutes % 60)


class App:
    def __init__(self, display, on_page, on_event):
        self.display = display
        self.paint = Paint(display)
        self.room = Room()
        self.is_away = False
        self.is_fahrenheit = False
        self.is_locked = False
        self.brightness = 70
        self.on_page = on_page
        self.on_event = on_event
        self._pages = {
            "Home": Home(self),
            "Menu": Menu(self),
            "History": History(self),
            "Settings": Settings(self),
        }
        self._page = None
        self._minute = 0
        self.is_changed = False
        self.open("Home")

    def open(self, name):
        self._page = self._pages[name]
        self.display.fill(NIGHT)
        self._page.draw()
        self.is_changed = True
        self.on_page(name)

    def touch(self, x, y, is_down):
        self._page.touch(x, y, is_down)

    def step(self, now):
        """Let time pass; True when the display must be shown."""
        minute = now * SLOWER // 60000
        if minute != self._minute:
            self.room.step(minute - self._minute)
            self._minute = minute
            self._page.tick()
        self._page.animate(now)
        changed, self.is_changed = self.is_changed, False
        return changed

    def degrees(self, celsius, digits=1):
        value = celsius * 1.8 + 32 if self.is_fahrenheit else celsius
        return ("%.1f" if digits else "%.0f") % value

    def header(self, title):
        """The way back and a title, as all pages but the first have."""
        self.paint.text("\u2039", 12, 13, 24, FAINT, NIGHT)
        self.paint.text(title, 40, 16, 18, TEXT, NIGHT)
        self.paint.right(self.room.clock, 228, 18, 14, FAINT, NIGHT)

    def tick_header(self):
        self.display.fill_rect(170, 14, 60, 20, NIGHT)
        self.paint.right(self.room.clock, 228, 18, 14, FAINT, NIGHT)
        self.is_changed = True

    def is_back(self, x, y, is_down):
        return not is_down and y < 44 and x < 150


class Home:
    RING = (120, 118, 73, 84)
    BUTTONS = (("-", 40, 206, -0.5), ("+", 200, 206, 0.5))

    def __init__(self, app):
        self.app = app
        self._ring = Ring(app.display, *self.RING)
        self._shown = app.room.target  # the ring moves towards the target
        self._last = 0
        self._held = None

    def draw(self):
        app = self.app
        self._shown = app.room.target
        self._draw_head()
        self._draw_dial()
        for button in self.BUTTONS:
            self._draw_button(button, CARD)
        for x in (108, 120, 132):
            app.paint.disc(x, 222, 3, FAINT, NIGHT)

    def tick(self):
        self.app.display.fill_rect(0, 0, SIDE, 24, NIGHT)
        self._draw_head()
        self._draw_dial()
        self.app.is_changed = True

    def animate(self, now):
        gap = self.app.room.target - self._shown
        if gap and now - self._last >= 40:
            self._last = now
            self._shown = self.app.room.target if abs(gap) < 0.06 else self._shown + gap * 0.35
            self._draw_dial()
            self.app.is_changed = True

    def touch(self, x, y, is_down):
        app = self.app
        for button in self.BUTTONS:
            sign, bx, by, step = button
            if (x - bx) ** 2 + (y - by) ** 2 < 30**2:
                self._draw_button(button, PRESSED if is_down else CARD)
                app.is_changed = True
                if not is_down:
                    self._change(step)
                return
        if not is_down and y > 200 and 90 < x < 150:
            app.open("Menu")

    def _change(self, step):
        room = self.app.room
        before = room.target
        room.target = min(WARMEST, max(COLDEST, before + step))
        if room.target != before:
            self.app.on_event(
                "Setpoint Changed", {"from": before, "to": room.target, "room": round(room.warmth, 1)}
            )

    def _draw_head(self):
        app = self.app
        app.paint.text("Living room", 12, 8, 14, FAINT, NIGHT)
        app.paint.right(app.room.clock, 228, 8, 14, TEXT, NIGHT)

    def _draw_dial(self):
        app, paint, room = self.app, self.app.paint, self.app.room
        color = WARM if room.is_heating else COOL
        app.display.fill_rect(24, 27, 192, 154, NIGHT)
        share = (self._shown - COLDEST) / (WARMEST - COLDEST)
        degrees = int(share * Ring.STEPS)
        self._ring.draw(degrees, color, CARD, NIGHT)
        x, y = self._ring.place(degrees)
        app.display.ellipse(x, y, 11, 11, NIGHT, True)
        paint.disc(x, y, 8, TEXT, NIGHT)
        # near its end the ring still moves, but the number is there already
        number = self._shown if abs(room.target - self._shown) > 0.3 else room.target
        whole, _, part = app.degrees(number).partition(".")
        left = 120 - (paint.width(whole, 52) + paint.width("." + part, 24)) // 2 - 2
        after = paint.text(whole, left, 87, 52, TEXT, NIGHT)
        paint.text("\xb0", after, 85, 28, color, NIGHT)
        paint.text("." + part, after - 2, 111, 24, TEXT, NIGHT)
        paint.centered("now %s\xb0" % app.degrees(room.warmth), 120, 147, 14, FAINT, NIGHT)
        paint.centered(
            "Away" if app.is_away else "Heating" if room.is_heating else "Idle", 120, 66, 12, color, NIGHT
        )

    def _draw_button(self, button, color):
        sign, x, y, _ = button
        paint = self.app.paint
        paint.disc(x, y, 24, color, NIGHT)
        paint.box(x - 9, y - 2, 19, 5, 2, TEXT, color)
        if sign == "+":
            paint.box(x - 2, y - 9, 5, 19, 2, TEXT, color)


class Menu:
    ROWS = ("History", "Settings", "Away", "Boost 1 h")

    def __init__(self, app):
        self.app = app

    def draw(self):
        self.app.header("Menu")
        for row in range(len(self.ROWS)):
            self._draw_row(row, CARD)

    def tick(self):
        self.app.tick_header()

    def animate(self, now):
        pass

    def touch(self, x, y, is_down):
        app = self.app
        if app.is_back(x, y, is_down):
            app.open("Home")
            return
        row = (y - 48) // 47
        if y < 48 or not 0 <= row < len(self.ROWS):
            return
        name = self.ROWS[row]
        if is_down:
            self._draw_row(row, PRESSED)
            app.is_changed = True
        elif name in ("History", "Settings"):
            app.open(name)
        else:
            self._choose(row, name)

    def _choose(self, row, name):
        app = self.app
        if name == "Away":
            app.is_away = not app.is_away
            app.room.target = 16.0 if app.is_away else 21.0
            app.on_event("Away Changed", {"on": app.is_away})
        else:
            app.room.target = 24.0
            app.on_event("Boost Started", {"minutes": 60})
        self._draw_row(row, CARD)
        app.is_changed = True

    def _draw_row(self, row, color):
        app, y = self.app, 48 + 47 * row
        app.paint.box(10, y, 220, 41, 10, color, NIGHT)
        app.paint.text(self.ROWS[row], 24, y + 12, 18, TEXT, color)
        if self.ROWS[row] == "Away":
            draw_switch(app.paint, 180, y + 9, app.is_away, color)
        else:
            app.paint.text("\u203a", 206, y + 10, 20, FAINT, color)


def draw_switch(paint, x, y, is_on, background):
    color = GREEN if is_on else LINE
    paint.box(x, y, 40, 23, 11, color, background)
    paint.disc(x + (28 if is_on else 11), y + 11, 8, TEXT, color)


class History:
    LEFT, TOP, WIDTH, HEIGHT = 34, 58, 192, 134

    def __init__(self, app):
        self.app = app

    def draw(self):
        app, paint = self.app, self.app.paint
        app.header("History")
        paint.disc(40, 218, 4, WARM, NIGHT)
        paint.text("Room", 50, 211, 14, FAINT, NIGHT)
        paint.disc(120, 218, 4, COOL, NIGHT)
        paint.text("Target", 130, 211, 14, FAINT, NIGHT)
        self._draw_graph()

    def tick(self):
        self.app.tick_header()
        if self.app.room.minutes % 15 == 0:
            self._draw_graph()

    def animate(self, now):
        pass

    def touch(self, x, y, is_down):
        if self.app.is_back(x, y, is_down):
            self.app.open("Menu")

    def _y(self, warmth):
        return self.TOP + self.HEIGHT - round((warmth - 14) * self.HEIGHT / 12)

    def _draw_graph(self):
        app, display = self.app, self.app.display
        display.fill_rect(0, self.TOP - 8, SIDE, self.HEIGHT + 16, NIGHT)
        for warmth in (15, 18, 21, 24):
            y = self._y(warmth)
            display.hline(self.LEFT, y, self.WIDTH, LINE)
            app.paint.right(app.degrees(warmth, 0), self.LEFT - 5, y - 5, 11, FAINT, NIGHT)
        bottom = self.TOP + self.HEIGHT
        for hour, (room, target) in enumerate(app.room.history):
            x, y = self.LEFT + 2 * hour, self._y(room)
            for row in range(y + 1, bottom):
                level = 7 - 7 * (row - y) // (bottom - y)
                display.hline(x, row, 2, mix(WARM, NIGHT, level))
            display.fill_rect(x, y - 1, 2, 3, WARM)
            display.hline(x, self._y(target), 2, COOL)
            display.hline(x, self._y(target) + 1, 2, COOL)


class Settings:
    ROWS = ("Fahrenheit", "Child lock")

    def __init__(self, app):
        self.app = app

    def draw(self):
        app = self.app
        app.header("Settings")
        self._draw_slider()
        for row in range(len(self.ROWS)):
            self._draw_row(row)
        app.paint.text("Model PT-240   v1.4.2", 14, 214, 12, FAINT, NIGHT)

    def tick(self):
        self.app.tick_header()

    def animate(self, now):
        pass

    def touch(self, x, y, is_down):
        app = self.app
        if app.is_back(x, y, is_down):
            app.open("Menu")
        elif 48 <= y < 104:
            app.brightness = min(100, max(0, (x - 26) * 100 // 188))
            self._draw_slider()
            app.is_changed = True
            if not is_down:
                app.on_event("Brightness Changed", {"percent": app.brightness})
        elif not is_down and 110 <= y < 204:
            self._switch((y - 110) // 47)

    def _switch(self, row):
        app = self.app
        if row == 0:
            app.is_fahrenheit = not app.is_fahrenheit
            app.on_event("Unit Changed", {"unit": "F" if app.is_fahrenheit else "C"})
        else:
            app.is_locked = not app.is_locked
            app.on_event("Child Lock Changed", {"on": app.is_locked})
        self._draw_row(row)
        app.is_changed = True

    def _draw_slider(self):
        app, paint = self.app, self.app.paint
        paint.box(10, 48, 220, 56, 10, CARD, NIGHT)
        paint.text("Brightness", 24, 56, 14, TEXT, CARD)
        paint.right("%d%%" % app.brightness, 216, 56, 14, FAINT, CARD)
        x = 26 + 188 * app.brightness // 100
        paint.box(24, 84, 192, 7, 3, LINE, CARD)
        if x > 34:
            paint.box(24, 84, x - 24, 7, 3, WARM, CARD)
        paint.disc(x, 87, 9, TEXT, CARD)

    def _draw_row(self, row):
        app, y = self.app, 110 + 47 * row
        app.paint.box(10, y, 220, 41, 10, CARD, NIGHT)
        app.paint.text(self.ROWS[row], 24, y + 13, 16, TEXT, CARD)
        draw_switch(app.paint, 180, y + 9, app.is_locked if row else app.is_fahrenheit, CARD)
