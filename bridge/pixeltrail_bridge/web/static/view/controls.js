// The row of buttons under the picture.

import { SPEEDS } from "../core/clock.js";
import { duration } from "../core/text.js";
import { element, icon, iconButton, setIcon, setLabel, setText } from "./dom.js";

export class Controls {
  #play;
  #time = element("span", { class: "now" });
  #all = element("span", { class: "quiet" });
  #speed;
  #idle;
  #idleText = element("span", {}, "Skip idle");
  #loop;

  // `act(command, argument)` as core/keys.js names them; `has` tells which of "copy" and "help" exist.
  constructor(act, has) {
    this.#play = iconButton("play", "Play", () => act("toggle"), { class: "icon-button primary" });
    this.#speed = element("select", { "aria-label": "Speed", title: "Speed",
      on: { change: () => act("setSpeed", Number(this.#speed.value)) } },
    ...SPEEDS.map((speed) => element("option", { value: String(speed) }, `${speed}×`)));
    this.#speed.value = "1";
    this.#idle = element("button", { type: "button", class: "button toggle", "aria-pressed": "false", on: { click: () => act("idle") } },
      icon("idle"), this.#idleText);
    this.#loop = iconButton("loop", "Repeat a range", () => act("loop"), { "aria-pressed": "false" });
    this.element = element("div", { class: "controls", role: "group", "aria-label": "Player" },
      iconButton("back", "One frame back", () => act("frame", -1)),
      this.#play,
      iconButton("on", "One frame on", () => act("frame", 1)),
      element("p", { class: "time" }, this.#time, this.#all),
      element("span", { class: "push" }),
      iconButton("previous", "To the event before", () => act("marker", -1)),
      iconButton("next", "To the next event", () => act("marker", 1)),
      this.#speed, this.#idle, this.#loop,
      has.copy && iconButton("link", "Copy a link to this moment", () => act("copy")),
      iconButton("full", "Full screen", () => act("fullscreen")),
      has.help && iconButton("help", "Keys", () => act("help")));
  }

  update({ position, durationMs, isPlaying, speed, skipsIdle, savedMs, loop }) {
    setIcon(this.#play, isPlaying ? "pause" : "play");
    setLabel(this.#play, isPlaying ? "Pause" : "Play");
    setText(this.#time, duration(position, 1));
    setText(this.#all, ` / ${duration(durationMs)}`);
    if (this.#speed.value !== String(speed)) this.#speed.value = String(speed);
    this.#idle.setAttribute("aria-pressed", String(skipsIdle));
    this.#idle.hidden = savedMs <= 0;
    this.#idle.title = `${duration(savedMs)} in which nothing changed and nobody did anything`;
    const isSet = loop !== null && loop[1] !== Infinity;
    this.#loop.setAttribute("aria-pressed", String(loop !== null));
    setLabel(this.#loop, loop === null ? "Repeat a range: set its start here" : isSet ? "Stop repeating" : "Repeat up to here");
  }
}
