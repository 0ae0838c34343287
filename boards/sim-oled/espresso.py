"""An espresso machine with a knob and a display of 128x64 bits: a list of drinks, brewing, cleaning, a sleeping screen.

The knob turns (`turn`) and is pressed (`press`). What the machine tells goes through `on_page` and `on_event`.
"""

import math

import framebuf

DRINKS = (("Espresso", 28, 25), ("Lungo", 60, 45), ("Ristretto", 18, 20), ("Hot water", 120, 30))  # ml, s
TARGET = 93.0  # degrees C
SLEEP_AFTER_MS = 12_000
QUICKER = 6  # a brew of 25 s takes about 4


class App:
    def __init__(self, display, on_page, on_event):
        self.display = display
        self.on_page = on_page
        self.on_event = on_event
        self._page = ""
        self._drink = 0
        self._slide = 0.0  # the drink in view, on its way to the chosen one
        self._warmth = 62.0
        self._started = 0
        self._now = 0
        self._used = 0
        self._shots = 0
        self._digits = {}
        self._open("Warm Up")

    # --- what the person does ---

    def turn(self, steps):
        if self._wake():
            return
        if self._page == "Drinks":
            self._drink = (self._drink + steps) % len(DRINKS)
            self.on_event("Drink Selected", {"drink": DRINKS[self._drink][0]})

    def press(self):
        if self._wake():
            return
        if self._page == "Drinks":
            name, amount, _ = DRINKS[self._drink]
            self._started = self._now
            self.on_event("Brew Started", {"drink": name, "ml": amount, "degrees": round(self._warmth, 1)})
            self._open("Brewing")
        elif self._page == "Brewing":
            self._finish(False)

    def _wake(self):
        self._used = self._now
        if self._page == "Sleep":
            self._open("Drinks" if self._warmth > TARGET - 2 else "Warm Up")
            return True
        return False

    # --- what happens by itself ---

    def step(self, now):
        """Let time pass; True when the display must be shown."""
        elapsed, self._now = now - self._now, now
        goal = 70.0 if self._page == "Sleep" else TARGET
        self._warmth += (goal - self._warmth) * min(1, elapsed / 2500)
        if self._page == "Warm Up" and self._warmth > TARGET - 1:
            self._open("Drinks")
        elif self._page == "Brewing" and self._progress() >= 1:
            self._finish(True)
        elif self._page == "Drinks" and now - self._used > SLEEP_AFTER_MS:
            self._open("Sleep")
        self._draw()
        return True

    def _progress(self):
        return (self._now - self._started) * QUICKER / 1000 / DRINKS[self._drink][2]

    def _finish(self, is_done):
        self._shots += 1
        name, amount, _ = DRINKS[self._drink]
        poured = round(amount * min(1, self._progress()))
        self.on_event("Brew Finished" if is_done else "Brew Stopped", {"drink": name, "ml": poured})
        self._used = self._now
        self._open("Drinks")

    def _open(self, page):
        self._page = page
        self.on_page(page)

    # --- what it shows ---

    def _draw(self):
        self.display.fill(0)
        if self._page == "Warm Up":
            self._draw_warm_up()
        elif self._page == "Drinks":
            self._draw_drinks()
        elif self._page == "Brewing":
            self._draw_brewing()
        else:
            self._draw_sleep()

    def _draw_warm_up(self):
        display = self.display
        display.text("Warming up", 24, 4)
        self._number(str(int(self._warmth)), 40, 19, 3)
        display.text("o", 92, 16)
        display.text("C", 100, 21)
        self._bar(8, 50, 112, (self._warmth - 20) / (TARGET - 20))

    def _draw_drinks(self):
        display = self.display
        gap = self._drink - self._slide
        if abs(gap) > len(DRINKS) / 2:  # over the end of the list is the short way
            gap -= math.copysign(len(DRINKS), gap)
        self._slide = self._drink if abs(gap) < 0.05 else (self._slide + gap * 0.4) % len(DRINKS)
        display.text("%d" % self._warmth, 4, 3)
        display.text("o", 21, 0)
        display.text("%d cups" % self._shots, 124 - 8 * len("%d cups" % self._shots), 3)
        display.hline(0, 13, 128, 1)
        for place in range(len(DRINKS)):
            away = place - self._slide
            away -= len(DRINKS) * round(away / len(DRINKS))
            x = round(64 + away * 92)
            if -60 < x < 188:
                self._cup(x, 28, 10 + place * 2 if place != 3 else 14)
                name = DRINKS[place][0]
                display.text(name, x - 4 * len(name), 47)
        for place in range(len(DRINKS)):
            x = 64 + (place * 2 - len(DRINKS) + 1) * 5
            display.ellipse(x, 60, 2, 2, 1, place == self._drink)

    def _draw_brewing(self):
        display = self.display
        name, amount, seconds = DRINKS[self._drink]
        done = self._progress()
        display.text(name, 4, 3)
        display.hline(0, 13, 128, 1)
        self._cup(30, 38, 14, done)
        if done < 0.97:
            for drop in range(2):
                y = 15 + (self._now // 30 + drop * 6) % 12
                display.vline(26 + drop * 8, y, 4, 1)
        self._number("%2d" % min(seconds, int(done * seconds)), 68, 19, 3)
        display.text("s", 118, 34)
        display.text("%d/%d ml" % (amount * min(1, done), amount), 62, 45)
        self._bar(62, 57, 62, done, 6)

    def _draw_sleep(self):
        """A small mark wanders, so that nothing burns in."""
        at = self._now // 400
        x, y = 8 + at * 7 % 96, 8 + at * 5 % 44
        self.display.ellipse(x + 6, y + 4, 6, 4, 1)
        self.display.text("z", x + 14, y - 6)

    def _cup(self, x, y, half, fill=None):
        """A cup with its saucer around x, y; `fill` is how full, steam rises when None."""
        display = self.display
        display.rect(x - half, y - 4, 2 * half, 12, 1)
        display.hline(x - half + 2, y + 8, 2 * half - 4, 1)
        display.ellipse(x + half, y + 1, 4, 4, 1, False, 0b1001)
        display.hline(x - half - 4, y + 11, 2 * half + 8, 1)
        if fill is None:
            for wisp in (-4, 4):
                for row in range(6):
                    sway = round(1.4 * math.sin(row * 0.9 + self._now / 300 + wisp))
                    display.pixel(x + wisp + sway, y - 6 - row, 1)
        else:
            level = round(10 * min(1, fill))
            display.fill_rect(x - half + 2, y + 7 - level, 2 * half - 4, level, 1)

    def _bar(self, x, y, width, share, height=9):
        display = self.display
        display.rect(x + 1, y, width - 2, height, 1)
        display.vline(x, y + 1, height - 2, 1)
        display.vline(x + width - 1, y + 1, height - 2, 1)
        display.fill_rect(x + 2, y + 2, round((width - 4) * min(1, max(0, share))), height - 4, 1)

    def _number(self, text, x, y, scale):
        """Digits of framebuf's font, enlarged."""
        for digit in text:  # or a space
            if digit not in self._digits:
                cell = framebuf.FrameBuffer(bytearray(8), 8, 8, framebuf.MONO_VLSB)
                cell.text(digit, 0, 0)
                self._digits[digit] = [(px, py) for py in range(8) for px in range(8) if cell.pixel(px, py)]
            for px, py in self._digits[digit]:
                self.display.fill_rect(x + px * scale, y + py * scale, scale, scale, 1)
            x += 8 * scale
